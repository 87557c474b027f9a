//! Wakes whoever has to do something when a drain begins and waits for something else.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;

/// The listeners of one core. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct DrainBell {
    waiting: Rc<RefCell<BTreeMap<u64, Waker>>>,
    next: Rc<Cell<u64>>,
}

/// One listener; dropping it ends its listening.
#[derive(Debug)]
pub struct DrainListener {
    bell: DrainBell,
    number: u64,
}

impl DrainBell {
    /// A listener that does not listen yet.
    #[must_use]
    pub fn listener(&self) -> DrainListener {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        DrainListener {
            bell: self.clone(),
            number,
        }
    }

    /// Wakes all listeners, each once.
    pub fn ring(&self) {
        for (_, waker) in std::mem::take(&mut *self.waiting.borrow_mut()) {
            waker.wake();
        }
    }
}

impl DrainListener {
    /// Wakes `waker` when the bell rings.
    pub fn listen(&self, waker: &Waker) {
        let mut waiting = self.bell.waiting.borrow_mut();
        match waiting.get_mut(&self.number) {
            Some(known) => known.clone_from(waker),
            None => {
                waiting.insert(self.number, waker.clone());
            }
        }
    }
}

impl Drop for DrainListener {
    fn drop(&mut self) {
        self.bell.waiting.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn those_who_listen_are_woken_once() {
        let bell = DrainBell::default();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let (one, two, gone) = (bell.listener(), bell.listener(), bell.listener());
        for listener in [&one, &one, &two, &gone] {
            listener.listen(&waker);
        }
        drop(gone);
        bell.ring();
        bell.ring();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
