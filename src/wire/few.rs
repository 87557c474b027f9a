//! A list that is seldom long: its first items lie in place, so that a request with few of them allocates nothing.
//!
//! `smallvec` does the same, but is invariant in what it holds: a list that borrows from the table would then tie every borrow of
//! the request to the table's lifetime.

/// A list of which up to `N` items need no storage of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<T, const N: usize> {
    /// Filled from the front.
    first: [Option<T>; N],
    /// What did not fit.
    more: Vec<T>,
}

impl<T, const N: usize> Few<T, N> {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: [const { None }; N],
            more: Vec::new(),
        }
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        match self.first.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(item),
            None => self.more.push(item),
        }
    }

    /// The items in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.first.iter().flatten().chain(&self.more)
    }

    /// Keeps the items that `keeps` wants.
    pub fn retain(&mut self, mut keeps: impl FnMut(&T) -> bool) {
        let all = std::mem::take(self);
        self.extend(all.into_iter().filter(|item| keeps(item)));
    }

    /// The number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<T, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> IntoIterator for Few<T, N> {
    type Item = T;
    type IntoIter = std::iter::Chain<
        std::iter::Flatten<std::array::IntoIter<Option<T>, N>>,
        std::vec::IntoIter<T>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().flatten().chain(self.more)
    }
}

impl<T, const N: usize> Extend<T> for Few<T, N> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.push(item);
        }
    }
}

impl<T, const N: usize> FromIterator<T> for Few<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut few = Self::new();
        few.extend(items);
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_in_order_within_and_beyond_their_places() {
        for count in 0..6 {
            let few: Few<_, 2> = (0..count).collect();
            let seen: Vec<_> = few.iter().copied().collect();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
            let back: Vec<_> = few.iter().rev().copied().collect();
            assert_eq!(back, (0..count).rev().collect::<Vec<_>>());
            assert_eq!((few.len(), few.is_empty()), (seen.len(), count == 0));
            assert_eq!(few.into_iter().collect::<Vec<_>>(), seen);
        }
    }

    #[test]
    fn what_was_kept_is_as_if_the_rest_had_never_been_there() {
        let mut few: Few<_, 2> = (0..6).collect();
        few.retain(|item| item % 2 == 1);
        assert_eq!(few, [1, 3, 5].into_iter().collect());
        few.push(7);
        assert_eq!(few.into_iter().collect::<Vec<_>>(), [1, 3, 5, 7]);
    }
}
