//! How many requests of one core are at an upstream, and who waits to be next.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use crate::net::driver::sleep_ms;

/// Why a request gets no connection although the upstream may be well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// As many requests wait as may.
    QueueFull,
    /// It waited, and none came free in time.
    QueueTimeout,
}

/// The permits of one pool. Whoever took one gives it back.
#[derive(Debug)]
pub(super) struct Permits {
    count_max: usize,
    waiting_max: usize,
    taken: Cell<usize>,
    /// First come, first served.
    waiting: RefCell<VecDeque<Rc<Waiter>>>,
}

#[derive(Debug)]
struct Waiter {
    granted: Cell<bool>,
    waker: RefCell<Waker>,
}

impl Permits {
    pub(super) const fn new(count_max: usize, waiting_max: usize) -> Self {
        Self {
            count_max,
            waiting_max,
            taken: Cell::new(0),
            waiting: RefCell::new(VecDeque::new()),
        }
    }

    /// Count of permits that are taken.
    pub(super) const fn taken(&self) -> usize {
        self.taken.get()
    }

    /// Count of those who wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Takes a permit that is free now.
    pub(super) fn try_take(&self) -> bool {
        let free = self.taken.get() < self.count_max;
        if free {
            self.taken.set(self.taken.get() + 1);
        }
        free
    }

    /// Takes a permit, waiting at most `ms_max` for one behind all who wait already.
    pub(super) async fn take(&self, ms_max: u64) -> Result<(), Shortage> {
        if self.try_take() {
            return Ok(());
        }
        if self.waiting() >= self.waiting_max {
            return Err(Shortage::QueueFull);
        }
        let waiter = Rc::new(Waiter {
            granted: Cell::new(false),
            waker: RefCell::new(Waker::noop().clone()),
        });
        self.waiting.borrow_mut().push_back(Rc::clone(&waiter));
        let mut place = Place {
            permits: self,
            waiter: Some(waiter),
        };
        let mut timer = pin!(sleep_ms(ms_max));
        poll_fn(|context| match place.poll_granted(context) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => {
                let timer = timer.as_mut().poll(context);
                timer.map(|()| Err(Shortage::QueueTimeout))
            }
        })
        .await
    }

    /// Gives a permit to whoever waits longest, or back.
    pub(super) fn give_back(&self) {
        let next = self.waiting.borrow_mut().pop_front();
        match next {
            Some(waiter) => {
                waiter.granted.set(true);
                waiter.waker.borrow().wake_by_ref();
            }
            None => self.taken.set(self.taken.get().saturating_sub(1)),
        }
    }
}

/// A place in the queue; leaving it early leaves nothing behind.
struct Place<'p> {
    permits: &'p Permits,
    /// Gone once the permit was taken.
    waiter: Option<Rc<Waiter>>,
}

impl Place<'_> {
    fn poll_granted(&mut self, context: &Context<'_>) -> Poll<()> {
        match self.waiter.take() {
            Some(waiter) if !waiter.granted.get() => {
                waiter.waker.borrow_mut().clone_from(context.waker());
                self.waiter = Some(waiter);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else {
            return;
        };
        if waiter.granted.get() {
            self.permits.give_back();
        } else {
            let mut waiting = self.permits.waiting.borrow_mut();
            waiting.retain(|other| !Rc::ptr_eq(other, &waiter));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::net::driver::spawn;
    use crate::net::driver::yield_now;
    use crate::net::loopback::on_each_driver;

    use super::*;

    /// Long enough never to pass in a test.
    const LONG_MS: u64 = 60_000;

    #[test]
    fn who_waits_longest_is_next_and_one_more_than_may_wait_is_sent_away() {
        on_each_driver(async |_core| {
            let permits = Rc::new(Permits::new(1, 2));
            assert_eq!(permits.take(0).await, Ok(()));
            let order = Rc::new(RefCell::new(Vec::new()));
            for name in ["first", "second"] {
                let (permits, order) = (Rc::clone(&permits), Rc::clone(&order));
                drop(spawn(async move {
                    assert_eq!(permits.take(LONG_MS).await, Ok(()));
                    order.borrow_mut().push(name);
                    permits.give_back();
                }));
            }
            while permits.waiting() < 2 {
                yield_now().await;
            }
            assert_eq!(permits.take(LONG_MS).await, Err(Shortage::QueueFull));
            assert!(order.borrow().is_empty());
            permits.give_back();
            while order.borrow().len() < 2 {
                yield_now().await;
            }
            assert_eq!(*order.borrow(), ["first", "second"]);
            assert_eq!((permits.taken(), permits.waiting()), (0, 0));
        });
    }

    #[test]
    fn who_leaves_the_queue_takes_nothing_with_him() {
        on_each_driver(async |_core| {
            let permits = Permits::new(1, 1);
            assert_eq!(permits.take(0).await, Ok(()));
            assert_eq!(permits.take(1).await, Err(Shortage::QueueTimeout));
            assert_eq!((permits.taken(), permits.waiting()), (1, 0));

            let mut waits = Box::pin(permits.take(LONG_MS));
            let polled = poll_fn(|context| Poll::Ready(waits.as_mut().poll(context).is_ready()));
            assert!(!polled.await);
            permits.give_back();
            assert_eq!(permits.taken(), 1, "it has been granted");
            drop(waits);
            assert_eq!((permits.taken(), permits.waiting()), (0, 0));
            assert!(permits.try_take());
        });
    }
}
