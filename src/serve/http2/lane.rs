//! One stream: its request through a lane to the reader of requests, the answer back, with the client's windows kept.

use std::future::poll_fn;
use std::pin::Pin;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::Reason;
use h2::RecvStream;
use h2::SendStream;
use h2::server::SendResponse;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;

use crate::net::address::PeerAddress;
use crate::net::buffer::Class;
use crate::net::clock;
use crate::net::deadline::Budget;
use crate::net::driver::sleep_ms;
use crate::net::driver::spawn;
use crate::net::stream::ReadHalf;
use crate::net::stream::Stream;
use crate::net::stream::WriteHalf;
use crate::serve::body_reader::BodyReader;
use crate::serve::connection;
use crate::serve::connection::Client;
use crate::serve::http2::connection::OpenStream;
use crate::serve::http2::request_head;
use crate::serve::http2::request_head::BodyCoding;
use crate::serve::http2::response_head;
use crate::serve::inbox::Inbox;
use crate::serve::race::First;
use crate::serve::race::race;
use crate::serve::worker::Worker;
use crate::wire::http1::chunked::write_chunk_header;
use crate::wire::http1::framing::response_framing;
use crate::wire::http1::head::HeadLimits;
use crate::wire::http1::head::ResponseHead;

/// Our own answers: a store's fields (32 KiB at most) and what the gateway adds.
const ANSWER_HEAD: HeadLimits = HeadLimits {
    target_bytes_max: 1024,
    fields_bytes_max: 128 * 1024,
    fields_max: 512,
};
/// Read from a lane at once: a frame.
const PIECE_BYTES: usize = 16 * 1024;

/// How a stream ended before its answer did.
enum Ended {
    /// By the client.
    ByClient,
    /// It is to be reset with this reason.
    Reset(Reason),
}

/// Serves one stream.
pub async fn exchange(
    worker: Rc<Worker>,
    peer: PeerAddress,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    open: OpenStream,
) {
    let (mut ours, theirs) = match Stream::pair(&worker.lasting.deadlines) {
        Ok(pair) => pair,
        Err(error) => {
            tracing::warn!(%error, "no sockets for a stream");
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
    };
    let counted = worker.count_lane();
    let reader = Rc::clone(&worker);
    drop(spawn(async move {
        let mut client = Client::new(theirs, peer, true);
        connection::serve_requests(&reader, &mut client).await;
        drop((client, counted));
    }));
    let (parts, mut body) = request.into_parts();
    let mut head = Vec::with_capacity(1024);
    let ends = body.is_end_stream();
    let coding = request_head::write(&parts.method, &parts.uri, &parts.headers, ends, &mut head);
    let Ok((from, to)) = ours.halves() else {
        return respond.send_reset(Reason::INTERNAL_ERROR);
    };
    let ended = {
        let mut send = pin!(send_request(to, head, &mut body, coding));
        let mut answer = pin!(relay_answer(&worker, from, &parts.method, &mut respond));
        match race(answer.as_mut(), send.as_mut()).await {
            First::A(ended) => ended,
            First::B(Err(ended)) => Err(ended),
            First::B(Ok(())) => answer.await,
        }
    };
    match ended {
        Ok(()) => open.note_end(),
        Err(Ended::ByClient) => open.note_reset(),
        Err(Ended::Reset(reason)) => respond.send_reset(reason),
    }
    // Only now: a body that is given up before the answer has ended would cancel the stream; after it, h2 says NO_ERROR
    // (RFC 9113 §8.1).
    drop(body);
}

/// Sends head and body on, giving the client's window back as the lane takes bytes. A lane that takes no more has its
/// answer ready.
async fn send_request(
    mut to: WriteHalf<'_>,
    head: Vec<u8>,
    body: &mut RecvStream,
    coding: BodyCoding,
) -> Result<(), Ended> {
    let all = 0..head.len();
    if to.send_all(head, all).await.0.is_err() {
        return Ok(());
    }
    if coding == BodyCoding::None {
        return Ok(());
    }
    let mut frame = Vec::new();
    while let Some(data) = poll_fn(|context| body.poll_data(context)).await {
        let data = data.map_err(|_reset| Ended::ByClient)?;
        if data.is_empty() {
            continue;
        }
        let count = data.len();
        let sent = if coding == BodyCoding::Chunked {
            frame.clear();
            write_chunk_header(&mut frame, count);
            frame.extend_from_slice(&data);
            frame.extend_from_slice(b"\r\n");
            let all = 0..frame.len();
            let sent;
            (sent, frame) = to.send_all(frame, all).await;
            sent
        } else {
            to.send_bytes(data).await
        };
        if sent.is_err() {
            return Ok(());
        }
        // Fails for a stream that is gone, which the next read tells.
        body.flow_control().release_capacity(count).ok();
    }
    let trailers = poll_fn(|context| body.poll_trailers(context)).await;
    let trailers = trailers.map_err(|_reset| Ended::ByClient)?;
    if coding == BodyCoding::Chunked {
        frame.clear();
        request_head::write_last_chunk(trailers.as_ref(), &mut frame);
        let all = 0..frame.len();
        to.send_all(frame, all).await.0.ok();
    }
    Ok(())
}

async fn relay_answer(
    worker: &Worker,
    mut from: ReadHalf<'_>,
    method: &Method,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), Ended> {
    let mut inbox = Inbox::new(worker.lasting.buffers.take(Class::Head));
    let relayed = relay_through(worker, &mut from, &mut inbox, method, respond).await;
    worker.lasting.buffers.give(inbox.into_buffer());
    relayed
}

async fn relay_through(
    worker: &Worker,
    from: &mut ReadHalf<'_>,
    inbox: &mut Inbox,
    method: &Method,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), Ended> {
    const BROKEN: Ended = Ended::Reset(Reason::INTERNAL_ERROR);
    let mut head = ResponseHead::default();
    loop {
        {
            let mut read = pin!(read_head(from, inbox, &mut head));
            let mut reset = pin!(poll_fn(|context| respond.poll_reset(context)));
            match race(read.as_mut(), reset.as_mut()).await {
                First::A(Some(())) => {}
                First::A(None) => return Err(BROKEN),
                First::B(_) => return Err(Ended::ByClient),
            }
        }
        if head.status() != 100 {
            break;
        }
        let mut interim = Response::new(());
        *interim.status_mut() = StatusCode::CONTINUE;
        respond
            .send_informational(interim)
            .map_err(|_gone| Ended::ByClient)?;
    }
    let framing = response_framing(method.as_str().as_bytes(), &head);
    let mut reader = BodyReader::new(framing.map_err(|_doubt| BROKEN)?);
    let response = response_head::convert(&head).ok_or(BROKEN)?;
    let sent = respond.send_response(response, reader.is_done());
    let mut stream = sent.map_err(|_gone| Ended::ByClient)?;
    let timeouts = worker.head_rules().timeouts;
    let mut patience = Patience {
        budget: Budget::new(timeouts.rates.read()),
        idle_ms: timeouts.idle_ms_max,
    };
    while !reader.is_done() {
        let piece = {
            let mut read = pin!(reader.read(from, inbox, Vec::new(), PIECE_BYTES));
            let mut reset = pin!(poll_fn(|context| stream.poll_reset(context)));
            match race(read.as_mut(), reset.as_mut()).await {
                First::A((Ok(_), piece)) => piece,
                // The answer breaks off: the client must see that.
                First::A((Err(_), _)) => return Err(BROKEN),
                First::B(_) => return Err(Ended::ByClient),
            }
        };
        send_piece(&mut stream, piece.into(), reader.is_done(), &mut patience).await?;
    }
    Ok(())
}

async fn read_head(
    from: &mut ReadHalf<'_>,
    inbox: &mut Inbox,
    head: &mut ResponseHead,
) -> Option<()> {
    loop {
        if let Some(used) = head.read(inbox.unread(), &ANSWER_HEAD).ok()? {
            inbox.consume(used);
            return Some(());
        }
        if inbox.fill(from).await.ok()? == 0 {
            return None;
        }
    }
}

/// How long a client's window is waited for.
struct Patience {
    budget: Budget,
    idle_ms: u64,
}

/// Sends as the client's window allows; one that stays shut for the idle limit, or opens too slowly, ends the stream.
async fn send_piece(
    stream: &mut SendStream<Bytes>,
    mut piece: Bytes,
    is_last: bool,
    patience: &mut Patience,
) -> Result<(), Ended> {
    while !piece.is_empty() {
        stream.reserve_capacity(piece.len());
        let granted = window(stream, patience).await?;
        let part = piece.split_to(granted.min(piece.len()));
        let ends = is_last && piece.is_empty();
        stream
            .send_data(part, ends)
            .map_err(|_gone| Ended::ByClient)?;
        if ends {
            return Ok(());
        }
    }
    if is_last {
        stream
            .send_data(Bytes::new(), true)
            .map_err(|_gone| Ended::ByClient)?;
    }
    Ok(())
}

/// When a wait began, and its end.
type Stall = (u64, Pin<Box<dyn Future<Output = ()>>>);

/// Waits for some of the client's window.
async fn window(stream: &mut SendStream<Bytes>, patience: &mut Patience) -> Result<usize, Ended> {
    const LATE: Ended = Ended::Reset(Reason::ENHANCE_YOUR_CALM);
    let Patience { budget, idle_ms } = patience;
    // Made when there is something to wait for, which is seldom.
    let mut stall: Option<Stall> = None;
    let granted = poll_fn(|context| {
        match stream.poll_capacity(context) {
            Poll::Ready(Some(Ok(0))) => context.waker().wake_by_ref(),
            Poll::Ready(Some(Ok(granted))) => return Poll::Ready(Ok(granted)),
            Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(Ended::ByClient)),
            Poll::Pending => {}
        }
        let (_, stall) = stall.get_or_insert_with(|| {
            let sleep = Box::pin(sleep_ms(budget.left_ms(*idle_ms)));
            (clock::monotonic_ms(), sleep)
        });
        stall.as_mut().poll(context).map(|()| Err(LATE))
    })
    .await?;
    budget.earn(granted as u64, *idle_ms);
    let waited_ms = stall.map_or(0, |(begun_ms, _)| {
        clock::monotonic_ms().saturating_sub(begun_ms)
    });
    if budget.spend(waited_ms) {
        Ok(granted)
    } else {
        Err(LATE)
    }
}
