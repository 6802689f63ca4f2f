//! Where a thread pool's jobs wait. A timer thread, started with the first job that needs one, calls `tick`; the
//! others only take what is ready.
//!
//! A job that was to start by an instant and has not is passed over from that instant on, by whoever looks first: the
//! timer gives it its outcome, the threads do not start it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::future::slot::SlotRef;
use crate::local::Repeated;

/// Runs the task of this slot in this worker's place.
type Once = Box<dyn FnOnce(&SlotRef, usize) + Send>;

pub(super) enum Run {
    Once(Once),
    Repeated(Box<Repeated>),
}

pub(super) struct Job {
    pub(super) slot: SlotRef,
    pub(super) run: Run,
    pub(super) priority: i32,
    /// With what tells it from others that are to start by the same instant.
    pub(super) start_by: Option<(Instant, u64)>,
}

#[derive(Default)]
pub(super) struct Queue {
    /// Jobs without a priority.
    plain: VecDeque<Job>,
    /// The others, in their order.
    ranked: BTreeMap<(Reverse<i32>, u64), Job>,
    delayed: BTreeMap<(Instant, u64), Job>,
    start_by: BTreeMap<(Instant, u64), SlotRef>,
    /// Numbers what has to be told apart.
    count: u64,
    pub(super) closed: bool,
    /// The timer thread runs.
    pub(super) timed: bool,
    /// The one that was started last.
    pub(super) timer: Option<JoinHandle<()>>,
}

/// What became due.
#[derive(Default)]
pub(super) struct Due {
    /// Jobs that are ready now.
    pub(super) released: usize,
    /// Tasks that will not start any more.
    pub(super) expired: Vec<SlotRef>,
    /// When to look again.
    pub(super) next: Option<Instant>,
}

impl Queue {
    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// The job is to start by then.
    pub(super) fn limit(&mut self, job: &mut Job, at: Instant) {
        let entry = (at, self.number());
        job.start_by = Some(entry);
        self.start_by.insert(entry, SlotRef::clone(&job.slot));
    }

    /// Behind the others of its priority.
    pub(super) fn push(&mut self, job: Job) {
        if job.priority == 0 {
            self.plain.push_back(job);
        } else {
            let number = self.number();
            self.ranked.insert((Reverse(job.priority), number), job);
        }
    }

    pub(super) fn delay(&mut self, job: Job, until: Instant) {
        let number = self.number();
        self.delayed.insert((until, number), job);
    }

    /// Nothing waits, and nothing will be ready later.
    pub(super) fn is_drained(&self) -> bool {
        self.plain.is_empty() && self.ranked.is_empty() && self.delayed.is_empty()
    }

    /// The next job to start, which counts as started from now on.
    pub(super) fn pop(&mut self) -> Option<Job> {
        loop {
            let first = self.ranked.first_key_value().map(|((Reverse(p), _), _)| *p);
            let job = if first.is_some_and(|p| p > 0) || self.plain.is_empty() {
                self.ranked.pop_first().map(|(_, job)| job)
            } else {
                self.plain.pop_front()
            }?;
            let Some(entry) = job.start_by else {
                return Some(job);
            };
            if Instant::now() < entry.0 {
                self.start_by.remove(&entry);
                return Some(Job {
                    start_by: None,
                    ..job
                });
            }
        }
    }

    /// Takes a job out that has not started.
    pub(super) fn remove(&mut self, slot: &SlotRef) -> Option<Job> {
        let is = |job: &Job| SlotRef::ptr_eq(&job.slot, slot);
        let job = if let Some(at) = self.plain.iter().position(is) {
            self.plain.remove(at)
        } else if let Some((&key, _)) = self.ranked.iter().find(|(_, job)| is(job)) {
            self.ranked.remove(&key)
        } else {
            let key = self.delayed.iter().find(|(_, job)| is(job)).map(|(&key, _)| key);
            self.delayed.remove(&key?)
        }?;
        if let Some(entry) = job.start_by {
            self.start_by.remove(&entry);
        }
        Some(job)
    }

    /// Moves what is due.
    pub(super) fn tick(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        while let Some(entry) = self.delayed.first_entry().filter(|e| e.key().0 <= now) {
            let job = entry.remove();
            self.push(job);
            due.released += 1;
        }
        while let Some(entry) = self.start_by.first_entry().filter(|e| e.key().0 <= now) {
            due.expired.push(entry.remove());
        }
        let firsts = [
            self.delayed.first_key_value().map(|e| e.0.0),
            self.start_by.first_key_value().map(|e| e.0.0),
        ];
        due.next = firsts.into_iter().flatten().min();
        due
    }
}
