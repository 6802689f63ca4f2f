//! What the end of a worker means: whom it is charged to, what runs again, whether the pool goes on.

use std::time::{Duration, Instant};

use super::life::{Life, Why};
use super::tasks::Key;
use super::{Action, Cause, Core, Ending, Ran, Recall, State};

/// Failed starts in a row that break a pool: the fourth would fail like the three before it.
const FAILED_STARTS: u32 = 3;
/// Deaths in a row without a task to charge, and without one finished in between, that break a pool.
const IDLE_DEATHS: u32 = 100;
/// Starts that the kernel refused in a row, in every slot of a pool without any worker, that break it.
const REFUSED_STARTS: u32 = 6;

/// A worker's end as the driver found it, after everything that the worker had sent was handled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departure {
    /// The task that it names as started and not answered.
    pub(crate) running: Option<u64>,
    /// What the initializer or the handshake said, or how the process ended.
    pub(crate) reason: String,
    /// It ended because of a limit that was set for the task that it ran.
    pub(crate) limit: bool,
}

/// Whom a crash is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blamed {
    Nobody,
    Task,
    /// A task that has crashed a worker before.
    KnownTask,
}

/// How long nothing is started after so many failed starts in a row. The first one may be bad luck; a pause keeps a
/// hopeless start from eating the machine.
fn pause_after(failed_starts: u32) -> Duration {
    Duration::from_millis(20) * (1 << failed_starts.min(6))
}

impl Core {
    /// The worker's process is gone. Gives the task that ended with it, whose completion (or retry) is among the
    /// actions.
    pub(crate) fn departed(
        &mut self,
        now: Instant,
        worker: usize,
        departure: &Departure,
        recall: &mut dyn Recall,
    ) -> Option<Key> {
        let w = &mut self.workers[worker];
        let life = w.life;
        let ran_for = now.saturating_duration_since(w.head_since);
        let sent: Vec<_> = w.sent.drain(..).collect();
        (w.live_sent, w.sent_bytes, w.answers) = (0, 0, 0);
        (w.head_until, w.front_until) = (None, None);
        w.goes_down(Some(now));
        w.refused_starts = 0;
        let was_ready = w.was_ready;

        // Tasks start in order, and the answers before the running one's were read. A name that is not the first one's
        // is of a task that was here before, was taken back or panicked, and was sent here again: the worker had not
        // cleared the name yet, nor come to the second entry.
        let head = sent.iter().position(|s| s.live && !s.started);
        let named = sent.iter().position(|s| Some(s.id) == departure.running);
        let running = named.filter(|_| named == head);
        let live = sent.iter().enumerate().filter(|(_, s)| s.live);
        let (begun, ahead): (Vec<_>, Vec<_>) = live.partition(|&(at, s)| s.started || Some(at) == running);
        for (_, s) in ahead.iter().rev() {
            self.requeue(s.key);
        }
        let why = match life {
            Life::Ending { why, .. } => Some(why),
            Life::Ready | Life::Starting { .. } | Life::Down { .. } => None,
        };
        // A task that ends worker after worker is held back by its own limit. Beyond the first one its crashes are no
        // sign that something is wrong with the pool.
        let known = begun.iter().any(|(_, s)| {
            let policy = self.task(s.key).and_then(|t| t.policy.as_ref());
            policy.is_some_and(|p| p.crashes > 0)
        });
        // More than one only where answers were lost to a broken protocol.
        for (_, s) in &begun {
            self.charge(now, worker, s.key, ran_for, why, departure.limit);
        }
        if self.state >= State::Stopping {
            // Whatever came back to the queue will not start any more.
            let ending = self.broken.clone().map_or(Ending::Cancelled, Ending::Broken);
            self.end_what_has_not_started(&ending, recall);
        }
        if !self.config.replaces {
            self.workers[worker].life = Life::Down { start_at: None };
            if !matches!(why, Some(Why::Leaving | Why::Terminated)) {
                self.break_pool(departure.reason.clone(), recall);
            }
            return begun.last().map(|(_, s)| s.key);
        }
        let deliberate = matches!(
            why,
            Some(Why::Leaving | Why::Killed | Why::TimedOut | Why::Terminated)
        );
        // A limit is there to be reached, by a task that is charged with it.
        let within_limits = !departure.limit || begun.is_empty();
        if !deliberate && within_limits {
            let blamed = match (begun.is_empty(), known) {
                (true, _) => Blamed::Nobody,
                (false, false) => Blamed::Task,
                (false, true) => Blamed::KnownTask,
            };
            self.count_crash(now, worker, was_ready, blamed, departure, recall);
        }
        begun.last().map(|(_, s)| s.key)
    }

    fn charge(
        &mut self,
        now: Instant,
        worker: usize,
        key: Key,
        ran_for: Duration,
        why: Option<Why>,
        limit: bool,
    ) {
        let attempt = self.task(key).map_or(1, |t| t.attempt);
        let ran = Ran {
            worker,
            attempt,
            ran_for,
        };
        let (cause, ending) = match why {
            Some(Why::TimedOut) => (Some(Cause::TimedOut), Ending::TimedOut(ran)),
            Some(Why::Killed | Why::Terminated) => (None, Ending::Killed(ran)),
            Some(Why::Fault) | None if limit => (Some(Cause::LimitExceeded), Ending::LimitExceeded(ran)),
            Some(Why::Fault | Why::Leaving) | None => (Some(Cause::Crashed), Ending::Crashed(ran)),
        };
        if cause.is_some_and(|cause| self.tries_again(now, key, cause)) {
            self.actions.push(Action::Again { key, ending });
        } else {
            self.complete(key, ending);
        }
    }

    fn count_crash(
        &mut self,
        now: Instant,
        worker: usize,
        was_ready: bool,
        blamed: Blamed,
        departure: &Departure,
        recall: &mut dyn Recall,
    ) {
        if !was_ready {
            self.failed_starts += 1;
            self.workers[worker].goes_down(now.checked_add(pause_after(self.failed_starts)));
            if self.failed_starts >= FAILED_STARTS {
                let text = format!(
                    "{FAILED_STARTS} workers in a row did not become ready: {}",
                    departure.reason
                );
                self.break_pool(text, recall);
            }
            return;
        }
        if blamed == Blamed::Nobody {
            self.idle_deaths += 1;
            if self.idle_deaths >= IDLE_DEATHS {
                let text = format!(
                    "{IDLE_DEATHS} workers in a row died without a task: {}",
                    departure.reason
                );
                self.break_pool(text, recall);
            }
        }
        if let Some((most, period)) = self.config.restart_limit
            && blamed != Blamed::KnownTask
        {
            self.crashes.push_back(now);
            while self
                .crashes
                .front()
                .is_some_and(|&at| now.saturating_duration_since(at) > period)
            {
                self.crashes.pop_front();
            }
            if self.crashes.len() > most {
                let text = format!(
                    "{} workers crashed within {period:?}, more than the restart limit of {most}; the last one: {}",
                    self.crashes.len(),
                    departure.reason
                );
                self.break_pool(text, recall);
            }
        }
    }

    /// The worker was to get a process together with others, and the start of one of them has failed, which is charged
    /// for all: it is tried again when that one is.
    pub(crate) fn postpone(&mut self, now: Instant, worker: usize) {
        let w = &mut self.workers[worker];
        w.postponed = true;
        w.goes_down(now.checked_add(pause_after(self.failed_starts + 1)));
    }

    /// The kernel refused to start a process; it is tried again later. Only a pool without any worker gives up.
    pub(crate) fn start_refused(
        &mut self,
        now: Instant,
        worker: usize,
        reason: &str,
        recall: &mut dyn Recall,
    ) {
        let w = &mut self.workers[worker];
        // Counted by slot: all slots of a large pool may be refused in one bad moment. And apart from failed starts:
        // a short supply of processes says nothing about whether a worker can become ready.
        w.refused_starts += 1;
        let pause = Duration::from_millis(50) * (1 << w.refused_starts.min(6));
        w.goes_down(now.checked_add(pause));
        let mut wanted = self.workers.iter().filter(|w| w.stays || !w.is_gone());
        if wanted.all(|w| w.is_gone() && w.refused_starts >= REFUSED_STARTS) {
            self.break_pool(format!("no worker could be started: {reason}"), recall);
        }
    }
}
