//! One HTTP/2 connection: its frames, its streams, its limits, its end.

use std::cell::Cell;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::task::Waker;

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;

use crate::net::address::PeerAddress;
use crate::net::buffer::Class;
use crate::net::deadline::Cut;
use crate::net::deadline::DeadlineSlot;
use crate::net::driver::spawn;
use crate::net::stream::ReadHalf;
use crate::net::stream::Stream;
use crate::net::stream::WriteHalf;
use crate::net::stream::is_silence;
use crate::serve::connection::FIELDS_MAX;
use crate::serve::connection::TARGET_BYTES_MAX;
use crate::serve::http2::lane;
use crate::serve::http2::transport::Transport;
use crate::serve::worker::Worker;

/// Streams of a connection at the same time (RFC 9113 §6.5.2 recommends no fewer than 100).
pub const STREAMS_MAX: u32 = 100;
/// What a client may send of one body before somebody wants it.
pub const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// The same for all bodies of a connection: the most that a connection makes us hold of them.
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// The longest frame (RFC 9113 §4.2: the least that may be asked for).
pub const FRAME_BYTES_MAX: u32 = 16 * 1024;
/// The table that a client may fill for the compression of its fields (RFC 7541 §4.2, the default).
pub const HEADER_TABLE_BYTES: u32 = 4096;
/// Bytes of one response that wait for the client's window.
pub const SEND_BUFFER_BYTES_MAX: usize = 32 * 1024;
/// Streams that a client resets before they are answered, beyond those that it lets end ("rapid reset", CVE-2023-44487).
pub const RESETS_MAX: u64 = 100;
/// Streams that are reset before we have seen them; more end the connection.
pub const UNSEEN_RESETS_MAX: usize = 20;
/// Streams that we reset for a fault of the client's; more end the connection.
pub const FAULTS_MAX: usize = 100;
/// What a field costs beyond its bytes in the size that is announced (RFC 9113 §6.5.2).
const FIELD_OVERHEAD_BYTES: usize = 32;
/// What a silent connection waits with: a frame's head and a little, which the buffer of a busy one follows.
const SILENT_BYTES: usize = 64;
/// How long a client may take to show that it has seen our GOAWAY.
const GOODBYE_MS_MAX: u64 = 1_000;

/// What the connection and its streams tell each other.
#[derive(Default)]
pub struct Streams {
    /// The client's preface has come: until then the limit for a request head holds.
    greeted: Cell<bool>,
    open: Cell<usize>,
    ended: Cell<u64>,
    reset: Cell<u64>,
    /// A stream has ended since the connection looked.
    changed: Cell<bool>,
    connection: RefCell<Option<Waker>>,
}

/// One open stream.
pub struct OpenStream(Rc<Streams>);

impl OpenStream {
    fn new(streams: &Rc<Streams>) -> Self {
        streams.open.set(streams.open.get() + 1);
        Self(Rc::clone(streams))
    }

    /// It was answered whole.
    pub fn note_end(&self) {
        self.0.ended.set(self.0.ended.get().saturating_add(1));
    }

    /// The client reset it.
    pub fn note_reset(&self) {
        self.0.reset.set(self.0.reset.get().saturating_add(1));
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
        self.0.changed.set(true);
        if let Some(waker) = self.0.connection.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Streams {
    const fn is_abused(&self) -> bool {
        self.reset.get() > self.ended.get().saturating_add(RESETS_MAX)
    }

    /// Arms what ends a connection that has no stream; streams have limits of their own.
    fn rest(&self, worker: &Worker, deadline: &DeadlineSlot) {
        if !self.greeted.get() {
            deadline.arm(worker.head_rules().timeouts.header_ms_max, Cut::Both);
        } else if self.open.get() > 0 {
            deadline.disarm();
        } else if worker.lasting.draining.get() {
            deadline.arm(GOODBYE_MS_MAX, Cut::Read);
        } else {
            deadline.arm(worker.head_rules().timeouts.idle_ms_max, Cut::Read);
        }
    }
}

/// Serves the streams of a connection until either side ends it. What remains to be done is the lingering close.
pub async fn serve(worker: &Rc<Worker>, stream: &mut Stream, peer: PeerAddress) {
    stream.arm(worker.head_rules().timeouts.header_ms_max, Cut::Both);
    let Ok((from, to)) = stream.halves() else {
        return;
    };
    let transport = Transport::default();
    let streams = Rc::new(Streams::default());
    let deadline = to.deadline();
    let mut receive = pin!(receive(worker, from, &transport));
    let mut send = pin!(send(worker, to, &transport, &streams));
    let mut speak = pin!(async {
        let spoken = speak(worker, &transport, peer, &streams, deadline).await;
        if let Err(fault) = spoken {
            tracing::debug!(%fault, "an HTTP/2 connection ended by a fault");
        }
        transport.finish();
    });
    let (mut received, mut spoken) = (false, false);
    poll_fn(|context| {
        received = received || receive.as_mut().poll(context).is_ready();
        spoken = spoken || speak.as_mut().poll(context).is_ready();
        send.as_mut().poll(context)
    })
    .await;
}

async fn receive(worker: &Worker, mut from: ReadHalf<'_>, transport: &Transport) {
    loop {
        let mut buffer = poll_fn(|context| transport.poll_taken(context)).await;
        if buffer.capacity() < Class::Head.bytes() {
            buffer = worker.lasting.buffers.take(Class::Head);
        }
        let (mut result, mut filled) = from.recv_unless_silent(buffer, 0, usize::MAX).await;
        if result.as_ref().is_err_and(is_silence) {
            worker.lasting.buffers.give(filled);
            (result, filled) = from.recv_append(Vec::with_capacity(SILENT_BYTES)).await;
        }
        match result {
            Ok(1..) => transport.put(filled),
            Ok(0) | Err(_) => {
                worker.lasting.buffers.give(filled);
                return transport.put(Vec::new());
            }
        }
    }
}

/// Ends when there is nothing more to send, or nobody to send it to.
async fn send(worker: &Worker, mut to: WriteHalf<'_>, transport: &Transport, streams: &Streams) {
    let deadline = to.deadline();
    let mut buffer = Vec::new();
    while poll_fn(|context| transport.poll_outbound(context, &mut buffer))
        .await
        .is_some()
    {
        let rules = worker.head_rules();
        deadline.arm(rules.timeouts.idle_ms_max, Cut::Both);
        let all = 0..buffer.len();
        let result;
        (result, buffer) = to.send_all(std::mem::take(&mut buffer), all).await;
        if result.is_err() {
            return transport.break_off();
        }
        streams.rest(worker, deadline);
    }
}

async fn speak(
    worker: &Rc<Worker>,
    transport: &Transport,
    peer: PeerAddress,
    streams: &Rc<Streams>,
    deadline: &DeadlineSlot,
) -> Result<(), h2::Error> {
    let handshake = builder(worker).handshake::<_, Bytes>(transport.clone());
    let mut connection = handshake.await?;
    streams.greeted.set(true);
    streams.rest(worker, deadline);
    let drain = worker.lasting.drain_bell.listener();
    let (mut said_goodbye, mut was_cut) = (false, false);
    loop {
        let accepted = poll_fn(|context| {
            *streams.connection.borrow_mut() = Some(context.waker().clone());
            if streams.changed.replace(false) {
                streams.rest(worker, deadline);
            }
            if worker.lasting.draining.get() {
                if !said_goodbye {
                    said_goodbye = true;
                    connection.graceful_shutdown();
                    streams.rest(worker, deadline);
                }
            } else {
                drain.listen(context.waker());
            }
            if streams.is_abused() && !was_cut {
                was_cut = true;
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            }
            connection.poll_accept(context)
        })
        .await;
        let Some(stream) = accepted else {
            return Ok(());
        };
        let (request, respond) = stream?;
        let open = OpenStream::new(streams);
        deadline.disarm();
        let worker = Rc::clone(worker);
        drop(spawn(async move {
            lane::exchange(worker, peer, request, respond, open).await;
        }));
        // One at a time, so that streams that stand are served while many are opened.
        let mut waited = false;
        poll_fn(|context| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

fn builder(worker: &Worker) -> Builder {
    let fields_bytes_max = worker.head_rules().header_bytes_max;
    let list_bytes = fields_bytes_max + TARGET_BYTES_MAX + FIELDS_MAX * FIELD_OVERHEAD_BYTES;
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(STREAMS_MAX)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .header_table_size(HEADER_TABLE_BYTES)
        .max_header_list_size(u32::try_from(list_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER_BYTES_MAX)
        .max_pending_accept_reset_streams(UNSEEN_RESETS_MAX)
        .max_local_error_reset_streams(Some(FAULTS_MAX));
    builder
}
