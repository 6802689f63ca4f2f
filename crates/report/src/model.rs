//! A run as the reports see it: what every instance came to, and every attempt with its place in time.
//!
//! Made by [`Fold`] from the events alone. A million instances are a few hundred bytes each: names and reasons are
//! kept once, the text of an attempt's output is never kept here.

mod clock;
mod fold;
mod lanes;
mod resumed;
mod shelf;
mod verdict;

use jiff::Timestamp;

pub use fold::Fold;
pub use shelf::Shelf;
pub use verdict::{Tone, Verdict};

use pexec_job::event::{Counts, Outcome};

/// Everything about a run, or a record of one that was resumed.
#[derive(Debug, Default)]
pub struct Report {
    /// The run's id.
    pub run: String,
    /// The job's name.
    pub job: String,
    /// The job's directory, as text.
    pub dir: String,
    /// How many instances ran at once, at the last start.
    pub jobs: u64,
    /// The version of pexec that ran it last.
    pub version: String,
    /// Each start of the run: the first one, and one for each time it was resumed.
    pub segments: Vec<Segment>,
    /// The tasks in the order of the plan.
    pub tasks: Vec<Task>,
    /// The instances that have been heard of, in the order in which they were.
    pub instances: Vec<Instance>,
    /// The attempts in the order of their start.
    pub attempts: Vec<Attempt>,
    /// How many lanes the attempts are in.
    pub lanes: u32,
    /// From the first event to the last, in microseconds, without the time between the segments.
    pub elapsed: u64,
    /// Labels, reasons and the ends of error output.
    pub text: Shelf,
    /// How many ends of error output were not kept, because there were too many.
    pub tails_dropped: u64,
}

/// One start of the run.
#[derive(Clone, Debug)]
pub struct Segment {
    /// When it began.
    pub began: Timestamp,
    /// When the last event of it was told.
    pub ended: Timestamp,
    /// When it began, in microseconds of running time.
    pub start: u64,
    /// How many instances were kept from earlier ones.
    pub kept: u64,
    /// The signals that it was asked to stop with, and when.
    pub signals: Vec<(u64, i32)>,
    /// How it ended; `None`: it did not say.
    pub end: Option<End>,
}

/// The last word of a segment.
#[derive(Clone, Debug)]
pub struct End {
    /// What became of the instances.
    pub counts: Counts,
    /// The signal that it was asked to stop with.
    pub signal: Option<i32>,
    /// The policy that ended it.
    pub halted: Option<String>,
    /// Why the pool broke.
    pub broken: Option<String>,
}

/// A task of the job.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// How many instances it has, if that became known.
    pub total: Option<u64>,
    /// How many of them were kept at the last start, and how many were heard of since then.
    kept: u64,
    heard: u64,
}

/// An instance that was started, or will not be.
#[derive(Clone, Copy, Debug)]
pub struct Instance {
    /// Which task.
    pub task: u32,
    /// Its place in the task's source.
    pub index: u64,
    /// What people call it.
    pub label: Line,
    /// What it came to.
    pub state: State,
    /// Its last attempt, a place in [`Report::attempts`].
    pub last: Option<u32>,
    /// How many attempts it had, over all segments.
    pub attempts: u32,
    /// The label of what failed before it.
    pub by: Line,
    key: u128,
    segment: u16,
}

/// An attempt of an instance.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Which instance.
    pub instance: u32,
    /// The one before, of the same instance.
    pub previous: Option<u32>,
    /// From 1, counted anew in every segment.
    pub number: u32,
    /// Which start of the run it belongs to.
    pub segment: u16,
    /// The worker's lane; `None` for one that was up to date and ran nowhere.
    pub lane: Option<u32>,
    /// When it began, in microseconds of running time. In a lane none begins before the one before it ended.
    pub start: u64,
    /// How long it took, in microseconds.
    pub wall: u64,
    /// CPU time in user mode, in microseconds.
    pub user: u64,
    /// CPU time in the kernel, in microseconds.
    pub system: u64,
    /// The largest resident set of one of its processes, in bytes.
    pub peak_rss: u64,
    /// How many bytes of standard output were captured.
    pub stdout: u64,
    /// How many bytes of standard error were captured.
    pub stderr: u64,
    /// Where they lie.
    pub output_at: Option<u64>,
    /// How it ended.
    pub state: State,
    /// Another attempt was to follow.
    pub retry: bool,
    /// A descendant had to be ended.
    pub leaky: bool,
    /// The exit code.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why, in a line.
    pub why: Line,
    /// The end of its standard error, where the event told it.
    pub tail: Line,
}

/// A text that a [`Shelf`] keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line(u32);

/// What an instance or an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It succeeded.
    Success,
    /// It had nothing to do.
    UpToDate,
    /// It failed.
    Failed,
    /// It ran too long.
    Timeout,
    /// It used too much memory.
    Memory,
    /// It was ended with the run.
    Killed,
    /// It was not run, because of what failed before it.
    Blocked,
    /// It began, or was to be tried again, and no more is known.
    Unfinished,
}

impl Instance {
    /// What it is, as events tell it; 0: they do not.
    pub fn key(&self) -> u128 {
        self.key
    }
}

impl State {
    /// All of them, in the order in which reports show them.
    pub const ALL: [State; 8] = [
        State::Success,
        State::UpToDate,
        State::Failed,
        State::Timeout,
        State::Memory,
        State::Killed,
        State::Blocked,
        State::Unfinished,
    ];

    /// It needs nothing more.
    pub fn is_success(self) -> bool {
        matches!(self, State::Success | State::UpToDate)
    }

    /// It failed by its own doing.
    pub fn is_failure(self) -> bool {
        matches!(self, State::Failed | State::Timeout | State::Memory)
    }

    /// A word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Success => "success",
            State::UpToDate => "up_to_date",
            State::Failed => "failed",
            State::Timeout => "timeout",
            State::Memory => "memory",
            State::Killed => "killed",
            State::Blocked => "blocked",
            State::Unfinished => "unfinished",
        }
    }
}

impl From<Outcome> for State {
    fn from(outcome: Outcome) -> State {
        match outcome {
            Outcome::Success => State::Success,
            Outcome::UpToDate => State::UpToDate,
            Outcome::Failed => State::Failed,
            Outcome::Timeout => State::Timeout,
            Outcome::Memory => State::Memory,
            Outcome::Killed => State::Killed,
        }
    }
}

impl Report {
    /// How many instances are in this state.
    pub fn count(&self, state: State) -> u64 {
        self.instances.iter().filter(|i| i.state == state).count() as u64
    }

    /// How many instances the job has, as far as is known.
    pub fn planned(&self) -> u64 {
        let told = self
            .segments
            .last()
            .and_then(|s| s.end.as_ref())
            .map(|end| end.counts.planned);
        let heard = self.instances.len() as u64;
        told.unwrap_or_else(|| self.tasks.iter().filter_map(|task| task.total).sum())
            .max(heard)
    }

    /// How many instances came to nothing: they never began, or began and were not heard of again.
    pub fn not_run(&self) -> u64 {
        self.planned()
            - self
                .instances
                .iter()
                .filter(|i| i.state != State::Unfinished)
                .count() as u64
    }

    /// How many instances of a task were not heard of at all at the last start, as far as their number is known.
    pub fn unheard(&self, task: &Task) -> u64 {
        let total = task.total.unwrap_or(0);
        total.saturating_sub(task.kept + task.heard)
    }

    /// When the run began first.
    pub fn began(&self) -> Option<Timestamp> {
        self.segments.first().map(|segment| segment.began)
    }

    /// When something in running time was, by the wall clock.
    pub fn wall_clock(&self, at: u64) -> Option<Timestamp> {
        let place = self
            .segments
            .partition_point(|segment| segment.start <= at)
            .checked_sub(1)?;
        let segment = &self.segments[place];
        let since = i64::try_from(at - segment.start).ok()?;
        segment
            .began
            .checked_add(jiff::SignedDuration::from_micros(since))
            .ok()
    }

    /// The attempts of an instance, the first one first.
    pub fn attempts_of(&self, instance: &Instance) -> Vec<u32> {
        let mut found = Vec::with_capacity(instance.attempts as usize);
        let mut next = instance.last;
        while let Some(at) = next {
            found.push(at);
            next = self.attempts[at as usize].previous;
        }
        found.reverse();
        found
    }

    /// The name of an instance's task.
    pub fn task_of(&self, instance: &Instance) -> &str {
        self.tasks
            .get(instance.task as usize)
            .map_or("", |task| &task.name)
    }
}
