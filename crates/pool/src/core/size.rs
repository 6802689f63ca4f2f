//! How many workers there are: between a least and a most, by what there is to do, and what `resize` changes.
//!
//! A slot that is not wanted is down, and stays so; one that is wanted has a worker, or gets one. What runs is never
//! ended for a change of size: a worker that is too many leaves after its task.

use std::time::{Duration, Instant};

use super::life::{Life, Why};
use super::workers::Worker;
use super::{Action, Core, Recall, State};

/// So many workers; the least is not 0, and the most is not less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) least: usize,
    pub(crate) most: usize,
}

/// How long tasks wait behind others before more workers are started: those that are there may be through with them
/// sooner than a process starts.
const PRESSED: Duration = Duration::from_millis(1);

impl Size {
    pub(crate) fn of(workers: usize) -> Size {
        Size {
            least: workers,
            most: workers,
        }
    }
}

impl Core {
    /// Starts a process in every slot whose time has come.
    pub(super) fn start_due_workers(&mut self, now: Instant) {
        let wanted = match self.state {
            State::Running => true,
            State::Draining => self.live > 0,
            State::Stopping | State::Closed => false,
        };
        for (index, worker) in self.workers.iter_mut().enumerate() {
            if let Life::Down { start_at: Some(at) } = worker.life
                && at <= now
                && wanted
            {
                self.counts.restarts +=
                    u64::from(worker.started_before && !std::mem::take(&mut worker.postponed));
                let handshake_until = now.checked_add(self.config.handshake_limit);
                worker.starts(handshake_until, self.config.recycle.tasks);
                self.actions.push(Action::Spawn { worker: index });
            }
        }
    }

    /// Tells every worker that has nothing to do to leave, for good.
    pub(super) fn let_workers_leave(&mut self, now: Instant) {
        (0..self.workers.len()).for_each(|worker| self.let_leave(now, worker));
    }

    /// Tells a worker that has nothing to do to leave.
    pub(super) fn let_leave(&mut self, now: Instant, index: usize) {
        let worker = &mut self.workers[index];
        match worker.life {
            Life::Ready => {
                let kill_at = now.checked_add(self.config.kill_grace);
                worker.life = Life::Ending {
                    why: Why::Leaving,
                    kill_at,
                };
                self.actions.push(Action::Leave { worker: index });
            }
            // It has no task and never will: there is nothing to be orderly about.
            Life::Starting { .. } => {
                worker.life = Life::Ending {
                    why: Why::Leaving,
                    kill_at: None,
                };
                self.actions.push(Action::Kill { worker: index });
            }
            Life::Down { .. } => worker.life = Life::Down { start_at: None },
            Life::Ending { .. } => {}
        }
    }

    /// The pool has this many workers from now on: more are started at once; those that are too many leave, first those
    /// that have the least to do, each after its task.
    pub(crate) fn resize(&mut self, now: Instant, workers: usize, recall: &mut dyn Recall) {
        if self.state >= State::Stopping {
            return;
        }
        self.size = Size::of(workers.max(1));
        self.pressed_since = None;
        let most = self.size.most;
        while self.workers.len() < most {
            self.workers.push(Worker::new(now, false));
        }
        self.turn.grow(self.workers.len());
        self.add_workers(now, most.saturating_sub(self.wanted));
        while self.wanted > most {
            self.remove_one(now, recall);
        }
    }

    fn add_workers(&mut self, now: Instant, mut n: usize) {
        self.wanted += n;
        // One that is still there, and has not been told to leave, need not go.
        for w in &mut self.workers {
            if n > 0 && !w.stays && w.life == Life::Ready {
                (w.stays, w.retires) = (true, false);
                n -= 1;
            }
        }
        for w in self.workers.iter_mut().filter(|w| !w.stays).take(n) {
            w.stays = true;
            if w.is_gone() {
                w.started_before = false;
                w.goes_down(Some(now));
            }
        }
        self.start_due_workers(now);
    }

    /// One worker is too many: the one that is missed least.
    fn remove_one(&mut self, now: Instant, recall: &mut dyn Recall) {
        let rank = |w: &Worker| match w.life {
            Life::Down { .. } | Life::Ending { .. } => 0,
            Life::Starting { .. } => 1,
            // It goes anyway.
            Life::Ready if w.retires => 1,
            Life::Ready => 2 + w.live_sent,
        };
        let wanted = self.workers.iter().enumerate().rev().filter(|(_, w)| w.stays);
        let Some((index, _)) = wanted.min_by_key(|(_, w)| rank(w)) else {
            return;
        };
        self.wanted -= 1;
        let w = &mut self.workers[index];
        w.stays = false;
        match w.life {
            Life::Down { .. } => w.goes_down(None),
            Life::Ending { .. } => {}
            Life::Starting { .. } => self.let_leave(now, index),
            Life::Ready => self.retire(now, index, recall),
        }
    }

    /// Starts more workers where tasks wait for one, and lets those leave that had nothing to do for long.
    pub(super) fn fit_size(&mut self, now: Instant) {
        let Size { least, most } = self.size;
        if least == most || self.state >= State::Stopping {
            return;
        }
        let (mut waiting, mut coming, mut idle) = (self.queued, 0, false);
        for w in &self.workers {
            waiting += w.live_sent.saturating_sub(1);
            coming += usize::from(w.stays && w.life != Life::Ready);
            idle |= w.is_idle();
        }
        if waiting > coming && !idle && self.wanted < most {
            let since = *self.pressed_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= PRESSED {
                self.pressed_since = None;
                self.add_workers(now, (waiting - coming).min(most - self.wanted));
            }
        } else {
            self.pressed_since = None;
        }
        let exits = |core: &Core, w: &Worker| core.exits_at(w).is_some_and(|at| at <= now);
        while let Some(index) = self.workers.iter().rposition(|w| exits(self, w)) {
            self.workers[index].stays = false;
            self.wanted -= 1;
            self.let_leave(now, index);
        }
        let next = self.workers.iter().filter_map(|w| self.exits_at(w)).min();
        self.note_timer(next);
        self.note_timer(self.grows_at());
    }

    /// When more workers are started, if tasks still wait then.
    pub(super) fn grows_at(&self) -> Option<Instant> {
        self.pressed_since
            .filter(|_| self.state < State::Stopping)
            .and_then(|at| at.checked_add(PRESSED))
    }

    /// When a worker has had nothing to do for so long that it leaves for good.
    pub(super) fn exits_at(&self, w: &Worker) -> Option<Instant> {
        let Size { least, most } = self.size;
        if least == most || !w.is_idle() || self.state != State::Running || self.wanted <= least {
            return None;
        }
        w.idle_since.checked_add(self.config.idle_timeout)
    }
}
