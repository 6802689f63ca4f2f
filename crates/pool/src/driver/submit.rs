//! Taking tasks in: one at a time from the seat of a thread that submits, or those that were pushed.

use std::sync::atomic::Ordering;

use super::Driver;
use crate::core::{Key, Load, Placement};
use crate::future::slot::SlotRef;
use crate::process::queue::NewTask;
use crate::process::shared::Placed;

/// How many tasks are submitted from the seat before the answers are looked at.
const ROW: u32 = 64;

impl Driver {
    /// From the seat of a thread that submits: a task, and what goes with it at once. With `alone` nobody else does
    /// turns, so this thread looks at the answers now and then. `None`: it is not accepted.
    pub(crate) fn submit_now(&mut self, task: NewTask, alone: bool) -> Option<Placed> {
        if self.shared.queue.has_pushed() {
            let now = self.clock.now();
            self.now = now;
            self.take_pushed(now);
            // Otherwise they, and this task behind them, would wait for a turn that nobody is about to do.
            self.settle(now);
        }
        let NewTask {
            slot,
            argument,
            size,
            policy,
        } = task;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let policy = self.timed(policy);
        let may_start = policy.as_ref().is_none_or(|p| p.not_before.is_none());
        let (key, placement) = self.core.submit_now(slot.id().0, size, policy)?;
        if may_start {
            self.timings.submitted(slot.id().0);
        }
        self.keep(key, slot);
        self.submitted = self.submitted.wrapping_add(1);
        self.in_a_row += 1;
        let mut later = false;
        if let Placement::Sent { worker, cell, load } = placement {
            if load == Load::Nothing {
                // Only the first task of a worker needs the time.
                self.now = self.clock.now();
                self.core.begins(self.now, worker);
            }
            let mut left_queue = 0;
            self.send(worker, key, cell, 1, Some(&argument), &mut left_queue);
            self.shared.queue.left(left_queue);
            // In the middle of a flood a worker that has enough to do learns of more a row at a time: to wake it for
            // each task would cost more than the task. Should the flood end here, the next turn tells it.
            later = alone && load == Load::Little && self.in_a_row > ROW;
        } else if self.core.has_priorities() {
            // Only a turn's end knows whether it goes before others.
            self.now = self.clock.now();
            self.settle(self.now);
        }
        Some(self.finish_submitting(alone, later))
    }

    /// From the seat of a thread that has pushed something: takes what was pushed.
    pub(crate) fn submit_pushed(&mut self, alone: bool) -> Placed {
        let now = self.clock.now();
        self.now = now;
        self.take_pushed(now);
        self.settle(now);
        self.submitted = self.submitted.wrapping_add(1);
        self.finish_submitting(alone, false)
    }

    fn finish_submitting(&mut self, alone: bool, later: bool) -> Placed {
        let row = self.submitted.is_multiple_of(ROW);
        if row || !later {
            self.flush(self.now);
        }
        if alone {
            self.silence();
        }
        if row {
            if alone {
                let now = self.clock.now();
                self.now = now;
                self.read_rings(now);
                self.settle(now);
                self.flush(now);
            }
            return Placed::AnotherRow;
        }
        if self.is_due_earlier() {
            Placed::WithTimer
        } else {
            Placed::Quietly
        }
    }

    /// Gives the task back when nothing is accepted any more.
    pub(super) fn submit(&mut self, task: NewTask) -> Result<(), SlotRef> {
        let NewTask {
            slot, size, policy, ..
        } = task;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let policy = self.timed(policy);
        let may_start = policy.as_ref().is_none_or(|p| p.not_before.is_none());
        let Some(key) = self.core.submit(slot.id().0, size, policy) else {
            return Err(slot);
        };
        if may_start {
            self.timings.submitted(slot.id().0);
        }
        self.keep(key, slot);
        Ok(())
    }

    pub(super) fn keep(&mut self, key: Key, slot: SlotRef) {
        slot.key.store(key, Ordering::Relaxed);
        let index = key as usize;
        if index == self.tasks.len() {
            self.tasks.push(Some(slot));
        } else {
            self.tasks[index] = Some(slot);
        }
    }
}
