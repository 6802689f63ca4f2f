//! Where tasks wait: for a worker, for their instant, and for the instant by which they must have started.
//!
//! Tasks without a priority are in a plain queue. Those with one are beside it, in the order in which they go: the
//! higher first, among equal ones the earlier. Always true: each task that waits has exactly one entry that means it,
//! and a task with a priority has no other entries at all.

use std::cmp::{Ordering, Reverse};
use std::time::{Duration, Instant};

use super::tasks::{Key, Place};
use super::{Core, Ending, Recall};

/// Longer than any pool lives.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// That much later. A pause that no clock can express is a long one, not none.
pub(crate) fn after(now: Instant, pause: Duration) -> Instant {
    now.checked_add(pause)
        .or_else(|| now.checked_add(FOR_EVER))
        .unwrap_or(now)
}

/// An end of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

/// A task that waits for its instant; the heap gives the earliest first, equal ones in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delayed {
    pub(super) at: Instant,
    pub(super) order: u32,
    pub(super) key: Key,
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Left-over entries go once they are more than those that mean something and so many.
const FEW: usize = 64;

impl Core {
    /// Puts a task that was sent and had not started in front of the queue again.
    pub(super) fn requeue(&mut self, key: Key) {
        self.enqueue(key, End::Front);
    }

    /// Puts a task that is nowhere into the queue: among those of its priority at the back, or where it was.
    pub(super) fn enqueue(&mut self, key: Key, end: End) {
        self.tickets = self.tickets.wrapping_add(1);
        let ticket = self.tickets;
        let Some(task) = self.tasks.get_mut(key as usize).and_then(Option::as_mut) else {
            return;
        };
        task.place = Place::Queued { ticket };
        self.queued += 1;
        if let Some(policy) = task.policy.as_mut().filter(|p| p.priority != 0) {
            if end == End::Back {
                self.turns += 1;
                policy.turn = self.turns;
            }
            let replaced = self.ranked.insert((Reverse(policy.priority), policy.turn), key);
            debug_assert_eq!(replaced, None);
            return;
        }
        match end {
            End::Front => self.queue.push_front((key, ticket)),
            End::Back => self.queue.push_back((key, ticket)),
        }
    }

    /// The priority of the task that goes next.
    pub(super) fn first_rank(&self) -> Option<i32> {
        let plain = self.queued > self.ranked.len();
        match self.ranked.first_key_value() {
            Some((&(Reverse(priority), _), _)) if priority > 0 || !plain => Some(priority),
            _ => plain.then_some(0),
        }
    }

    /// Takes the first task out of the queue.
    pub(super) fn dequeue(&mut self) -> Option<Key> {
        if !self.ranked.is_empty()
            && self.first_rank() != Some(0)
            && let Some((_, key)) = self.ranked.pop_first()
        {
            self.queued -= 1;
            return Some(key);
        }
        while let Some((key, ticket)) = self.queue.pop_front() {
            if self
                .task(key)
                .is_some_and(|t| t.place == Place::Queued { ticket })
            {
                self.queued -= 1;
                return Some(key);
            }
        }
        None
    }

    /// A queued task is about to be somewhere else.
    pub(super) fn leave_queue(&mut self, key: Key) {
        self.queued -= 1;
        let policy = self.tasks[key as usize].as_ref().and_then(|t| t.policy.as_ref());
        if let Some(policy) = policy.filter(|p| p.priority != 0) {
            self.ranked.remove(&(Reverse(policy.priority), policy.turn));
        }
    }

    /// A task that is nowhere waits for its instant.
    pub(super) fn delay(&mut self, key: Key, at: Instant) {
        self.delays = self.delays.wrapping_add(1);
        let order = self.delays;
        let Some(task) = self.task_mut(key) else { return };
        task.place = Place::Delayed { order };
        self.delayed.push(Delayed { at, order, key });
        self.note_timer(Some(at));
    }

    /// Whether the heap's entry still means this task: it may have been cancelled and its key used again.
    pub(super) fn is_delayed(&self, key: Key, order: u32) -> bool {
        self.task(key)
            .is_some_and(|t| t.place == Place::Delayed { order })
    }

    /// A task that has come is to start by then.
    pub(super) fn expect_start(&mut self, key: Key, id: u64, at: Instant) {
        if self.start_by.len() > 2 * self.live + FEW {
            self.drop_started();
        }
        self.start_by.push(Reverse((at, id, key)));
        self.note_timer(Some(at));
    }

    /// Whether the entry's task may still have to start: one that has ended, or has been tried, need not.
    fn has_to_start(tasks: &[Option<super::Task>], key: Key, id: u64) -> bool {
        let task = tasks.get(key as usize).and_then(Option::as_ref);
        task.is_some_and(|t| t.id == id && t.attempt == 1 && t.place != Place::Ended)
    }

    fn drop_started(&mut self) {
        let tasks = &self.tasks;
        self.start_by
            .retain(|&Reverse((_, id, key))| Core::has_to_start(tasks, key, id));
    }

    /// The earliest instant at which a task may have to end because it has not started. Those that have ended are
    /// passed over for good, so that nobody wakes for them.
    pub(super) fn skip_started(&mut self) {
        while let Some(&Reverse((_, id, key))) = self.start_by.peek()
            && !Core::has_to_start(&self.tasks, key, id)
        {
            self.start_by.pop();
        }
    }

    /// Ends what should have started by now and has not.
    pub(super) fn expire(&mut self, now: Instant, recall: &mut dyn Recall) {
        while let Some(&Reverse((at, id, key))) = self.start_by.peek()
            && at <= now
        {
            self.start_by.pop();
            if Core::has_to_start(&self.tasks, key, id) {
                // One that cannot be taken back has just started.
                self.withdraw(key, &Ending::Expired, recall);
            }
        }
    }

    /// Left-over entries are passed over when their turn comes. That may be far off while a long task runs, so they
    /// go as soon as they are most of what is there: a step now and then that pays for itself.
    pub(super) fn drop_left_overs(&mut self) {
        let tasks = &self.tasks;
        let is_at = |key: Key, place| {
            tasks
                .get(key as usize)
                .and_then(Option::as_ref)
                .is_some_and(|t| t.place == place)
        };
        if self.queue.len() > 2 * self.queued + FEW {
            self.queue
                .retain(|&(key, ticket)| is_at(key, Place::Queued { ticket }));
        }
        if self.delayed.len() > 2 * self.live + FEW {
            self.delayed
                .retain(|d| is_at(d.key, Place::Delayed { order: d.order }));
        }
    }

    /// Ends every task that no worker has started.
    pub(super) fn end_what_has_not_started(&mut self, ending: &Ending, recall: &mut dyn Recall) {
        for worker in 0..self.workers.len() {
            for key in self.recall_all(worker, recall) {
                self.complete(key, ending.clone());
            }
        }
        while let Some(key) = self.dequeue() {
            self.complete(key, ending.clone());
        }
        while let Some(Delayed { key, order, .. }) = self.delayed.pop() {
            if self.is_delayed(key, order) {
                self.complete(key, ending.clone());
            }
        }
        self.start_by.clear();
    }
}
