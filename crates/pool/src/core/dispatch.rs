//! Which worker gets which task: fair shares of the queue within each worker's window, and what one worker has
//! not started goes to another that has nothing to do.

use std::time::{Duration, Instant};

use super::life::Life;
use super::tasks::{Key, Place};
use super::workers::{Sent, Worker};
use super::{Action, Core, Recall, State, WINDOW_MIN};

/// Whose turn it is when tasks come one by one: the worker that got the last, if it is so quick that to wake another
/// would take longer; else one that has none; else the one that got the last, for a while, so that its memory stays
/// warm; else the next that has room.
#[derive(Debug)]
pub(super) struct Rotation {
    /// Workers that may have nothing to do, a bit each; a set bit is checked before it is believed.
    idle: Vec<u64>,
    last: usize,
    left: u32,
}

/// How many tasks in a row go to one worker.
const ROW: u32 = 16;

impl Rotation {
    pub(super) fn new(workers: usize) -> Rotation {
        Rotation {
            idle: vec![0; workers.div_ceil(64)],
            last: 0,
            left: 0,
        }
    }

    /// There are so many workers now.
    pub(super) fn grow(&mut self, workers: usize) {
        self.idle.resize(workers.div_ceil(64), 0);
    }

    pub(super) fn is_idle(&mut self, worker: usize) {
        self.idle[worker / 64] |= 1 << (worker % 64);
    }

    fn may_have_idle(&self) -> bool {
        self.idle.iter().any(|&bits| bits != 0)
    }

    fn next(&mut self, workers: &[Worker]) -> Option<usize> {
        let takes = |w: &Worker| w.life == Life::Ready && w.room() > 0;
        if takes(&workers[self.last]) && workers[self.last].is_quick() {
            return Some(self.last);
        }
        for (at, bits) in self.idle.iter_mut().enumerate() {
            while *bits != 0 {
                let worker = 64 * at + bits.trailing_zeros() as usize;
                *bits &= *bits - 1;
                if takes(&workers[worker]) && workers[worker].sent.is_empty() {
                    (self.last, self.left) = (worker, 0);
                    return Some(worker);
                }
            }
        }
        if self.left > 0 && takes(&workers[self.last]) {
            self.left -= 1;
            return Some(self.last);
        }
        let after = (self.last + 1..workers.len()).chain(0..=self.last);
        let next = after.into_iter().find(|&worker| takes(&workers[worker]))?;
        (self.last, self.left) = (next, ROW - 1);
        Some(next)
    }
}

/// What waits behind a task that runs this long may have been passed by too many that came later.
const STANDSTILL: Duration = Duration::from_millis(20);

/// How many that is, unless there are so many workers that it is nothing unusual.
const PASSED: u64 = 64;

/// Where a task that came alone went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Nowhere: others wait, or nobody has room.
    Queued,
    Sent {
        worker: usize,
        cell: u16,
        load: Load,
    },
}

/// What a worker has to do before it comes to the task that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Tell it at once, and let the core know the time: `begins`.
    Nothing,
    /// It will come to it soon, quick as it is.
    Little,
    Much,
}

impl Core {
    /// Hands queued tasks to ready workers, then lets idle workers take from loaded ones.
    pub(super) fn dispatch(&mut self, now: Instant, recall: &mut dyn Recall) {
        for worker in &mut self.workers {
            worker.size_window(now, self.handed_out);
        }
        if self.with_priority > 0 {
            return self.dispatch_by_rank(now, recall);
        }
        self.take_back_the_passed(now, recall);
        self.hand_out(now);
        if self.queued == 0 && self.rebalance(now, recall) {
            self.hand_out(now);
        }
    }

    /// Gives a task that has just come to a worker that has room, if none waits before it.
    pub(super) fn place(&mut self, key: Key) -> Placement {
        if self.queued > 0 || self.with_priority > 0 || self.state >= State::Stopping {
            return Placement::Queued;
        }
        let Some(worker) = self.turn.next(&self.workers) else {
            return Placement::Queued;
        };
        let load = match &self.workers[worker] {
            w if w.sent.is_empty() => Load::Nothing,
            w if w.is_quick() => Load::Little,
            _ => Load::Much,
        };
        let Some((cell, _)) = self.assign(worker, key) else {
            return Placement::Queued;
        };
        // Quick as it was, it may be at a long task now; whoever sleeps is to wake and give this one to somebody else.
        if self.workers[worker].live_sent == 2 && self.turn.may_have_idle() {
            let at = self.workers[worker].spares_from();
            self.note_timer(at);
        }
        Placement::Sent { worker, cell, load }
    }

    /// Puts a task that is nowhere on a worker. Gives its cell and attempt.
    fn assign(&mut self, index: usize, key: Key) -> Option<(u16, u32)> {
        let task = self.tasks.get_mut(key as usize)?.as_mut()?;
        task.place = Place::Sent { worker: index as u32 };
        let (divisible, priority) = match &task.policy {
            Some(policy) => (policy.divisible, policy.priority),
            None => (false, 0),
        };
        let (id, size, attempt) = (task.id, task.size, task.attempt);
        let cell = self.workers[index].push(key, id, size, divisible, priority);
        self.handed_out += 1;
        Some((cell, attempt))
    }

    /// The worker got its first task now, and not when the last turn was.
    pub(crate) fn begins(&mut self, now: Instant, worker: usize) {
        self.workers[worker].begins(now);
        let until = self.workers[worker].front_until;
        self.note_timer(until);
        self.time_head(worker);
    }

    /// No task is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.live == 0
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

    pub(super) fn send_some(&mut self, now: Instant, index: usize, n: usize) {
        for _ in 0..n {
            if self.workers[index].room() == 0 {
                return;
            }
            let Some(key) = self.dequeue() else { return };
            let first = self.workers[index].sent.is_empty();
            let Some((cell, attempt)) = self.assign(index, key) else {
                continue;
            };
            self.actions.push(Action::Send {
                worker: index,
                key,
                cell,
                attempt,
            });
            if first {
                self.begins(now, index);
            }
        }
    }

    /// What was sent ahead to a worker that is at a long task is not to wait for that end while later tasks go by: it goes
    /// to the front of the queue. As long as others are quick there is nobody without a task who would ask for it.
    fn take_back_the_passed(&mut self, now: Instant, recall: &mut dyn Recall) {
        let most = PASSED.max(4 * self.workers.len() as u64);
        for index in 0..self.workers.len() {
            let worker = &self.workers[index];
            let passed = worker.live_sent > 1
                && self.handed_out - worker.handed_out_before >= most
                && !worker.spares_nothing
                && now.saturating_duration_since(worker.head_since) >= STANDSTILL;
            if !passed {
                continue;
            }
            let taken = self.recall_some(index, worker.live_sent - 1, recall);
            let worker = &mut self.workers[index];
            worker.spares_nothing = taken.is_empty();
            worker.window = WINDOW_MIN;
            for key in taken.into_iter().rev() {
                self.requeue(key);
            }
        }
    }

    /// For each worker without a task, takes the later half of what the most loaded one has not started. True:
    /// something was put back into the queue.
    pub(super) fn rebalance(&mut self, now: Instant, recall: &mut dyn Recall) -> bool {
        let mut moved = false;
        let mut idle = self.workers.iter().filter(|w| w.is_idle()).count();
        while idle > 0 {
            let loaded = self
                .workers
                .iter()
                .enumerate()
                .filter(|(_, w)| w.spares_from().is_some_and(|at| at <= now));
            let Some((from, worker)) = loaded.max_by_key(|(_, w)| w.live_sent) else {
                break;
            };
            let head = worker.head().copied().filter(|_| worker.live_sent == 1);
            if let Some(Sent { key, cell, .. }) = head.filter(|head| head.divisible) {
                self.workers[from].divided_at = now;
                self.actions.push(Action::Divide {
                    worker: from,
                    key,
                    cell,
                });
                idle -= 1;
                continue;
            }
            // The only task is taken from a worker that is not even at it: one that reads a long argument would only
            // have to begin again elsewhere.
            let stays = head.is_some_and(|head| recall.is_at(from, head.cell, head.id));
            let most = if stays { 0 } else { (worker.live_sent / 2).max(1) };
            let taken = self.recall_some(from, most, recall);
            if taken.is_empty() {
                self.workers[from].spares_nothing = true;
                continue;
            }
            moved = true;
            idle -= 1;
            for key in taken.into_iter().rev() {
                self.requeue(key);
            }
        }
        moved
    }
}
