//! What an outcome leads to waits until the outcome is safe from a crash of the machine: a task that needs it starts, or
//! another attempt of it, only then. So a run that is taken up again never finds that something was built on a
//! success of which the disk knows nothing. Instances that need nothing of this start in the meantime.

use std::time::Instant;

use pexec::Executor;

use super::Conductor;
use crate::event::Outcome;
use crate::run::flight::Ready;
use crate::run::pairs::Lost;

/// How many outcomes may wait. A disk that hangs must not have the run outpace it without a limit.
pub(super) const MOST: usize = 10_000;

/// An outcome that was told.
pub(super) struct Held {
    /// It is safe when this many events are.
    pub(super) told: u64,
    pub(super) ready: Ready,
    pub(super) outcome: Outcome,
    /// Another attempt follows, not before this.
    pub(super) again: Option<Instant>,
}

impl<E: Executor> Conductor<'_, E> {
    /// Acts on every outcome that is safe by now.
    pub(super) fn act(&mut self) {
        if self.held.is_empty() || !self.teller.flush() {
            self.forget();
            return;
        }
        let safe = match self.is_last() {
            // The run's own end waits for the disk, once for all of it.
            true => Some(u64::MAX),
            false => self.teller.durable(false),
        };
        let Some(durable) = safe else {
            self.forget();
            return;
        };
        while let Some(held) = self.held.pop_front_if(|held| held.told <= durable) {
            self.follow(held);
        }
    }

    /// Nothing runs, and nothing can start whatever the outcomes are that wait.
    fn is_last(&self) -> bool {
        self.flights.is_empty()
            && !self.may_start()
            && !self.tasks.any_waits()
            && self.paired.is_empty()
            && self.held.iter().all(|held| held.again.is_none())
    }

    /// Sees to it that outcomes become safe soon, if what they lead to could start: there is room for it, and nothing
    /// else to do.
    pub(super) fn make_haste(&mut self) {
        if !self.held.is_empty() && self.flights.len() < self.window {
            self.teller.durable(true);
        }
    }

    /// What the sink does not keep has no consequences.
    fn forget(&mut self) {
        for held in std::mem::take(&mut self.held) {
            self.tasks.abandon(held.ready.task);
        }
    }

    fn follow(&mut self, held: Held) {
        let Held {
            ready,
            outcome,
            again,
            ..
        } = held;
        if let Some(due) = again {
            let next = Ready {
                attempt: ready.attempt + 1,
                announced: false,
                expires: None,
                ..ready
            };
            let task = next.task;
            match due <= self.options.clock.now() {
                true => {
                    self.sources[task].again.push_back(next);
                    self.offer(task);
                }
                false => self.delayed.push(due, next),
            }
            return;
        }
        let (task, label) = (ready.task, &ready.instance.label);
        let how = if outcome.is_success() {
            self.tasks.succeed(task);
            Ok(())
        } else if outcome == Outcome::Killed {
            self.tasks.abandon(task);
            Err(Lost::NotRun)
        } else {
            self.tasks.fail(task, label);
            Err(Lost::Failed(label.clone()))
        };
        self.partner_ended(task, &ready.instance, how);
        self.heed_end_of(task, None);
    }
}
