//! Which worker gets which task: fair shares of the queue within each worker's window, and what one worker has
//! not started goes to another that has nothing to do.

use std::time::Instant;

use super::tasks::Place;
use super::workers::Life;
use super::{Action, Core, Recall, State};

impl Core {
    /// Hands queued tasks to ready workers, then lets idle workers take from loaded ones.
    pub(super) fn dispatch(&mut self, now: Instant, recall: &mut dyn Recall) {
        for worker in &mut self.workers {
            worker.size_window(now);
        }
        self.hand_out(now);
        if self.queued == 0 && self.rebalance(recall) {
            self.hand_out(now);
        }
    }

    /// Hands queued tasks to ready workers, between turns.
    pub(crate) fn hand_out_now(&mut self, now: Instant) {
        if self.state < State::Stopping {
            self.hand_out(now);
        }
    }

    pub(crate) fn has_queued(&self) -> bool {
        self.queued > 0
    }

    pub(crate) fn has_one_task(&self) -> bool {
        self.live == 1
    }

    /// No task is under way, and a worker waits for one.
    pub(crate) fn is_quiet(&self) -> bool {
        self.state == State::Running && self.live == 0 && self.workers.iter().any(|w| w.life == Life::Ready)
    }

    fn hand_out(&mut self, now: Instant) {
        // A level at a time: nobody gets a second task ahead while somebody has none.
        while self.queued > 0 {
            let takers = self
                .workers
                .iter()
                .filter(|w| w.life == Life::Ready && w.room() > 0);
            let Some(lowest) = takers.clone().map(|w| w.sent.len()).min() else {
                return;
            };
            let count = takers.filter(|w| w.sent.len() == lowest).count();
            let share = if lowest == 0 {
                1
            } else {
                self.queued.div_ceil(count)
            };
            for index in 0..self.workers.len() {
                let worker = &self.workers[index];
                if worker.life == Life::Ready && worker.sent.len() == lowest {
                    let n = share.min(worker.room());
                    self.send_some(now, index, n);
                }
            }
        }
    }

    fn send_some(&mut self, now: Instant, index: usize, n: usize) {
        for _ in 0..n {
            if self.workers[index].room() == 0 {
                return;
            }
            let Some(key) = self.dequeue() else { return };
            let Some(task) = self.tasks.get_mut(key as usize).and_then(Option::as_mut) else {
                continue;
            };
            task.place = Place::Sent { worker: index };
            let (id, size, attempt) = (task.id, task.size, task.attempt);
            let worker = &mut self.workers[index];
            let first = worker.sent.is_empty();
            let cell = worker.push(now, key, id, size);
            self.actions.push(Action::Send {
                worker: index,
                key,
                cell,
                attempt,
            });
            if first {
                self.announce_head(index);
            }
        }
    }

    /// For each worker without a task, takes the later half of what the most loaded one has not started. True:
    /// something was put back into the queue.
    fn rebalance(&mut self, recall: &mut dyn Recall) -> bool {
        let mut moved = false;
        let idle = self
            .workers
            .iter()
            .filter(|w| w.life == Life::Ready && w.sent.is_empty())
            .count();
        for _ in 0..idle {
            let loaded = self.workers.iter().enumerate().max_by_key(|(_, w)| w.live_sent);
            let Some((from, worker)) = loaded else { break };
            if worker.live_sent < 2 {
                break;
            }
            let taken = self.recall_some(from, worker.live_sent / 2, recall);
            if taken.is_empty() {
                break;
            }
            moved = true;
            for key in taken.into_iter().rev() {
                self.requeue(key);
            }
        }
        moved
    }
}
