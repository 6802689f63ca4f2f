//! What waits for its time, by instants: attempts that are to be made again. Pure; holds no worker.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Instant;

/// Things with the instants at which they are due; those of one instant in the order in which they came.
pub(super) struct Delayed<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    came: u64,
}

struct Entry<T> {
    due: Instant,
    came: u64,
    what: T,
}

impl<T> Delayed<T> {
    pub(super) fn new() -> Delayed<T> {
        Delayed {
            heap: BinaryHeap::new(),
            came: 0,
        }
    }

    pub(super) fn push(&mut self, due: Instant, what: T) {
        let came = self.came;
        self.came += 1;
        self.heap.push(Reverse(Entry { due, came, what }));
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.due)
    }

    /// The next one, if it is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<T> {
        match self.next_due() {
            Some(due) if due <= now => self.heap.pop().map(|Reverse(entry)| entry.what),
            _ => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> Entry<T> {
    fn order(&self) -> (Instant, u64) {
        (self.due, self.came)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Entry<T>) -> bool {
        self.order() == other.order()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Entry<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Entry<T>) -> Ordering {
        self.order().cmp(&other.order())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_due_comes_in_the_order_of_its_time_and_then_of_its_coming() {
        let start = Instant::now();
        let at = |n| start + Duration::from_secs(n);
        let mut delayed = Delayed::new();
        for (due, what) in [(3, 'c'), (1, 'a'), (3, 'd'), (2, 'b')] {
            delayed.push(at(due), what);
        }
        assert_eq!(delayed.next_due(), Some(at(1)));
        assert_eq!(delayed.pop_due(at(0)), None);
        let mut came = Vec::new();
        while let Some(what) = delayed.pop_due(at(3)) {
            came.push(what);
        }
        assert_eq!(came, ['a', 'b', 'c', 'd']);
        assert!(delayed.is_empty());
    }
}
