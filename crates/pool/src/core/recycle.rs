//! Recycling: when a worker is to make room for a fresh one, between tasks, although nothing is wrong with it.
//!
//! A worker that is due gets no more tasks; what it was sent and has not started goes back to the queue, and it leaves
//! once it is through with what it has started. That is no crash, and no task is charged for it. Every worker runs at
//! least one task before it is due, so tasks get done whatever the bounds are.

use std::time::{Duration, Instant};

use super::life::Life;
use super::tasks::Place;
use super::workers::{Sent, Worker};
use super::{Action, Core, Recall, State};

/// What a worker may have before it is replaced. `None`: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recycle {
    /// Tasks that it has run; not 0.
    pub(crate) tasks: Option<u64>,
    /// Time since it became ready.
    pub(crate) age: Option<Duration>,
    /// Resident bytes after a task.
    pub(crate) memory: Option<u64>,
}

/// What is known of a worker's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Fine,
    /// It had too much while a task ran, which may have been the task's. It gets no more tasks until it was looked at
    /// without one.
    Suspect,
    /// It has too much.
    Heavy,
}

/// Memory is looked at this often, at most.
const WEIGHED: Duration = Duration::from_millis(50);
/// And so soon after its task where a worker waits for that.
const SOON: Duration = Duration::from_millis(1);

impl Core {
    /// The worker has answered: its memory is to be looked at.
    pub(super) fn weigh_soon(&mut self, now: Instant, worker: usize) {
        let w = &mut self.workers[worker];
        w.unweighed |= w.has_worked;
        if w.unweighed && self.weigh_at.is_none() {
            let earliest = self.weighed_at.and_then(|at| at.checked_add(WEIGHED));
            self.weigh_at = Some(earliest.map_or(now, |at| at.max(now)));
            self.note_timer(self.weigh_at);
        }
    }

    pub(super) fn weigh_due_workers(&mut self, now: Instant) {
        if self.weigh_at.is_none_or(|at| at > now) {
            return;
        }
        (self.weigh_at, self.weighed_at) = (None, Some(now));
        for (index, w) in self.workers.iter_mut().enumerate() {
            if std::mem::take(&mut w.unweighed) && w.life == Life::Ready {
                self.actions.push(Action::Weigh { worker: index });
            }
        }
    }

    /// The worker has so many resident bytes.
    pub(crate) fn weighed(&mut self, worker: usize, bytes: u64) {
        let w = &mut self.workers[worker];
        w.weight = if self.config.recycle.memory.is_none_or(|most| bytes <= most) {
            Weight::Fine
        } else if w.live_sent > 0 {
            Weight::Suspect
        } else {
            Weight::Heavy
        };
    }

    /// When a worker is too old to go on.
    fn expires_at(&self, w: &Worker) -> Option<Instant> {
        let age = self.config.recycle.age.filter(|_| w.has_worked)?;
        w.ready_at.checked_add(age)
    }

    /// When a worker that is ready leaves, if nothing happens before.
    pub(super) fn leaves_at(&self, w: &Worker) -> Option<Instant> {
        let expires = self.expires_at(w).filter(|_| !w.retires && self.may_expire());
        [expires, self.exits_at(w)].into_iter().flatten().min()
    }

    /// Workers are replaced one after the other when they grow old: most of them have the same age. The number of tasks
    /// and the memory are strict bounds, and wait for nobody.
    fn may_expire(&self) -> bool {
        let mut wanted = self.workers.iter().filter(|w| w.stays);
        self.state < State::Stopping && wanted.all(|w| w.life == Life::Ready && !w.retires)
    }

    /// Lets those leave whose time has come.
    pub(super) fn retire_due_workers(&mut self, now: Instant, recall: &mut dyn Recall) {
        if self.state >= State::Stopping {
            // Nothing more is sent, and all of them leave soon.
            return;
        }
        for index in 0..self.workers.len() {
            let w = &self.workers[index];
            if w.life != Life::Ready {
                continue;
            }
            let expired = || self.expires_at(w).is_some_and(|at| at <= now) && self.may_expire();
            if w.retires || w.weight == Weight::Heavy || w.quota == 0 || expired() {
                self.retire(now, index, recall);
            } else if w.weight == Weight::Suspect {
                self.clear_for_weighing(now, index, recall);
            }
        }
    }

    /// What the worker has not started runs elsewhere; once it has nothing, its memory is looked at again.
    fn clear_for_weighing(&mut self, now: Instant, index: usize, recall: &mut dyn Recall) {
        for key in self.recall_all(index, recall).into_iter().rev() {
            self.requeue(key);
        }
        let w = &mut self.workers[index];
        if w.live_sent == 0 {
            w.unweighed = true;
            let soon = now.checked_add(SOON);
            self.weigh_at = [self.weigh_at, soon].into_iter().flatten().min();
            self.note_timer(self.weigh_at);
        }
    }

    /// The worker takes no more tasks, gives back what it can, and leaves when it has none.
    pub(super) fn retire(&mut self, now: Instant, index: usize, recall: &mut dyn Recall) {
        let first = !std::mem::replace(&mut self.workers[index].retires, true);
        for key in self.recall_all(index, recall).into_iter().rev() {
            self.requeue(key);
        }
        if self.workers[index].live_sent == 0 {
            return self.let_leave(now, index);
        }
        // What is left of several items runs elsewhere.
        let head = self.workers[index].head().copied();
        if let Some(Sent { key, cell, .. }) = head.filter(|head| first && head.divisible) {
            debug_assert!(matches!(
                self.task(key).map(|t| t.place),
                Some(Place::Sent { .. })
            ));
            self.actions.push(Action::Divide {
                worker: index,
                key,
                cell,
            });
        }
    }
}
