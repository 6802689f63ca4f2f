//! Everything that happens because an instant has come.

use std::time::{Duration, Instant};

use super::life::{Life, Why};
use super::queue::{Delayed, End};
use super::workers::{RESPONSE, Worker};
use super::{Action, Core, Recall, State};

/// A timer that is dealt with so long after its time is no sign of a slow worker: it is this process that did not run,
/// because it was stopped, or got no CPU. What the workers have done meanwhile is not read yet, and those that wait
/// for an answer of ours could not go on. So nobody is ended over it; they get their time once more.
const LATE: Duration = Duration::from_secs(1);

fn is_late(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) > LATE
}

impl Core {
    /// The earliest of the timers that came up since `arm` was called.
    pub(crate) fn new_timer(&self) -> Option<Instant> {
        self.new_timer
    }

    /// Somebody sleeps until then.
    pub(crate) fn arm(&mut self) -> Option<Instant> {
        self.new_timer = None;
        self.skip_started();
        self.next_timer()
    }

    /// The earliest instant at which `tick` has something to do.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        let starting = self.state < State::Stopping;
        // Whoever has nothing to do is to get some of what a busy one has, once that is known to be slow.
        let idle = starting && self.workers.iter().any(Worker::is_idle);
        let workers = self.workers.iter().filter_map(|w| match w.life {
            Life::Down { start_at } => start_at.filter(|_| starting),
            Life::Starting { handshake_until } => handshake_until,
            Life::Ready => {
                let spares = w.spares_from().filter(|_| idle);
                let leaves = self.leaves_at(w);
                [w.head_until, w.front_until, spares, leaves]
                    .into_iter()
                    .flatten()
                    .min()
            }
            Life::Ending { kill_at, .. } => kill_at,
        });
        let delayed = self.delayed.peek().map(|d| d.at);
        let start_by = self.start_by.peek().map(|entry| entry.0.0);
        let others = [delayed, start_by, self.grows_at(), self.weigh_at];
        workers.chain(others.into_iter().flatten()).min()
    }

    /// Whether a timer that somebody could be ended over may have come: everything that is there is to be read before
    /// `tick`.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.workers.iter().any(|w| {
            let at = match w.life {
                Life::Starting { handshake_until } => handshake_until,
                Life::Ready => [w.head_until, w.front_until].into_iter().flatten().min(),
                Life::Ending { .. } | Life::Down { .. } => None,
            };
            at.is_some_and(|at| at <= now)
        })
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant, recall: &mut dyn Recall) {
        while self.delayed.peek().is_some_and(|d| d.at <= now) {
            if let Some(Delayed { key, order, .. }) = self.delayed.pop()
                && self.is_delayed(key, order)
            {
                self.enqueue(key, End::Back);
            }
        }
        self.expire(now, recall);
        self.weigh_due_workers(now);
        for index in 0..self.workers.len() {
            self.check_response(now, index, recall);
            let worker = &self.workers[index];
            match worker.life {
                Life::Starting {
                    handshake_until: Some(at),
                } if at <= now => {
                    if is_late(at, now) {
                        let handshake_until = now.checked_add(self.config.handshake_limit);
                        self.workers[index].life = Life::Starting { handshake_until };
                    } else {
                        self.kill_worker(index, Why::Fault, now);
                    }
                }
                Life::Ready => match worker.head_until {
                    // What the task has answered may only not have been read to its end.
                    Some(at) if is_late(at, now) => self.workers[index].head_until = now.checked_add(LATE),
                    Some(at) if at <= now => self.time_out(now, index, recall),
                    Some(_) | None => {}
                },
                Life::Ending {
                    why,
                    kill_at: Some(at),
                } if at <= now => {
                    self.workers[index].life = Life::Ending { why, kill_at: None };
                    self.actions.push(Action::Kill { worker: index });
                }
                Life::Starting { .. } | Life::Ending { .. } | Life::Down { .. } => {}
            }
        }
    }

    /// The time of the task at the head is up, if it has started: the clock of a task that its worker has not come
    /// to begins again.
    fn time_out(&mut self, now: Instant, worker: usize, recall: &mut dyn Recall) {
        let w = &mut self.workers[worker];
        w.head_until = None;
        let Some(head) = w.head().copied() else { return };
        if recall.has_reached(worker, head.cell, head.id) {
            self.end_running(now, worker, head.key, Why::TimedOut, recall);
        } else {
            let timeout = self
                .task(head.key)
                .and_then(|t| t.policy.as_ref())
                .and_then(|p| p.timeout);
            self.workers[worker].head_until = timeout.and_then(|t| now.checked_add(t));
        }
    }

    /// Ends a worker that should have come to the task at its front by now and has not; what it was sent runs
    /// elsewhere.
    fn check_response(&mut self, now: Instant, worker: usize, recall: &mut dyn Recall) {
        let w = &mut self.workers[worker];
        let Some(at) = w.front_until.filter(|&at| at <= now && w.life == Life::Ready) else {
            return;
        };
        // Even one that has come to it is looked at again: its answer may be there without a word that it is.
        w.front_until = now.checked_add(RESPONSE);
        let Some(front) = w.sent.front().copied() else {
            w.front_until = None;
            return;
        };
        // One that has no replacement may be stopped and go on: nobody else could do what it was sent.
        let replaces = self.config.replaces && !is_late(at, now);
        if replaces && !recall.has_reached(worker, front.cell, front.id) {
            self.fault(now, worker, recall);
        }
    }
}
