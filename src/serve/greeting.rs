//! What stands between a connection and its first request, by the listener that it came in at: the TLS handshake.

use std::io;
use std::sync::Arc;

use crate::net::clock;
use crate::net::deadline::Cut;
use crate::net::stream::Stream;
use crate::net::tls::server::TlsServer;
use crate::serve::worker::Worker;

/// What a listener asks of its connections before the first request.
#[derive(Clone, Debug, Default)]
pub struct Entrance {
    /// TLS, with these certificates.
    pub tls: Option<Arc<TlsServer>>,
}

impl Entrance {
    /// Whether the first bytes of a connection are those of a request.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.tls.is_none()
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

/// Brings a connection to its first request, within the limit for a request head.
///
/// # Errors
/// See [`Unwelcome`].
pub async fn greet(
    worker: &Worker,
    stream: &mut Stream,
    entrance: &Entrance,
) -> Result<(), Unwelcome> {
    stream.arm(worker.head_rules().timeouts.header_ms_max, Cut::Both);
    if let Some(tls) = &entrance.tls {
        shake_hands(worker, stream, tls).await?;
    }
    stream.disarm();
    Ok(())
}

async fn shake_hands(
    worker: &Worker,
    stream: &mut Stream,
    tls: &TlsServer,
) -> Result<(), Unwelcome> {
    let gone = |error: io::Error| {
        tracing::debug!(%error, "no TLS handshake");
        Unwelcome::Gone
    };
    stream.readable().await.map_err(gone)?;
    // A handshake begins with the byte 22 (RFC 8446 §5.1), a request with a letter of its method.
    if stream
        .next_byte()
        .is_some_and(|byte| byte.is_ascii_alphabetic())
    {
        return Err(tell_of_tls(worker, stream).await);
    }
    let connection = tls.connection().map_err(gone)?;
    stream.start_tls(connection).await.map_err(gone)
}

/// Answers plain HTTP at a port where TLS is spoken.
async fn tell_of_tls(worker: &Worker, stream: &mut Stream) -> Unwelcome {
    const TEXT: &[u8] = b"TLS is spoken at this port: ask for https:// in place of http://\n";
    let mut message = b"HTTP/1.1 400 Bad Request\r\nDate: ".to_vec();
    worker.core().write_date(clock::now().unix, &mut message);
    message.extend_from_slice(
        format!(
            "\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            TEXT.len()
        )
        .as_bytes(),
    );
    message.extend_from_slice(TEXT);
    let all = 0..message.len();
    match stream.send_all(message, all).await.0 {
        Ok(()) => Unwelcome::Told,
        Err(_gone) => Unwelcome::Gone,
    }
}
