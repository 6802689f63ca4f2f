//! What a run has come to: the fold of its events, and of nothing else, so that progress, summary and a record
//! read back later tell the same story.
//!
//! Pure, and bounded: memory grows with what runs and with the failures, of which at most [`FAILURES`] are kept
//! in detail; the counts are always exact.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Counts, Ended, Event, Kind, Outcome, Since, Who};
use crate::text::Text;

/// How many failures are kept in detail.
pub const FAILURES: usize = 10_000;
/// How many different culprits of blocked instances are kept.
const CULPRITS: usize = 1_000;
/// How many different causes of failures are kept.
const CAUSES: usize = 100;
/// How many of the slowest instances are kept.
const SLOWEST: usize = 5;

/// The fold of a run's events.
#[derive(Debug, Default)]
pub struct RunState {
    run: String,
    job: String,
    began: Option<Timestamp>,
    latest: Option<Timestamp>,
    over: bool,
    counts: Counts,
    since: Since,
    flaky: u64,
    slowest: Vec<(Text, Duration)>,
    tasks: HashMap<String, Tally>,
    /// Tasks whose source is still being read.
    open: usize,
    /// By order of start.
    running: BTreeMap<u64, Running>,
    places: HashMap<String, u64>,
    starts: u64,
    failures: Vec<Failure>,
    causes: Vec<(String, u64)>,
    blocked_by: Vec<(Text, u64)>,
    cost: Cost,
    signal: Option<i32>,
    broken: Option<String>,
    halted: Option<String>,
}

/// A task's instances.
#[derive(Debug)]
struct Tally {
    total: Option<u64>,
    /// Those that have been heard of.
    seen: u64,
}

impl Tally {
    fn planned(&self) -> u64 {
        self.total.unwrap_or(self.seen)
    }
}

/// An attempt that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Which instance.
    pub who: Who,
    /// From 1.
    pub attempt: u32,
    /// Since when.
    pub since: Timestamp,
    /// The command's process id.
    pub pid: Option<u32>,
}

/// An instance that failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which instance.
    pub who: Who,
    /// How many attempts it had.
    pub attempts: u32,
    /// In a word.
    pub outcome: Outcome,
    /// In a line: `exit 3`, `timed out after 30s`, `signal 9 (KILL)`.
    pub why: String,
    /// The end of its standard error.
    pub tail: Text,
    /// How long the last attempt took.
    pub wall: Duration,
}

impl Failure {
    /// What it has in common with others: why it failed, without the numbers that are its own.
    pub fn cause(&self) -> &str {
        match self.outcome {
            Outcome::Memory => "too much memory",
            _ => &self.why,
        }
    }
}

/// What all attempts cost together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The sum of the attempts' wall times.
    pub wall: Duration,
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// The largest resident set of any process, in bytes.
    pub peak_rss: u64,
}

impl RunState {
    /// The state before the first event.
    pub fn new() -> RunState {
        RunState::default()
    }

    /// Takes the next event in.
    pub fn apply(&mut self, event: &Event) {
        self.latest = Some(event.at);
        match &event.kind {
            Kind::RunStarted {
                run, job, resumed, ..
            } => {
                if *resumed {
                    *self = RunState {
                        latest: self.latest,
                        ..RunState::new()
                    };
                }
                self.run.clone_from(run);
                self.job.clone_from(job);
                self.began = Some(event.at);
            }
            Kind::Planned { task, total } => self.plan(task, *total),
            Kind::Kept { task, count, since } => {
                self.since.add(*since);
                if *count > 0 {
                    self.see(task, *count);
                }
                self.counts.kept += count;
                self.counts.succeeded += count;
            }
            Kind::Started {
                who, attempt, pid, ..
            } => {
                if *attempt == 1 {
                    self.see(&who.task, 1);
                }
                let running = Running {
                    who: who.clone(),
                    attempt: *attempt,
                    since: event.at,
                    pid: *pid,
                };
                self.places.insert(who.id.clone(), self.starts);
                self.running.insert(self.starts, running);
                self.starts += 1;
                self.counts.running = self.running.len() as u64;
            }
            Kind::Finished { who, attempt, end } => self.finish(who, *attempt, end),
            Kind::Retried { .. } => self.counts.retried += 1,
            Kind::Blocked { who, by } => {
                self.see(&who.task, 1);
                self.counts.blocked += 1;
                // The latest culprit first: blocked instances are told culprit by culprit.
                if let Some(at) = self.blocked_by.iter().rposition(|(culprit, _)| culprit == by) {
                    self.blocked_by[at].1 += 1;
                } else if self.blocked_by.len() < CULPRITS {
                    self.blocked_by.push((by.clone(), 1));
                }
            }
            Kind::Signal { signal, .. } => self.signal = self.signal.or(Some(*signal)),
            Kind::RunFinished { broken, halted, .. } => {
                self.over = true;
                self.broken.clone_from(broken);
                self.halted.clone_from(halted);
            }
        }
    }

    fn plan(&mut self, task: &str, total: Option<u64>) {
        let tally = self.tasks.entry(task.to_owned()).or_insert_with(|| {
            self.open += 1;
            Tally { total: None, seen: 0 }
        });
        let before = tally.planned();
        if tally.total.is_none() && total.is_some() {
            self.open -= 1;
        }
        tally.total = total.or(tally.total);
        self.counts.planned = self.counts.planned - before + tally.planned();
    }

    fn see(&mut self, task: &str, count: u64) {
        if !self.tasks.contains_key(task) {
            self.plan(task, None);
        }
        if let Some(tally) = self.tasks.get_mut(task) {
            let before = tally.planned();
            tally.seen += count;
            self.counts.planned = self.counts.planned - before + tally.planned();
        }
    }

    fn finish(&mut self, who: &Who, attempt: u32, end: &Ended) {
        match self.places.remove(&who.id) {
            Some(place) => {
                self.running.remove(&place);
                self.counts.running = self.running.len() as u64;
            }
            // It was never started.
            None if end.outcome == Outcome::UpToDate => self.see(&who.task, 1),
            None => {}
        }
        self.cost.wall += end.wall;
        self.cost.user += end.user;
        self.cost.system += end.system;
        self.cost.peak_rss = self.cost.peak_rss.max(end.peak_rss);
        self.counts.leaky += u64::from(end.leaky);
        match end.outcome {
            Outcome::Success | Outcome::UpToDate => {
                self.counts.succeeded += 1;
                self.counts.up_to_date += u64::from(end.outcome == Outcome::UpToDate);
                self.flaky += u64::from(attempt > 1);
                self.rank(&who.label, end.wall);
            }
            Outcome::Killed => self.counts.killed += 1,
            Outcome::Failed | Outcome::Timeout | Outcome::Memory if end.retry => {}
            Outcome::Failed | Outcome::Timeout | Outcome::Memory => {
                self.counts.failed += 1;
                let failure = Failure {
                    who: who.clone(),
                    attempts: attempt,
                    outcome: end.outcome,
                    why: end.why.clone().unwrap_or_default(),
                    tail: end.tail.clone(),
                    wall: end.wall,
                };
                let cause = failure.cause();
                if let Some(known) = self.causes.iter_mut().find(|(known, _)| known == cause) {
                    known.1 += 1;
                } else if self.causes.len() < CAUSES {
                    self.causes.push((cause.to_owned(), 1));
                }
                if self.failures.len() < FAILURES {
                    self.failures.push(failure);
                }
            }
        }
    }

    /// Keeps it if it is one of the slowest.
    fn rank(&mut self, label: &Text, wall: Duration) {
        let place = self.slowest.partition_point(|(_, other)| *other >= wall);
        if place < SLOWEST {
            self.slowest.truncate(SLOWEST - 1);
            self.slowest.insert(place, (label.clone(), wall));
        }
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The job's name.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// How many instances came to what.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// No more instances will become known: `planned` is final.
    pub fn planned_complete(&self) -> bool {
        self.open == 0
    }

    /// How the instances compare with those of the record that the run takes up.
    pub fn since(&self) -> Since {
        self.since
    }

    /// Succeeded, but not at the first attempt.
    pub fn flaky(&self) -> u64 {
        self.flaky
    }

    /// The instances that took longest to succeed, the slowest first, with the time of the attempt that did; a few.
    pub fn slowest(&self) -> &[(Text, Duration)] {
        &self.slowest
    }

    /// What runs, longest first.
    pub fn running(&self) -> impl Iterator<Item = &Running> {
        self.running.values()
    }

    /// What failed for good, in the order in which it did; the first [`FAILURES`] of them.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// How many failures there are beyond those in [`failures`](RunState::failures).
    pub fn more_failures(&self) -> u64 {
        self.counts.failed - self.failures.len() as u64
    }

    /// The causes of failures and how many have each, in the order in which they came up; bounded.
    pub fn causes(&self) -> &[(String, u64)] {
        &self.causes
    }

    /// Tasks that turned out to have no instance, in the order of their names.
    pub fn without_instances(&self) -> Vec<&str> {
        let empty = self.tasks.iter().filter(|(_, tally)| tally.total == Some(0));
        let mut names: Vec<&str> = empty.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The labels of what failed and kept others from running, with how many; bounded.
    pub fn blocked_by(&self) -> &[(Text, u64)] {
        &self.blocked_by
    }

    /// What all attempts that ended cost together.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// When the run began.
    pub fn began(&self) -> Option<Timestamp> {
        self.began
    }

    /// From the first event to the latest.
    pub fn elapsed(&self) -> Duration {
        match (self.began, self.latest) {
            // The clock of the stamps can be set back; no time has passed then.
            (Some(began), Some(latest)) => {
                Duration::try_from(latest.duration_since(began)).unwrap_or_default()
            }
            _ => Duration::ZERO,
        }
    }

    /// The last event was told.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The signal that the run was asked to stop with.
    pub fn signal(&self) -> Option<i32> {
        self.signal
    }

    /// The policy that ended the run early.
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// Why the run ended early, if the pool broke.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }
}
