//! The same client with a stream for each request. Where a schedule is pipelined, streams run at the same time and a fault is one stream's
//! (RST_STREAM, a window that stays shut); else it is the connection's.

use std::cell::Cell;
use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::SendStream;
use h2::client::Builder;
use h2::client::ResponseFuture;
use h2::client::SendRequest;
use http::Request;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::client::Answer;
use crate::client::Seen;
use crate::client::Told;
use crate::plan::ClientFault;
use crate::plan::End;
use crate::plan::Exchange;
use crate::plan::Schedule;
use crate::support::http2_client::block_on;
use crate::way::NAME;
use crate::way::WAIT_MAX;

/// What the head of an answer counts where a client fails after so many bytes of the answers.
const HEAD_BYTES: usize = 200;

/// What the streams of a connection share.
struct Shared {
    fault: ClientFault,
    /// Streams run at the same time, and fail alone.
    together: bool,
    slice: usize,
    received: Cell<usize>,
    connection: RefCell<Connection>,
}

/// What is to become of the connection, told to the task that drives it.
#[derive(Default)]
struct Connection {
    cut: Option<End>,
    waker: Option<Waker>,
}

impl Shared {
    /// The fault is the connection's: it ends, or is driven no further.
    fn cut(&self, end: End) {
        let mut connection = self.connection.borrow_mut();
        connection.cut = Some(end);
        if let Some(waker) = connection.waker.take() {
            waker.wake();
        }
    }

    fn is_cut(&self) -> bool {
        self.connection.borrow().cut.is_some()
    }
}

/// Runs a schedule; see [`crate::client::run`].
pub(crate) fn run(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    schedule: &Schedule,
    still_open: &dyn Fn() -> bool,
) -> Seen {
    block_on(async {
        let shared = Rc::new(Shared {
            fault: schedule.client,
            together: schedule.pipelined,
            slice: schedule.slice,
            received: Cell::new(0),
            connection: RefCell::default(),
        });
        let whole = talk(address, config, schedule, &shared);
        let (told, late) = match timeout(WAIT_MAX, whole).await {
            Ok(told) => (told, false),
            Err(_elapsed) => (Vec::new(), true),
        };
        let is_stalled = shared.connection.borrow().cut == Some(End::Stall);
        while is_stalled && still_open() {
            tokio::task::yield_now().await;
        }
        let mut seen = Seen {
            told,
            violation: late.then(|| "a request that does not end".to_owned()),
        };
        let all = schedule.exchanges.len();
        seen.told.resize_with(all, Told::default);
        seen
    })
}

async fn talk(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    schedule: &Schedule,
    shared: &Rc<Shared>,
) -> Vec<Told> {
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    if matches!(
        schedule.client,
        ClientFault::Sending(_, End::Reset) | ClientFault::Reading(_, End::Reset)
    ) {
        // Dropped, it is reset.
        SockRef::from(&tcp)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
    let name = ServerName::try_from(NAME).unwrap();
    let connector = TlsConnector::from(Arc::clone(config));
    let Ok(tls) = connector.connect(name, tcp).await else {
        return Vec::new();
    };
    let Ok((client, connection)) = Builder::new().handshake::<_, Bytes>(tls).await else {
        return Vec::new();
    };
    drop(tokio::task::spawn_local(drive(
        connection,
        Rc::clone(shared),
    )));
    let mut begin = 0;
    let mut streams = Vec::new();
    for exchange in &schedule.exchanges {
        let end = begin + exchange.wire.len();
        let fails_at = match schedule.client {
            ClientFault::Sending(at, end_of_client) if (begin..end).contains(&at) => {
                Some((at - begin, end_of_client))
            }
            _ => None,
        };
        begin = end;
        let stream = stream(
            client.clone(),
            exchange.clone(),
            fails_at,
            Rc::clone(shared),
        );
        if shared.together {
            streams.push(tokio::task::spawn_local(stream));
            continue;
        }
        let told = stream.await;
        streams.push(tokio::task::spawn_local(std::future::ready(told)));
        if shared.is_cut() {
            break;
        }
    }
    let mut told = Vec::new();
    for stream in streams {
        told.push(stream.await.unwrap());
    }
    told
}

/// Drives the connection until it ends or is cut: then it is dropped, or kept still if it stalls.
async fn drive(
    connection: h2::client::Connection<tokio_rustls::client::TlsStream<TcpStream>, Bytes>,
    shared: Rc<Shared>,
) {
    let mut connection = std::pin::pin!(connection);
    poll_fn(|context| {
        let cut = {
            let mut told = shared.connection.borrow_mut();
            told.waker = Some(context.waker().clone());
            told.cut
        };
        match cut {
            None => connection.as_mut().poll(context).map(drop),
            Some(End::Stall) => Poll::Pending,
            Some(End::Close | End::Reset) => Poll::Ready(()),
        }
    })
    .await;
}

/// One request. `fails_at` is where in its bytes on the wire of HTTP/1.1 the client fails, and how.
async fn stream(
    client: SendRequest<Bytes>,
    exchange: Exchange,
    fails_at: Option<(usize, End)>,
    shared: Rc<Shared>,
) -> Told {
    let mut told = Told::default();
    let Ok(mut client) = client.ready().await else {
        return told;
    };
    let body = Bytes::from(exchange.stream.body.clone());
    let before_body = fails_at.is_some_and(|(at, _)| at < exchange.stream.head_bytes);
    if before_body && (body.is_empty() || !shared.together) {
        if let Some((_, end)) = fails_at.filter(|_| !shared.together) {
            shared.cut(end);
        }
        return told;
    }
    let Ok((answer, send)) = client.send_request(request(&exchange), body.is_empty()) else {
        return told;
    };
    told.begun = true;
    told.sent = body.is_empty();
    drop(client);
    let sending = (!body.is_empty()).then(|| {
        // Never the last byte, however the wire of HTTP/1.1 has it.
        let limit = fails_at.map(|(at, end)| {
            let bytes = at.saturating_sub(exchange.stream.head_bytes);
            (bytes.min(body.len() - 1), end)
        });
        tokio::task::spawn_local(send_body(send, body, limit, Rc::clone(&shared)))
    });
    told.answer = receive(answer, &shared).await;
    if let Some(sending) = sending {
        if shared.is_cut() && !sending.is_finished() {
            // Nobody will take the rest.
            sending.abort();
        } else {
            // A stream that stalls is kept until its answer has come.
            let (sent, kept) = sending.await.unwrap();
            told.sent = sent;
            drop(kept);
        }
    }
    told
}

fn request(exchange: &Exchange) -> Request<()> {
    let asked = &exchange.stream;
    let method = if exchange.is_put { "PUT" } else { "GET" };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://gateway.example{}", asked.target));
    for (name, value) in &asked.fields {
        request = request.header(*name, value);
    }
    if let Some(length) = asked.length {
        request = request.header("Content-Length", length);
    }
    request.body(()).unwrap()
}

/// Sends a body as the windows allow, up to where the client fails; whether all of it was sent.
async fn send_body(
    mut send: SendStream<Bytes>,
    mut rest: Bytes,
    limit: Option<(usize, End)>,
    shared: Rc<Shared>,
) -> (bool, SendStream<Bytes>) {
    let mut left = limit.map_or(rest.len(), |(bytes, _)| bytes);
    while left > 0 {
        send.reserve_capacity(left.min(shared.slice));
        let granted = match poll_fn(|context| send.poll_capacity(context)).await {
            Some(Ok(granted)) => granted.min(left).min(shared.slice),
            // The stream is over; the answer tells.
            Some(Err(_)) | None => return (false, send),
        };
        if granted == 0 {
            continue;
        }
        left -= granted;
        let is_last = limit.is_none() && left == 0;
        if send.send_data(rest.split_to(granted), is_last).is_err() {
            return (false, send);
        }
        if left > 0 {
            // Each piece is a frame of its own.
            tokio::task::yield_now().await;
        }
    }
    let Some((_, end)) = limit else {
        return (true, send);
    };
    match end {
        End::Stall => {}
        End::Close | End::Reset if shared.together => send.send_reset(Reason::CANCEL),
        End::Close | End::Reset => shared.cut(end),
    }
    (false, send)
}

/// The whole answer, if it comes and the client does not fail before.
async fn receive(answer: ResponseFuture, shared: &Shared) -> Option<Answer> {
    let (head, mut body) = answer.await.ok()?.into_parts();
    let mut text = format!("HTTP/2 {}", head.status.as_str());
    for (name, value) in &head.headers {
        text += &format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    let mut whole = Vec::new();
    let mut gives_back = true;
    let mut count = HEAD_BYTES;
    loop {
        shared.received.set(shared.received.get() + count);
        if let ClientFault::Reading(at, end) = shared.fault
            && shared.received.get() > at
        {
            match (shared.together, end) {
                // The window stays shut; what is in it may be the whole answer.
                (true, End::Stall) => gives_back = false,
                (true, End::Close | End::Reset) => return None,
                (false, _) => {
                    shared.cut(end);
                    return None;
                }
            }
        }
        let Some(piece) = body.data().await else {
            break;
        };
        let piece = piece.ok()?;
        count = piece.len();
        whole.extend_from_slice(&piece);
        if gives_back {
            body.flow_control().release_capacity(count).ok()?;
        }
    }
    Some(Answer {
        status: head.status.as_u16(),
        head: text,
        body: whole,
    })
}
