//! Who goes first where tasks have priorities, and what comes back for that from where it was sent.
//!
//! Behind what a worker is at may lie what was sent ahead. Always true at the end of a turn, as long as a task with a
//! priority is there: all that lies ahead, at all workers, has one priority, and nothing that waits has a higher one.
//! So whichever worker is through first, what it starts next is of the highest priority there is.

use std::time::Instant;

use super::life::Life;
use super::workers::{PATIENCE, Worker};
use super::{Action, Core, Recall, WINDOW_MIN};

/// What lies ahead at a worker and may not have started.
fn lies_ahead(worker: &Worker) -> bool {
    worker.live_sent > 1 && !worker.spares_nothing
}

fn takes(worker: &Worker) -> bool {
    worker.life == Life::Ready && worker.room() > 0
}

impl Core {
    /// Some task has a priority, so that the order of submission is not enough.
    pub(crate) fn has_priorities(&self) -> bool {
        self.with_priority > 0
    }

    /// Hands queued tasks out, in the order of their priorities; then lets workers that have nothing to do take from
    /// others.
    pub(super) fn dispatch_by_rank(&mut self, now: Instant, recall: &mut dyn Recall) {
        loop {
            if let Some(first) = self.first_rank() {
                self.recall_below(first, recall);
                self.divide_below(now, first);
            }
            self.hand_out_by_rank(now);
            if !self.give_to_idle(now, recall) {
                break;
            }
        }
        if self.queued == 0 && self.rebalance(now, recall) {
            self.hand_out_by_rank(now);
        }
    }

    /// Takes back everything that has a lower priority and has not started.
    fn recall_below(&mut self, first: i32, recall: &mut dyn Recall) {
        let mut back = Vec::new();
        for worker in 0..self.workers.len() {
            let before = back.len();
            for at in (0..self.workers[worker].sent.len()).rev() {
                let w = &self.workers[worker];
                let sent = w.sent[at];
                if w.spares_nothing {
                    break;
                }
                if !sent.live {
                    continue;
                }
                if sent.priority >= first {
                    break;
                }
                // One that reads a long argument would only have to begin again. Behind an entry that was taken back the
                // worker may seem to be at it for that one's sake: it can have been the same task.
                let stays = w.live_sent == 1 && at == 0 && recall.is_at(worker, sent.cell, sent.id);
                if stays || !self.take_back_at(worker, at, recall) {
                    // Tasks start in order: nor is there another before it that has not.
                    self.workers[worker].spares_nothing = true;
                    break;
                }
                back.push((sent.id, sent.key));
            }
            if back.len() > before {
                // What is sent ahead may have to come back again soon.
                let w = &mut self.workers[worker];
                w.window = (w.window / 2).max(WINDOW_MIN);
            }
        }
        // In front of the others of their priority, in the order in which they came.
        back.sort_unstable();
        for (_, key) in back.into_iter().rev() {
            self.requeue(key);
        }
    }

    /// Has those be cut that are several items, and are at one of them while a higher priority waits.
    fn divide_below(&mut self, now: Instant, first: i32) {
        for (worker, w) in self.workers.iter_mut().enumerate() {
            if let Some(head) = w.head().copied()
                && head.divisible
                && head.priority < first
                && w.life == Life::Ready
                && (w.divided_at < w.head_since
                    || w.divided_at.checked_add(PATIENCE).is_some_and(|at| at <= now))
            {
                // Once is mostly enough: then it has nothing left but the item that it is at.
                w.divided_at = now;
                self.actions.push(Action::Divide {
                    worker,
                    key: head.key,
                    cell: head.cell,
                });
            }
        }
    }

    /// The priority of what lies ahead.
    pub(super) fn rank_ahead(&self) -> Option<i32> {
        let newest = |w: &Worker| w.sent.iter().rev().find(|s| s.live).map(|s| s.priority);
        self.workers
            .iter()
            .filter(|w| lies_ahead(w))
            .filter_map(newest)
            .max()
    }

    fn hand_out_by_rank(&mut self, now: Instant) {
        while let Some(rank) = self.first_rank() {
            // What lies ahead goes before it.
            if self.rank_ahead().is_some_and(|ahead| ahead > rank) {
                return;
            }
            let takers = self.workers.iter().enumerate().filter(|(_, w)| takes(w));
            let Some((index, _)) = takers.min_by_key(|(_, w)| (w.live_sent, w.sent.len())) else {
                return;
            };
            self.send_some(now, index, 1);
        }
    }

    /// If a worker has nothing to do: takes back what lies ahead at another one, so that it is handed out anew, in its
    /// order. True: something has changed.
    fn give_to_idle(&mut self, now: Instant, recall: &mut dyn Recall) -> bool {
        if !self.workers.iter().any(|w| takes(w) && w.live_sent == 0) {
            return false;
        }
        // With others waiting, that may not lie there any longer; else a worker that is quick has a moment.
        let spares = |w: &Worker| self.queued > 0 || w.spares_from().is_some_and(|at| at <= now);
        let loaded = self.workers.iter().enumerate();
        let loaded = loaded.filter(|(_, w)| lies_ahead(w) && spares(w));
        let Some((from, worker)) = loaded.max_by_key(|(_, w)| w.live_sent) else {
            return false;
        };
        let taken = self.recall_some(from, worker.live_sent - 1, recall);
        if taken.is_empty() {
            self.workers[from].spares_nothing = true;
        }
        for key in taken.into_iter().rev() {
            self.requeue(key);
        }
        true
    }
}
