//! What was pushed for whoever has the seat: tasks, and what the pool is asked to do or to tell.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Driver;
use crate::core::{Key, Standing};
use crate::future::slot::SlotRef;
use crate::process::info::{PoolStats, WorkerInfo, WorkerState, resident_bytes};
use crate::process::queue::Command;

impl Driver {
    /// Handles what was pushed.
    pub(super) fn take_pushed(&mut self, now: Instant) {
        let mut pushed = std::mem::take(&mut self.pushed);
        self.shared.queue.take(&mut pushed);
        for task in pushed.tasks.drain(..) {
            if let Err(slot) = self.submit(task) {
                // Pushed before the pool broke, taken after: the reason is known by now.
                self.shared
                    .queue
                    .left(usize::from(slot.waiting.swap(false, Ordering::Relaxed)));
                slot.fail(self.shared.refused(&self.shared.queue.refusal()));
            }
        }
        for command in pushed.commands.drain(..) {
            match command {
                // Whoever asked may have stopped waiting for the answer.
                Command::Cancel(slot, answer) => {
                    let done = self.key_of(&slot).is_some_and(|key| {
                        self.core.cancel(key, &mut self.links) || self.cancel_rest(key, &slot)
                    });
                    self.carry_out(now);
                    let _ = answer.send(done || slot.is_cancelled());
                }
                Command::Kill(slot, answer) => {
                    let done = self
                        .key_of(&slot)
                        .is_some_and(|key| self.core.kill(now, key, &mut self.links));
                    self.carry_out(now);
                    let _ = answer.send(done);
                }
                Command::Interrupt(slot, answer) => {
                    let done = self.key_of(&slot).is_some_and(|key| self.core.interrupt(key));
                    self.carry_out(now);
                    let _ = answer.send(done);
                }
                Command::ShutDown { cancel_queued } => {
                    // What stands still would never finish.
                    self.resume();
                    self.core.shut_down(cancel_queued, &mut self.links);
                }
                Command::Resize(workers) => {
                    self.make_room(workers);
                    self.core.resize(now, workers, &mut self.links);
                    self.carry_out(now);
                }
                Command::Terminate => {
                    self.resume();
                    self.core.terminate(now, &mut self.links);
                }
                Command::Signal(signal) => self.signal_only(signal),
                Command::Suspend(answer) => {
                    self.suspend();
                    let _ = answer.send(());
                }
                Command::Resume(answer) => {
                    self.resume();
                    let _ = answer.send(());
                }
                Command::Workers(answer) => {
                    let _ = answer.send(self.workers());
                }
                Command::Stats(answer) => {
                    let _ = answer.send(self.stats());
                }
            }
        }
        self.pushed = pushed;
    }

    /// Has places for so many workers.
    fn make_room(&mut self, workers: usize) {
        let places = workers.max(self.links.0.len());
        self.links.0.resize_with(places, || None);
        self.generations.resize(places, 0);
        self.remains.resize(places, None);
        for slots in [&mut self.busy, &mut self.silent, &mut self.unsent] {
            slots.grow(places);
        }
    }

    /// The key of a task that has not ended.
    fn key_of(&self, slot: &SlotRef) -> Option<Key> {
        let key = slot.key.load(Ordering::Relaxed);
        let task = self.tasks.get(key as usize)?.as_ref()?;
        SlotRef::ptr_eq(task, slot).then_some(key)
    }

    fn workers(&self) -> Vec<WorkerInfo> {
        let links = self.links.0.iter().enumerate();
        let live = links.filter_map(|(slot, link)| Some((slot, link.as_ref()?)));
        live.map(|(slot, link)| {
            let (standing, tasks_done) = self.core.standing(slot);
            let state = match standing {
                Standing::Starting => WorkerState::Starting,
                Standing::Idle => WorkerState::Idle,
                Standing::Busy => WorkerState::Busy,
                Standing::Ending => WorkerState::Stopping,
            };
            let pid = link.pid as u32;
            WorkerInfo {
                slot,
                pid,
                state,
                tasks_done,
                rss: resident_bytes(pid),
            }
        })
        .collect()
    }

    fn stats(&self) -> PoolStats {
        let counts = self.core.counts();
        let (queued, running) = self.core.load();
        PoolStats {
            queued: queued as u64,
            running: running as u64,
            done: counts.done,
            failed: counts.failed,
            cancelled: counts.cancelled,
            restarts: counts.restarts,
            queue_wait: self.timings.wait(),
            run_time: self.timings.run(),
        }
    }
}
