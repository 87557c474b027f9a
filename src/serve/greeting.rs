//! What stands between a connection and its first request, by the listener that it came in at: the header of the PROXY
//! protocol, the TLS handshake.

use std::io;
use std::sync::Arc;

use crate::net::address::PeerAddress;
use crate::net::clock;
use crate::net::deadline::Cut;
use crate::net::stream::Stream;
use crate::net::tls::server::TlsServer;
use crate::serve::connection_caps::Place;
use crate::serve::metrics::ConnectionRefusal;
use crate::serve::source_address::is_trusted;
use crate::serve::worker::Worker;
use crate::wire::proxy_protocol;
use crate::wire::proxy_protocol::Announced;

/// Looked at in one go for the header of the PROXY protocol; usual ones are shorter.
const AHEAD_BYTES: usize = 512;

/// What a listener asks of its connections before the first request.
#[derive(Clone, Debug, Default)]
pub struct Entrance {
    /// TLS, with these certificates.
    pub tls: Option<Arc<TlsServer>>,
    /// Connections begin with a header of the PROXY protocol, which says whose they are if whoever connected is trusted.
    pub proxy_protocol: bool,
}

impl Entrance {
    /// Whether the first bytes of a connection are those of a request.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.tls.is_none() && !self.proxy_protocol
    }
}

/// Why no request can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwelcome {
    /// The connection is of no more use.
    Gone,
    /// It was told what is wrong, and may read it.
    Told,
}

/// Whose connection it is.
#[derive(Debug)]
pub struct Guest {
    /// The client, or whoever connected.
    pub peer: PeerAddress,
    /// Its place among the connections of its address, where it is counted by the address that was announced.
    pub place: Option<Place>,
}

/// Brings a connection of `peer` to its first request, within the limit for a request head.
///
/// # Errors
/// See [`Unwelcome`].
pub async fn greet(
    worker: &Worker,
    stream: &mut Stream,
    entrance: &Entrance,
    peer: PeerAddress,
) -> Result<Guest, Unwelcome> {
    stream.arm(worker.head_rules().timeouts.header_ms_max, Cut::Both);
    let mut guest = Guest { peer, place: None };
    if entrance.proxy_protocol {
        let announced = read_announcement(worker, stream).await?;
        guest = introduce(worker, peer, announced)?;
    }
    if let Some(tls) = &entrance.tls {
        shake_hands(worker, stream, tls).await?;
    }
    stream.disarm();
    Ok(guest)
}

/// The header of the PROXY protocol, and not a byte behind it.
async fn read_announcement(worker: &Worker, stream: &mut Stream) -> Result<Announced, Unwelcome> {
    let mut header = Vec::with_capacity(proxy_protocol::HEADER_BYTES_MAX);
    let mut ahead = vec![0; AHEAD_BYTES];
    loop {
        stream.readable().await.map_err(gone)?;
        let seen = stream.peek(&mut ahead);
        let before = header.len();
        header.extend_from_slice(ahead.get(..seen).unwrap_or_default());
        let (take, said) = match proxy_protocol::read(&header) {
            Ok(Some((used, said))) => (used.saturating_sub(before), Some(said)),
            Ok(None) if seen > 0 => (seen, None),
            Ok(None) => return Err(Unwelcome::Gone),
            Err(_malformed) => {
                tracing::debug!("no header of the PROXY protocol");
                let metrics = &worker.lasting.metrics;
                metrics.count_refusal(ConnectionRefusal::ProxyProtocol);
                return Err(Unwelcome::Gone);
            }
        };
        header.reserve(take);
        let (received, filled) = stream.recv(header, before, take).await;
        header = filled;
        match (said, received.map_err(gone)?) {
            (Some(said), count) if count == take => return Ok(said),
            (_, 0) => return Err(Unwelcome::Gone),
            _ => {}
        }
    }
}

/// Believes what a trusted proxy says, and counts the client that it names.
fn introduce(worker: &Worker, peer: PeerAddress, said: Announced) -> Result<Guest, Unwelcome> {
    let core = worker.core();
    let edge = &core.settings.edge;
    let mut guest = Guest { peer, place: None };
    let Announced::Client(client) = said else {
        return Ok(guest);
    };
    if !is_trusted(&edge.trusted_proxies, peer) {
        return Ok(guest);
    }
    guest.peer = PeerAddress::Inet(client);
    if let Some(cap) = &edge.caps.of_address {
        guest.place = cap.enter(client.ip());
        if guest.place.is_none() {
            core.metrics.count_refusal(ConnectionRefusal::Address);
            return Err(Unwelcome::Gone);
        }
    }
    Ok(guest)
}

async fn shake_hands(
    worker: &Worker,
    stream: &mut Stream,
    tls: &TlsServer,
) -> Result<(), Unwelcome> {
    stream.readable().await.map_err(gone)?;
    let mut first = [0];
    // A handshake begins with the byte 22 (RFC 8446 §5.1), a request with a letter of its method.
    if stream.peek(&mut first) > 0 && first[0].is_ascii_alphabetic() {
        const TEXT: &str = "TLS is spoken at this port: ask for https:// in place of http://\n";
        return Err(tell(worker, stream, "400 Bad Request", TEXT).await);
    }
    let connection = tls.connection().map_err(gone)?;
    stream.start_tls(connection).await.map_err(gone)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn gone(error: io::Error) -> Unwelcome {
    tracing::debug!(%error, "a connection ended before its first request");
    Unwelcome::Gone
}

/// Answers, in plain text, a connection that gets no further.
pub async fn tell(worker: &Worker, stream: &mut Stream, status: &str, text: &str) -> Unwelcome {
    let mut message = format!("HTTP/1.1 {status}\r\nDate: ").into_bytes();
    worker.core().write_date(clock::now().unix, &mut message);
    let length = text.len();
    message.extend_from_slice(
        format!("\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}").as_bytes(),
    );
    let all = 0..message.len();
    match stream.send_all(message, all).await.0 {
        Ok(()) => Unwelcome::Told,
        Err(_gone) => Unwelcome::Gone,
    }
}
