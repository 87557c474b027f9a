//! A request body that comes back. When an answer is ready before the body has been read, as with a wrong signature,
//! closing at once would make the kernel reset the connection and the client lose the answer: some more is read first.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What is read of a body that nobody wants; a longer one is cut.
const DRAIN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long that may take.
const DRAIN_SECONDS_MAX: u64 = 5;

/// Gives the rest of the body back when it is dropped.
pub(crate) struct LentBody {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
    asked_for: Arc<AtomicBool>,
}

/// Where the rest of a lent body arrives.
pub(crate) struct Leftover {
    back: oneshot::Receiver<Incoming>,
    asked_for: Arc<AtomicBool>,
}

impl LentBody {
    pub(crate) fn new(body: Incoming) -> (Self, Leftover) {
        let (back, leftover) = oneshot::channel();
        let asked_for = Arc::new(AtomicBool::new(false));
        let leftover = Leftover {
            back: leftover,
            asked_for: Arc::clone(&asked_for),
        };
        let lent = Self {
            body: Some(body),
            back: Some(back),
            asked_for,
        };
        (lent, leftover)
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Nobody waits for it when the connection has gone.
            drop(back.send(body));
        }
    }
}

impl Body for LentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        match &mut this.body {
            Some(body) => {
                if !body.is_end_stream() {
                    this.asked_for.store(true, Ordering::Relaxed);
                }
                Pin::new(body).poll_frame(cx)
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Leftover {
    /// Whether some of the body was read, or waited for: with that a client that expects `100 Continue` has been sent
    /// it. An empty body is never asked for.
    pub(crate) fn was_asked_for(&self) -> bool {
        self.asked_for.load(Ordering::Relaxed)
    }

    /// Reads and forgets what is left, within limits.
    pub(crate) async fn drain(mut self) {
        let Ok(body) = self.back.try_recv() else {
            return;
        };
        // Past the limit the connection closes with the rest unread: that is the limit's meaning.
        let within_limit = timeout(Duration::from_secs(DRAIN_SECONDS_MAX), read_to_end(body)).await;
        if within_limit.is_err() {
            tracing::debug!("a refused body was not read to its end");
        }
    }
}

async fn read_to_end(mut body: Incoming) {
    let mut left = DRAIN_BYTES_MAX;
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
    {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
