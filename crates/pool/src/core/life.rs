//! A worker's life, from its start to its end: what it has told of itself, and why it is being ended.

use std::time::{Duration, Instant};

use super::tasks::Key;
use super::{Action, Core, Recall};

/// Where a worker stands, as others may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Starting,
    Idle,
    Busy,
    Ending,
}

/// Why a worker is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is not needed any more.
    Leaving,
    /// Its running task was killed on request.
    Killed,
    /// Its running task ran too long.
    TimedOut,
    /// The pool was terminated.
    Terminated,
    /// It broke the protocol, hung up, or did not finish its handshake in time.
    Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// No process; one is to be started then. `None`: never again.
    Down {
        start_at: Option<Instant>,
    },
    /// A process without a completed handshake and initializer.
    Starting {
        handshake_until: Option<Instant>,
    },
    Ready,
    /// Being ended: nothing more is sent; KILL comes at the instant.
    Ending {
        why: Why,
        kill_at: Option<Instant>,
    },
}

impl Core {
    /// The worker has proved who it is; its initializer may take as long as it likes.
    pub(crate) fn authenticated(&mut self, worker: usize) {
        if let Life::Starting { handshake_until } = &mut self.workers[worker].life {
            *handshake_until = None;
        }
    }

    /// The time for the worker's handshake is counted from now: what it waited for is there.
    pub(crate) fn handshake_begins(&mut self, now: Instant, worker: usize) {
        if let Life::Starting { handshake_until } = &mut self.workers[worker].life {
            *handshake_until = now.checked_add(self.config.handshake_limit);
            let timer = *handshake_until;
            self.note_timer(timer);
        }
    }

    /// The worker's initializer has succeeded. False: it was not expected to say so.
    pub(crate) fn ready(&mut self, now: Instant, worker: usize) -> bool {
        let w = &mut self.workers[worker];
        match w.life {
            Life::Starting { .. } => {
                w.life = Life::Ready;
                w.was_ready = true;
                (w.ready_at, w.idle_since) = (now, now);
                self.failed_starts = 0;
                self.turn.is_idle(worker);
                true
            }
            Life::Ending { .. } => true,
            Life::Ready | Life::Down { .. } => false,
        }
    }

    /// Whether a worker that is to be killed, and has no process yet, is just not needed any more. Then its kill is asked
    /// for once more, later: it may have a process by then.
    pub(crate) fn kill_later(&mut self, now: Instant, worker: usize) -> bool {
        let later = now.checked_add(self.config.handshake_limit);
        let life = &mut self.workers[worker].life;
        let Life::Ending {
            why: Why::Leaving,
            kill_at,
        } = life
        else {
            return false;
        };
        *kill_at = later;
        self.note_timer(later);
        true
    }

    /// Whether the worker is ended because something went wrong with it.
    pub(crate) fn is_faulty(&self, worker: usize) -> bool {
        matches!(self.workers[worker].life, Life::Ending { why: Why::Fault, .. })
    }

    /// The worker broke the protocol: it is not trusted with another byte.
    pub(crate) fn fault(&mut self, now: Instant, worker: usize, recall: &mut dyn Recall) {
        for key in self.recall_all(worker, recall).into_iter().rev() {
            self.requeue(key);
        }
        // What could not be taken back has started, and may have been answered behind the bad frame: nobody reads on
        // to learn it, so it must not be mistaken for a task that may run again.
        for sent in self.workers[worker].sent.iter_mut().filter(|s| s.live) {
            sent.started = true;
        }
        self.kill_worker(worker, Why::Fault, now);
    }

    /// The worker's channel ended. A worker that is dying does that just before; one that lives on is ended.
    pub(crate) fn hung_up(&mut self, now: Instant, worker: usize) {
        const MOMENT: Duration = Duration::from_secs(1);
        let w = &mut self.workers[worker];
        match &mut w.life {
            Life::Starting { .. } | Life::Ready => {
                w.life = Life::Ending {
                    why: Why::Fault,
                    kill_at: now.checked_add(MOMENT),
                };
            }
            Life::Ending { .. } | Life::Down { .. } => {}
        }
    }

    pub(super) fn kill_worker(&mut self, worker: usize, why: Why, _now: Instant) {
        let w = &mut self.workers[worker];
        let why = match w.life {
            Life::Down { .. } => {
                w.life = Life::Down { start_at: None };
                return;
            }
            // A worker that we end already does not become one that crashed because it also sends rubbish.
            Life::Ending {
                why: before @ (Why::Leaving | Why::Killed | Why::TimedOut | Why::Terminated),
                ..
            } => before,
            Life::Starting { .. } | Life::Ready | Life::Ending { why: Why::Fault, .. } => why,
        };
        w.life = Life::Ending { why, kill_at: None };
        self.actions.push(Action::Kill { worker });
    }

    /// Ends the running task `key` by ending its worker. Everything that was sent behind it is taken back first,
    /// so that no other task can be on the worker when the signal arrives; if one of those has started, `key` has
    /// ended and its answer is on the way: then nothing happens. True: the worker is being ended for it.
    pub(super) fn end_running(
        &mut self,
        now: Instant,
        worker: usize,
        key: Key,
        why: Why,
        recall: &mut dyn Recall,
    ) -> bool {
        match self.workers[worker].life {
            Life::Ready => {}
            Life::Ending { why: before, .. } => {
                return self.workers[worker].head().is_some_and(|s| s.key == key) && before == why;
            }
            Life::Starting { .. } | Life::Down { .. } => return false,
        }
        // Not `key` itself, even if the worker still reads its argument: it would be sent again, and one that takes
        // longer to send than its timeout allows would never get further.
        let behind = self.workers[worker].live_sent.saturating_sub(1);
        for key in self.recall_some(worker, behind, recall).into_iter().rev() {
            self.requeue(key);
        }
        let started: Vec<&_> = self.workers[worker].sent.iter().filter(|s| s.live).collect();
        let [only] = started[..] else { return false };
        if only.key != key {
            return false;
        }
        let id = only.id;
        let kill_at = now.checked_add(self.config.kill_grace);
        self.workers[worker].life = Life::Ending { why, kill_at };
        self.actions.push(Action::AskToStop { worker, id });
        self.actions.push(Action::Terminate { worker });
        true
    }

    /// Where the worker stands, and how many tasks it has finished.
    pub(crate) fn standing(&self, worker: usize) -> (Standing, u64) {
        let w = &self.workers[worker];
        let standing = match w.life {
            Life::Down { .. } | Life::Starting { .. } => Standing::Starting,
            Life::Ready if w.live_sent == 0 => Standing::Idle,
            Life::Ready => Standing::Busy,
            Life::Ending { .. } => Standing::Ending,
        };
        (standing, w.tasks_done)
    }
}
