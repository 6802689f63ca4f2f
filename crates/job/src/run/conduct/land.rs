//! An attempt's end: it is judged and told, and only then acted on.

use std::time::Duration;

use pexec::{Executor, TaskError};

use super::hold::Held;
use super::{Conductor, chunk};
use crate::event::{Ended, Kind, Outcome, Who};
use crate::exec::{self, Report};
use crate::plan::Cause;
use crate::run::OutputKind;
use crate::run::flight::Ready;
use crate::run::judge::{self, Verdict};
use crate::work::Work;

impl<E: Executor> Conductor<'_, E> {
    /// An attempt has come home.
    pub(super) fn land(&mut self, id: u64) {
        let Some(flight) = self.flights.remove(&id) else {
            return;
        };
        let expired = flight.expired;
        let (mut ready, result, started, tail) = flight.land();
        self.free(&mut ready);
        if expired && matches!(result, Err(TaskError::Cancelled)) {
            return self.tell_expired(ready);
        }
        let work = (ready.instance.work)(ready.attempt);
        let left = match &result {
            Ok(_) => None,
            Err(_) => exec::left_behind(&work, &self.notes(&ready)),
        };
        let mut verdict = judge::judge(&result, &work, self.stopped(), left.as_ref());
        if result.is_err()
            && let Some(used) = exec::excess(&work, &self.notes(&ready))
        {
            judge::exceeded(&mut verdict, used, &work);
        }
        match verdict {
            Verdict::Ended { mut ended, again } => {
                let who = ready.who.clone();
                if ended.wall.is_zero() && work.is_call() {
                    // A panic comes without a time.
                    ended.wall = started.map_or(Duration::ZERO, |began| self.options.clock.now() - began);
                }
                if started.is_none() && ended.outcome != Outcome::UpToDate {
                    // It was over before it was worth a word of its own.
                    let report = result.as_ref().ok();
                    let started = Kind::Started {
                        who: who.clone(),
                        attempt: ready.attempt,
                        pid: report.and_then(|report| report.pid),
                        worker: report.map(|report| report.worker.into()),
                    };
                    self.teller.event_before(started, ended.wall);
                }
                let written = match (&result, &left) {
                    (Ok(report), _) => Some((&report.stdout, &report.stderr)),
                    (Err(_), Some([stdout, stderr])) => Some((stdout, stderr)),
                    (Err(_), None) => None,
                };
                if let Some((stdout, stderr)) = written {
                    if self.secrets.is_empty() {
                        ended.output_at = self.teller.keep(stdout, stderr);
                    } else {
                        self.keep_hidden(stdout, stderr, &mut ended);
                    }
                    if let Some(tail) = tail {
                        tail.finish([stdout, stderr], &mut |kind| {
                            self.teller.output(chunk(&ready, &self.sources, kind));
                        });
                    }
                    let whole = OutputKind::Whole {
                        stdout,
                        stderr,
                        succeeded: ended.outcome.is_success(),
                    };
                    self.teller.output(chunk(&ready, &self.sources, whole));
                    stdout.discard();
                    stderr.discard();
                }
                self.discard(&result, &work, &ready);
                self.settle(ready, who, ended, again);
            }
            Verdict::NotRun => self.tasks.abandon(ready.task),
            Verdict::Broken(reason) => {
                self.discard(&result, &work, &ready);
                self.broken.get_or_insert(reason);
                self.tasks.abandon(ready.task);
            }
        }
    }

    /// Tidies up after a worker that may have died before it could.
    fn discard(&self, result: &Result<Report, TaskError>, work: &Work, ready: &Ready) {
        if result.is_err() {
            exec::discard(work, &self.notes(ready));
            if let Some(files) = &ready.instance.files {
                files.remove_changed(&ready.before);
            }
        }
    }

    /// Tells an end, which is acted on when it is safe.
    fn settle(&mut self, ready: Ready, who: Who, ended: Ended, again: Option<Cause>) {
        let outcome = ended.outcome;
        let rules = &self.sources[ready.task].retry;
        let retry = again.is_some_and(|cause| rules.again(ready.attempt, cause)) && self.goes_on();
        let pause = rules.pause(ready.attempt, self.seed ^ self.launched);
        let end = Box::new(Ended { retry, ..ended });
        let told = self.teller.event(Kind::Finished {
            who,
            attempt: ready.attempt,
            end,
        });
        if told {
            self.held.push_back(Held {
                told: self.teller.seq(),
                ready,
                outcome,
                again: retry.then(|| self.options.clock.now() + pause),
            });
        } else {
            self.tasks.abandon(ready.task);
        }
        self.heed_policy();
    }
}
