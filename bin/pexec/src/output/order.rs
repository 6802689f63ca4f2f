//! The order of the plan: what comes too early is held until everything before it has settled.
//!
//! Told by the run's events which tasks there are, how many instances they have and which of those came to an
//! end; so a gap in the order never outlasts the reason for it.

use std::collections::{BTreeMap, BTreeSet};

/// A place in the plan: a task's position and an instance's index in it.
pub(super) type Place = (usize, u64);

/// Things by their place.
pub(super) struct Order<T> {
    tasks: Vec<Task>,
    /// The first place that has not settled.
    next: Place,
    held: BTreeMap<Place, Vec<T>>,
    /// Places after `next` that have.
    settled: BTreeSet<Place>,
}

struct Task {
    name: String,
    /// How many instances there are, or will ever end.
    total: Option<u64>,
}

impl<T> Default for Order<T> {
    fn default() -> Order<T> {
        Order {
            tasks: Vec::new(),
            next: (0, 0),
            held: BTreeMap::new(),
            settled: BTreeSet::new(),
        }
    }
}

impl<T> Order<T> {
    /// Notes a task, in the order of the plan, or how many instances it has after all. Gives what need not be
    /// held any longer, in order; so do the others.
    pub(super) fn planned(&mut self, task: &str, total: Option<u64>) -> Vec<T> {
        match self.tasks.iter_mut().find(|t| t.name == task) {
            Some(known) => known.total = total.or(known.total),
            None => self.tasks.push(Task {
                name: task.to_owned(),
                total,
            }),
        }
        self.advance()
    }

    /// The place of an instance; a task that nobody announced comes after all others.
    pub(super) fn place(&self, task: &str, index: u64) -> Place {
        (
            self.tasks
                .iter()
                .position(|t| t.name == task)
                .unwrap_or(self.tasks.len()),
            index,
        )
    }

    /// Whether everything before this place has settled, so that nothing of it needs to be held.
    pub(super) fn is_next(&self, place: Place) -> bool {
        place <= self.next
    }

    /// Holds something.
    pub(super) fn hold(&mut self, place: Place, thing: T) {
        self.held.entry(place).or_default().push(thing);
    }

    /// Notes that nothing more comes at this place.
    pub(super) fn settle(&mut self, place: Place) -> Vec<T> {
        if place >= self.next {
            self.settled.insert(place);
        }
        self.advance()
    }

    fn advance(&mut self) -> Vec<T> {
        let mut free = Vec::new();
        loop {
            let (task, index) = self.next;
            if self.settled.remove(&self.next) {
                self.next = (task, index + 1);
            } else if self
                .tasks
                .get(task)
                .is_some_and(|t| t.total.is_some_and(|total| total <= index))
            {
                self.next = (task + 1, 0);
            } else {
                return free;
            }
            // The new next place need not wait for its own end: nothing comes before it.
            free.extend(self.held.remove(&self.next).unwrap_or_default());
        }
    }

    /// Everything that is still held, in order.
    pub(super) fn drain(&mut self) -> Vec<T> {
        std::mem::take(&mut self.held).into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_out_of_order_comes_out_in_order() {
        let mut order = Order::default();
        order.planned("a", Some(5));
        assert!(!order.is_next((0, 2)));
        order.hold((0, 2), "c");
        assert!(order.settle((0, 2)).is_empty());
        order.hold((0, 1), "b1");
        order.hold((0, 1), "b2");
        assert!(order.is_next((0, 0)));
        assert_eq!(
            order.settle((0, 0)),
            ["b1", "b2"],
            "the next one does not wait for its own end"
        );
        assert!(order.is_next((0, 1)));
        assert_eq!(order.settle((0, 1)), ["c"]);
        assert!(order.settle((0, 1)).is_empty(), "settling twice changes nothing");
        assert!(order.is_next((0, 3)) && !order.is_next((0, 4)));
        assert!(order.held.is_empty() && order.settled.is_empty());
    }

    #[test]
    fn a_task_waits_for_the_one_before_it_even_while_that_ones_size_is_unknown() {
        let mut order = Order::default();
        order.planned("stream", None);
        order.planned("empty", Some(0));
        order.planned("last", Some(1));
        let last = order.place("last", 0);
        order.hold(last, "z");
        assert!(order.settle(last).is_empty());
        assert!(order.settle((0, 0)).is_empty());
        assert_eq!(order.planned("stream", Some(1)), ["z"]);
    }

    #[test]
    fn a_place_that_never_settles_holds_the_rest_until_the_end() {
        let mut order = Order::default();
        order.planned("a", Some(4));
        for index in [3, 1, 2] {
            order.hold((0, index), index);
            assert!(order.settle((0, index)).is_empty());
        }
        assert_eq!(order.drain(), [1, 2, 3]);
        assert!(order.drain().is_empty());
    }

    #[test]
    fn any_order_of_ends_gives_the_order_of_the_plan() {
        let mut seed = 7u64;
        for _ in 0..200 {
            let plan: Vec<Place> = (0..3)
                .flat_map(|task| (0..15).map(move |index| (task, index)))
                .collect();
            let mut ends = plan.clone();
            for i in (1..ends.len()).rev() {
                seed = seed
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                ends.swap(i, (seed >> 33) as usize % (i + 1));
            }
            let mut order = Order::default();
            for name in ["a", "b", "c"] {
                order.planned(name, Some(15));
            }
            let mut out = Vec::new();
            for &place in &ends {
                if order.is_next(place) {
                    out.push(place);
                } else {
                    order.hold(place, place);
                }
                out.extend(order.settle(place));
            }
            assert_eq!(out, plan, "{ends:?}");
        }
    }
}
