//! Two futures at once on one core.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Which of two futures was done first.
#[derive(Debug, PartialEq, Eq)]
pub enum First<A, B> {
    /// The first one; it wins when both are done.
    A(A),
    /// The second one.
    B(B),
}

/// Runs both until one is done. The other stays pinned where it is, to be awaited or dropped by the caller.
pub async fn race<A: Future, B: Future>(
    mut a: Pin<&mut A>,
    mut b: Pin<&mut B>,
) -> First<A::Output, B::Output> {
    poll_fn(|context| {
        if let Poll::Ready(value) = a.as_mut().poll(context) {
            return Poll::Ready(First::A(value));
        }
        b.as_mut().poll(context).map(First::B)
    })
    .await
}
