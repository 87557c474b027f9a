//! Clients that speak HTTP/2: the h2 crate's, and one that sends the frames it is given.

use std::future::poll_fn;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::Builder;
use h2::client::SendRequest;
use http::Request;
use http::Response;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use super::tls_client::Authority;
use super::tls_client::TlsClient;

/// The name that the tests' certificates are for.
pub(crate) const NAME: &str = "gate.example";

/// A configuration that offers HTTP/2.
pub(crate) fn config(authority: &Authority) -> Arc<ClientConfig> {
    let mut config = authority.client(&[&TLS13], None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Runs a test's asynchronous part.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, future)
}

/// How a connection ended.
pub(crate) type Ended = tokio::task::JoinHandle<Result<(), h2::Error>>;

/// Connects; the connection is driven beside the test.
pub(crate) async fn connect(
    address: SocketAddr,
    authority: &Authority,
    builder: &Builder,
) -> (SendRequest<Bytes>, Ended) {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    let tls = TlsConnector::from(config(authority))
        .connect(name, tcp)
        .await
        .unwrap();
    let (client, connection) = builder.handshake(tls).await.unwrap();
    (client, tokio::task::spawn_local(connection))
}

/// A request without a body; `fields` as given.
pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://{NAME}{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// Sends a request with its whole body, as the windows allow, and reads the whole answer.
pub(crate) async fn fetch(
    client: &SendRequest<Bytes>,
    request: Request<()>,
    body: &[u8],
) -> Result<(Response<()>, Vec<u8>), h2::Error> {
    let mut client = client.clone().ready().await?;
    let (answer, mut send) = client.send_request(request, body.is_empty())?;
    let mut rest = Bytes::copy_from_slice(body);
    while !rest.is_empty() {
        send.reserve_capacity(rest.len());
        match poll_fn(|context| send.poll_capacity(context)).await {
            Some(Ok(granted)) if granted > 0 => {
                let part = rest.split_to(granted.min(rest.len()));
                send.send_data(part, rest.is_empty())?;
            }
            Some(Ok(_)) => {}
            // The answer tells.
            Some(Err(_)) | None => break,
        }
    }
    let (head, body) = answer.await?.into_parts();
    Ok((Response::from_parts(head, ()), read(body).await?))
}

/// Reads a body whole, giving the window back.
pub(crate) async fn read(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut whole = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// A frame (RFC 9113 §4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A field block of literals that enter no table (RFC 7541 §6.2.2).
pub(crate) fn fields(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in pairs {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The fields of a GET.
pub(crate) const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", NAME),
    (":path", "/o/b/k"),
];

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A connection for frames.
pub(crate) struct Frames {
    client: TlsClient,
}

impl Frames {
    /// Connects, and sends preface and settings.
    pub(crate) fn connect(address: SocketAddr, authority: &Authority) -> Self {
        let client = TlsClient::connect(address, &config(authority), NAME).unwrap();
        let mut frames = Self { client };
        frames.client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frames.send(&frame(SETTINGS, 0, 0, b""));
        frames
    }

    /// Sends bytes; `false` if the peer has closed.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.client.send(bytes)
    }

    /// The next frame: kind, stream, payload. `None` at the end.
    pub(crate) fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.client.reading().read_exact(&mut head).ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        self.client.reading().read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], stream, payload))
    }

    /// The error code of the next RST_STREAM or GOAWAY, with its kind; `None` if the connection ends without.
    pub(crate) fn refusal(&mut self) -> Option<(u8, u32)> {
        while let Some((kind, _, payload)) = self.next() {
            let at = match kind {
                RST_STREAM => 0,
                GOAWAY => 4,
                _ => continue,
            };
            let code: [u8; 4] = payload[at..at + 4].try_into().unwrap();
            return Some((kind, u32::from_be_bytes(code)));
        }
        None
    }
}
