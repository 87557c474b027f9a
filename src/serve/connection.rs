//! One client connection: heads off the wire, exchanges in order, the end.

use std::rc::Rc;

use crate::net::address::PeerAddress;
use crate::net::buffer::BufferPool;
use crate::net::buffer::Class;
use crate::net::deadline::Cut;
use crate::net::stream::Stream;
use crate::net::stream::Unread;
use crate::net::stream::is_silence;
#[cfg(feature = "http2")]
use crate::net::tls::server::Application;
use crate::serve::gateway;
use crate::serve::greeting::Entrance;
use crate::serve::greeting::Guest;
use crate::serve::greeting::Unwelcome;
use crate::serve::greeting::greet;
use crate::serve::greeting::tell;
#[cfg(feature = "http2")]
use crate::serve::http2;
use crate::serve::inbox::Inbox;
use crate::serve::inbox::Unhurried;
use crate::serve::per_core::Core;
use crate::serve::settings::Service;
use crate::serve::sidecar;
use crate::serve::worker::HeadRules;
use crate::serve::worker::Worker;
use crate::wire::http1::head::HeadError;
use crate::wire::http1::head::HeadLimits;
use crate::wire::http1::head::RequestHead;

/// API Gateway's quota for the length of a URL (spec 11).
pub const TARGET_BYTES_MAX: usize = 10_240;
/// Fields of one request.
pub const FIELDS_MAX: usize = 128;
/// Requests after which a connection counts as busy, until it falls silent (`net::deadline::SILENCE_MS`).
const QUIET_REQUESTS: u32 = 2;
/// After the last response the client may take this long to read it and close.
const LINGER_MS_MAX: u64 = 2_000;
/// What is read and thrown away meanwhile.
const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A client and what it sent that nobody has read.
#[derive(Debug)]
pub struct Client {
    /// Its connection.
    pub stream: Stream,
    /// Received bytes.
    pub inbox: Inbox,
    /// Its address.
    pub peer: PeerAddress,
    /// Whether it speaks TLS.
    pub is_secure: bool,
    /// See [`Client::source_ip`].
    source_ip: Option<Rc<str>>,
}

impl Client {
    /// A client that has sent nothing.
    #[must_use]
    pub fn new(stream: Stream, peer: PeerAddress, is_secure: bool) -> Self {
        Self {
            stream,
            inbox: Inbox::new(Vec::new()),
            peer,
            is_secure,
            source_ip: None,
        }
    }

    /// The IP address of whoever connected, as text: written once for all requests of the connection.
    pub fn source_ip(&mut self) -> Rc<str> {
        let peer = self.peer;
        let text = self
            .source_ip
            .get_or_insert_with(|| peer.source_ip().into());
        Rc::clone(text)
    }
}

/// What follows an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next request of the connection.
    Request,
    /// The answer was the last one.
    Close,
    /// The client is gone, or must notice that its response is not whole.
    Cut,
}

/// Why no further head came.
enum NoHead {
    /// The client closed, or nothing came for the idle limit.
    Closed,
    /// A head began and stalled.
    Stalled,
    /// What came is not a head that is taken.
    Refused(HeadError),
    /// A busy connection has fallen silent; its wait goes on without a buffer.
    Silent,
}

/// What a wait without a buffer is for.
#[derive(Clone, Copy)]
enum Wait {
    First,
    Next,
    /// The request that was waited for with a buffer; its deadline stands.
    GoesOn,
}

/// Serves requests until either side ends the connection, each by the settings in force when its head was complete.
pub async fn serve(worker: &Rc<Worker>, client: &mut Client, entrance: &Entrance) {
    let buffers = &worker.lasting.buffers;
    let mut _place = None;
    if !entrance.is_open() {
        // Boxed, since a handshake is long gone while its connection lives.
        match Box::pin(greet(worker, &mut client.stream, entrance, client.peer)).await {
            Ok(Guest { peer, place }) => (client.peer, _place) = (peer, place),
            Err(Unwelcome::Told) => return Box::pin(linger(buffers, &mut client.stream)).await,
            Err(Unwelcome::Gone) => return,
        }
    }
    #[cfg(feature = "http2")]
    if client.stream.speaks(Application::Http2.name()) {
        let stream = &mut client.stream;
        Box::pin(http2::connection::serve(worker, stream, client.peer)).await;
        return Box::pin(linger(buffers, stream)).await;
    }
    client.is_secure = !client.stream.is_plain();
    serve_requests(worker, client).await;
}

/// Serves HTTP/1.1 requests until either side ends the connection. A connection that has not shown that it is busy holds no
/// buffer and no exchange's state while it is silent; a busy one keeps both, and saves a call to the kernel for each request.
pub async fn serve_requests(worker: &Worker, client: &mut Client) {
    let mut wait = Wait::First;
    let mut served = 0;
    loop {
        let is_busy = served >= QUIET_REQUESTS;
        if !is_busy && !speaks_up(worker, &mut client.stream, wait).await {
            return client.stream.say_end();
        }
        client.inbox = Inbox::new(worker.lasting.buffers.take(Class::Head));
        let next = Box::pin(serve_some(worker, client, is_busy)).await;
        let inbox = std::mem::replace(&mut client.inbox, Inbox::new(Vec::new()));
        worker.lasting.buffers.give(inbox.into_buffer());
        match next {
            // Of a busy connection all requests are served at once, until it falls silent.
            Next::Request if is_busy => (wait, served) = (Wait::GoesOn, 0),
            Next::Request => (wait, served) = (Wait::Next, served + 1),
            Next::Close => {
                return Box::pin(linger(&worker.lasting.buffers, &mut client.stream)).await;
            }
            Next::Cut => return,
        }
    }
}

/// Waits for the first byte of a request. `false`: none comes. A drain ends the wait for another request at once, since the
/// client may send that again elsewhere; the first one of a connection is waited for a little.
async fn speaks_up(worker: &Worker, stream: &mut Stream, wait: Wait) -> bool {
    let idle_ms_max = worker.head_rules().timeouts.idle_ms_max;
    match (wait, worker.lasting.draining.get()) {
        (Wait::First, _) => stream.arm_first(idle_ms_max),
        (Wait::Next, false) => stream.arm_idle(idle_ms_max),
        (Wait::Next, true) => return false,
        (Wait::GoesOn, _) => {}
    }
    match stream.readable().await {
        Ok(()) => true,
        // A drain ended the wait in the moment in which a request came: it is still served.
        Err(_) if stream.timed_out() && stream.unread() == Unread::Bytes => {
            stream.forgive_cut();
            true
        }
        Err(_) => false,
    }
}

/// Serves requests: all that come if the connection `is_busy`, until it falls silent; else those that are here.
async fn serve_some(worker: &Worker, client: &mut Client, is_busy: bool) -> Next {
    let mut head = RequestHead::default();
    loop {
        let read = next_head(worker, client, &mut head, is_busy).await;
        let next = match read {
            Ok(()) => exchange(&worker.core(), client, &head).await,
            Err(NoHead::Closed) => {
                client.stream.say_end();
                Next::Cut
            }
            Err(NoHead::Silent) => return Next::Request,
            Err(NoHead::Stalled) => refuse(&worker.core(), client, 408).await,
            Err(NoHead::Refused(error)) => refuse(&worker.core(), client, error.status()).await,
        };
        let may_wait = is_busy || !client.inbox.is_empty();
        if next != Next::Request || !may_wait {
            return next;
        }
    }
}

/// Tells a connection that there is no place for it.
pub async fn turn_away(worker: &Worker, mut stream: Stream) {
    const TEXT: &str = "No more connections are taken at the moment. Try again later.\n";
    let _counted = worker.count_turned_away();
    stream.arm(LINGER_MS_MAX, Cut::Both);
    let told = tell(worker, &mut stream, "503 Service Unavailable", TEXT).await;
    if told == Unwelcome::Told {
        linger(&worker.lasting.buffers, &mut stream).await;
    }
}

/// One request, by what is served.
async fn exchange(core: &Core, client: &mut Client, head: &RequestHead) -> Next {
    let _in_flight = core.metrics.begin();
    match &core.settings.service {
        Service::Gateway(apis) => match apis.of(head) {
            Some(chosen) => gateway::exchange(core, chosen, client, head).await,
            None => gateway::refuse(core, client, 403).await,
        },
        Service::Sidecar(settings) => sidecar::exchange(core, settings, client, head).await,
    }
}

/// The answer to what is no request, by what is served.
async fn refuse(core: &Core, client: &mut Client, status: u16) -> Next {
    match &core.settings.service {
        Service::Gateway(_) => gateway::refuse(core, client, status).await,
        Service::Sidecar(_) => sidecar::refuse(core, client, status).await,
    }
}

/// Waits for a whole head: for its first byte under the idle limit, for the rest under the header limit.
async fn next_head(
    worker: &Worker,
    client: &mut Client,
    head: &mut RequestHead,
    is_busy: bool,
) -> Result<(), NoHead> {
    let mut begun = false;
    loop {
        let HeadRules {
            header_bytes_max,
            timeouts,
        } = worker.head_rules();
        let limits = HeadLimits {
            target_bytes_max: TARGET_BYTES_MAX,
            fields_bytes_max: header_bytes_max,
            fields_max: FIELDS_MAX,
        };
        match head.read(client.inbox.unread(), &limits) {
            Ok(Some(used)) => {
                client.inbox.consume(used);
                client.stream.disarm();
                return Ok(());
            }
            Ok(None) => {}
            Err(error) => return Err(NoHead::Refused(error)),
        }
        if client.inbox.is_empty() {
            let drains = worker.lasting.draining.get();
            if drains && client.stream.unread() != Unread::Bytes {
                return Err(NoHead::Closed);
            }
            if drains {
                // What is here is served; a drain must not cut it on its way.
                client.stream.arm(timeouts.header_ms_max, Cut::Read);
            } else {
                client.stream.arm_idle(timeouts.idle_ms_max);
            }
        } else if !begun {
            begun = true;
            client.stream.arm(timeouts.header_ms_max, Cut::Read);
        }
        let filled = if is_busy && client.inbox.is_empty() {
            let mut source = Unhurried(&mut client.stream);
            client.inbox.fill(&mut source).await
        } else {
            client.inbox.fill(&mut client.stream).await
        };
        match filled {
            Ok(0) | Err(_) if begun && client.stream.timed_out() => return Err(NoHead::Stalled),
            Ok(0) => return Err(NoHead::Closed),
            Ok(_) => {}
            Err(error) if is_silence(&error) => return Err(NoHead::Silent),
            Err(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
                return Err(NoHead::Refused(HeadError::FieldsTooLarge));
            }
            Err(_gone) => return Err(NoHead::Closed),
        }
    }
}

/// Lets the client read the last response before the socket closes: closing with unread bytes in the socket would
/// reset the connection and may take the response with it (RFC 9112 §9.6).
async fn linger(buffers: &BufferPool, stream: &mut Stream) {
    if stream.shutdown_write().is_err() {
        return;
    }
    stream.arm(LINGER_MS_MAX, Cut::Both);
    let mut seen = 0;
    let mut buffer = buffers.take(Class::Part);
    while seen < LINGER_BYTES_MAX {
        buffer.clear();
        let room = buffer.capacity();
        let (result, filled) = stream.recv(buffer, 0, room).await;
        buffer = filled;
        match result {
            Ok(0) | Err(_) => break,
            Ok(count) => seen += count,
        }
    }
    buffers.give(buffer);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of what `call` gives.
    fn bytes_of<A, B, C, F>(_call: impl FnOnce(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// What each idle connection costs beside its socket's entries; `loadtests/idle` measures the whole.
    #[test]
    fn a_connection_that_waits_is_small() {
        let task =
            bytes_of::<&'static Rc<Worker>, &'static mut Client, &'static Entrance, _>(serve);
        let client = size_of::<Client>();
        assert!(task <= 400 && client <= 256, "{task} and {client} bytes");
    }
}
