//! A core's buffers, kept by size so that a big one never ends up holding a small thing.
//!
//! Last in, first out: the buffer that was used last is the one still in the cache.

use std::cell::Cell;
use std::cell::RefCell;
use std::hint::black_box;

/// A block that mimalloc gets for itself alone: above its `MI_LARGE_MAX_OBJ_SIZE` of 512 KiB.
const UNKEPT_BYTES: usize = 1024 * 1024;

/// The sizes a pool lends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 16 KiB: message heads and small bodies.
    Head,
    /// 64 KiB: bodies that are converted.
    Part,
    /// 256 KiB: bodies that are moved as they are.
    Body,
    /// 512 KiB: chunks that are hashed side by side.
    Upload,
}

impl Class {
    /// The capacity in bytes of a buffer of this class.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Head => 16 * 1024,
            Self::Part => 64 * 1024,
            Self::Body => 256 * 1024,
            Self::Upload => 512 * 1024,
        }
    }

    /// The most buffers of this class that lie unused in a pool: 4, 4, 16 and 16 MiB.
    #[must_use]
    pub const fn kept_max(self) -> usize {
        match self {
            Self::Head => 256,
            Self::Part | Self::Body => 64,
            Self::Upload => 32,
        }
    }

    const fn of_capacity(bytes: usize) -> Option<Self> {
        if bytes == Self::Head.bytes() {
            Some(Self::Head)
        } else if bytes == Self::Part.bytes() {
            Some(Self::Part)
        } else if bytes == Self::Body.bytes() {
            Some(Self::Body)
        } else if bytes == Self::Upload.bytes() {
            Some(Self::Upload)
        } else {
            None
        }
    }
}

/// Free buffers of one core.
#[derive(Debug, Default)]
pub struct BufferPool {
    heads: FreeList,
    parts: FreeList,
    bodies: FreeList,
    uploads: FreeList,
}

/// The free buffers of one class.
#[derive(Debug, Default)]
struct FreeList {
    buffers: RefCell<Vec<Vec<u8>>>,
    /// The fewest that lay here since the last trim: so many were not needed.
    fewest: Cell<usize>,
}

impl BufferPool {
    /// A pool that holds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lends a buffer of length 0 and exactly the capacity of `class`.
    #[must_use]
    pub fn take(&self, class: Class) -> Vec<u8> {
        let list = self.list(class);
        let mut buffers = list.buffers.borrow_mut();
        let kept = buffers.pop();
        list.fewest.set(list.fewest.get().min(buffers.len()));
        kept.unwrap_or_else(|| Vec::with_capacity(class.bytes()))
    }

    /// Takes a buffer back, sorted by its capacity. One that has grown, or of a full class, is freed.
    pub fn give(&self, mut buffer: Vec<u8>) {
        let Some(class) = Class::of_capacity(buffer.capacity()) else {
            return;
        };
        buffer.clear();
        let mut buffers = self.list(class).buffers.borrow_mut();
        if buffers.len() < class.kept_max() {
            buffers.push(buffer);
        }
    }

    /// Frees the buffers that lay unused since the last call, the oldest first: a burst does not keep its memory. What was
    /// freed before the last call goes back to the system, if seconds have passed since.
    pub fn trim(&self) {
        for list in [&self.heads, &self.parts, &self.bodies, &self.uploads] {
            let mut buffers = list.buffers.borrow_mut();
            let unused = list.fewest.get().min(buffers.len());
            buffers.drain(..unused);
            list.fewest.set(buffers.len());
        }
        // The allocator gives memory back a second after it was freed, but looks for such only when a block that it does not
        // keep is freed; on a core without requests none is. Nothing of this one is touched.
        drop(black_box(Vec::<u8>::with_capacity(UNKEPT_BYTES)));
    }

    /// Count of unused buffers of a class.
    #[must_use]
    pub fn kept(&self, class: Class) -> usize {
        self.list(class).buffers.borrow().len()
    }

    const fn list(&self, class: Class) -> &FreeList {
        match class {
            Class::Head => &self.heads,
            Class::Part => &self.parts,
            Class::Body => &self.bodies,
            Class::Upload => &self.uploads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [Class; 4] = [Class::Head, Class::Part, Class::Body, Class::Upload];

    #[test]
    fn trim_frees_what_lay_unused_since_the_last_one() {
        let pool = BufferPool::new();
        let burst: Vec<_> = (0..8).map(|_| pool.take(Class::Part)).collect();
        for buffer in burst {
            pool.give(buffer);
        }
        pool.trim();
        assert_eq!(pool.kept(Class::Part), 8, "they were in use a moment ago");
        let two = [pool.take(Class::Part), pool.take(Class::Part)];
        for buffer in two {
            pool.give(buffer);
        }
        pool.trim();
        assert_eq!(pool.kept(Class::Part), 2);
        pool.trim();
        assert_eq!(pool.kept(Class::Part), 0);
    }

    #[test]
    fn lent_buffer_is_empty_and_of_its_class() {
        let pool = BufferPool::new();
        for class in CLASSES {
            let mut buffer = pool.take(class);
            assert_eq!((buffer.len(), buffer.capacity()), (0, class.bytes()));
            buffer.extend_from_slice(b"left over");
            pool.give(buffer);
            let again = pool.take(class);
            assert_eq!((again.len(), again.capacity()), (0, class.bytes()));
        }
    }

    #[test]
    fn last_buffer_given_is_lent_first() {
        let pool = BufferPool::new();
        let (one, two) = (pool.take(Class::Head), pool.take(Class::Head));
        let last = two.as_ptr();
        pool.give(one);
        pool.give(two);
        let lent = pool.take(Class::Head);
        assert_eq!(lent.as_ptr(), last);
    }

    #[test]
    fn buffer_returns_to_the_list_of_its_capacity() {
        let pool = BufferPool::new();
        pool.give(Vec::with_capacity(Class::Body.bytes()));
        assert_eq!(CLASSES.map(|class| pool.kept(class)), [0, 0, 1, 0]);
    }

    #[test]
    fn buffer_of_another_capacity_is_freed() {
        let pool = BufferPool::new();
        pool.give(Vec::new());
        pool.give(Vec::with_capacity(Class::Head.bytes() + 1));
        pool.give(Vec::with_capacity(Class::Head.bytes() - 1));
        assert_eq!(CLASSES.map(|class| pool.kept(class)), [0, 0, 0, 0]);
        pool.give(Vec::with_capacity(Class::Head.bytes()));
        assert_eq!(CLASSES.map(|class| pool.kept(class)), [1, 0, 0, 0]);
    }

    #[test]
    fn full_class_frees_what_it_is_given() {
        let pool = BufferPool::new();
        for _ in 0..=Class::Part.kept_max() {
            pool.give(Vec::with_capacity(Class::Part.bytes()));
        }
        assert_eq!(pool.kept(Class::Part), Class::Part.kept_max());
    }
}
