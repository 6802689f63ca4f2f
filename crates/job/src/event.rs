//! What happens in a run, as values, and their form as lines of JSON: the one source of progress, summary and
//! record. `docs/events.md` is the contract; the goldens in `tests/event_lines.rs` hold this file to it.
//!
//! An event is a fact: it is told once, in order, and never changed. Nothing here does I/O.

pub(crate) mod line;
mod object;
mod parse;

use std::fmt;
use std::time::Duration;

use jiff::{Timestamp, Unit};

use crate::key::Key;
use crate::limits::MemoryBy;
use crate::text::Text;

/// The version of the form. A reader refuses a newer one and ignores keys that it does not know.
pub const VERSION: u64 = 1;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// From 0, by one.
    pub seq: u64,
    /// When, to the millisecond.
    pub at: Timestamp,
    /// The same for all events of one start of a run, and another one for each start: lines that a crash has left behind
    /// from something else are known by it.
    pub salt: Option<u32>,
    /// What.
    pub kind: Kind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The run began; the first event. In a record that was resumed it comes again, and counts start anew there.
    RunStarted {
        /// The run's id.
        run: String,
        /// The job's name.
        job: String,
        /// The job's directory.
        dir: Text,
        /// How many instances run at once.
        jobs: u64,
        /// The process id of this pexec.
        pid: u32,
        /// The version of this pexec.
        version: String,
        /// It takes up a run whose events stand before this one.
        resumed: bool,
    },
    /// A task has this many instances. Told for every task at the start; again, with the number, for one whose
    /// source was still being read then.
    Planned {
        /// The task's name.
        task: String,
        /// `None`: its source is still being read.
        total: Option<u64>,
    },
    /// So many more instances of a task have a success in this record and are not run again.
    Kept {
        /// The task's name.
        task: String,
        /// How many; what is told of a task adds up.
        count: u64,
        /// How the others compare with the record; told once, when all of them are known.
        since: Since,
    },
    /// An attempt of an instance began.
    Started {
        /// Which.
        who: Who,
        /// From 1.
        attempt: u32,
        /// The command's process id; `None`: it could not be started, or its worker died before it could tell.
        pid: Option<u32>,
        /// The place of its worker in the pool, from 0.
        worker: Option<u64>,
    },
    /// An attempt ended; it had been `started`.
    Finished {
        /// Which.
        who: Who,
        /// From 1.
        attempt: u32,
        /// How, and what it cost.
        end: Box<Ended>,
    },
    /// An instance is about to be tried again. Follows the `finished` with `retry`.
    Retried {
        /// Which.
        who: Who,
        /// The attempt to come.
        attempt: u32,
    },
    /// An instance will not run, because what its task needs did not succeed.
    Blocked {
        /// Which. One whose source was not even read stands for the whole task.
        who: Who,
        /// The label of what failed.
        by: Text,
    },
    /// The run was asked to stop by a signal.
    Signal {
        /// Its number.
        signal: i32,
        /// It was the second one: running commands are killed at once.
        again: bool,
    },
    /// The run is over; the last event.
    RunFinished {
        /// What became of the instances.
        counts: Counts,
        /// The signal that stopped it.
        signal: Option<i32>,
        /// Why it ended early, if not by a signal: the pool broke.
        broken: Option<String>,
        /// The policy that ended it early.
        halted: Option<String>,
    },
}

/// How the instances of a run compare with those of the record that it takes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// The record has heard of one with the same label and item, which did something else.
    pub changed: u64,
    /// The job did not have them.
    pub new: u64,
    /// The record has heard of them, and the job has them no more.
    pub gone: u64,
}

impl Since {
    /// Nothing is other than it was.
    pub fn is_nothing(&self) -> bool {
        *self == Since::default()
    }

    /// With those of another task.
    pub fn add(&mut self, other: Since) {
        self.changed += other.changed;
        self.new += other.new;
        self.gone += other.gone;
    }
}

/// An instance's names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Who {
    /// `task/index`: unique in the run.
    pub id: String,
    /// The task's name.
    pub task: String,
    /// Its place in the task's source, from 0.
    pub index: u64,
    /// What people call it.
    pub label: Text,
    /// Its item, where the task has a source.
    pub item: Option<Text>,
    /// What it is, in every run the same; `None`: it stands for a whole task.
    pub key: Option<Key>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// In a word.
    pub outcome: Outcome,
    /// The command's exit code, 126 and 127 for one that could not be started included.
    pub exit: Option<i32>,
    /// The signal that ended the command.
    pub signal: Option<i32>,
    /// In a line, for everything but a success: `exit 3`, `timed out after 30s`.
    pub why: Option<String>,
    /// Another attempt follows: this failure is not the instance's last word.
    pub retry: bool,
    /// A descendant kept the output open and was ended.
    pub leaky: bool,
    /// From start to end.
    pub wall: Duration,
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// The largest resident set of one of its processes, in bytes.
    pub peak_rss: u64,
    /// How many bytes of standard output were captured.
    pub stdout: u64,
    /// How many bytes of standard error were captured.
    pub stderr: u64,
    /// The end of the standard error of a failure, 4 KiB at most.
    pub tail: Text,
    /// Where in the record's output its standard output lies, directly followed by its standard error; `None`: none
    /// was recorded.
    pub output_at: Option<u64>,
    /// How its limit on memory was kept, where it has one.
    pub memory_by: Option<MemoryBy>,
    /// The most memory that all of its processes held together, in bytes, where its cgroup tells.
    pub memory_peak: Option<u64>,
    /// What its inputs and outputs held at a success: a digest in hexadecimal digits.
    pub content: Option<String>,
}

/// An attempt's end in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// An exit code that counts as success.
    Success,
    /// Any other exit or signal, a command that could not be started, a crashed worker, output that was lost.
    Failed,
    /// It ran longer than its timeout.
    Timeout,
    /// It exceeded its memory limit.
    Memory,
    /// It was ended because the run was asked to stop.
    Killed,
    /// It had nothing to do.
    UpToDate,
}

/// How many instances came to what. `planned` is the sum of `succeeded`, `failed`, `killed`, `blocked`, and those
/// that run or did not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Known so far.
    pub planned: u64,
    /// Started and not ended.
    pub running: u64,
    /// Up to date and kept ones included.
    pub succeeded: u64,
    /// Not run because nothing has changed since their last success.
    pub up_to_date: u64,
    /// Not run because their success stands in the record of the run that was resumed.
    pub kept: u64,
    /// After their last attempt; time-outs and exceeded memory included.
    pub failed: u64,
    /// Ended because the run was asked to stop.
    pub killed: u64,
    /// Not run because of what failed before them.
    pub blocked: u64,
    /// Extra attempts.
    pub retried: u64,
    /// Attempts whose descendants had to be ended.
    pub leaky: u64,
}

impl Ended {
    /// An end of which nothing else is known, and that cost nothing.
    pub fn new(outcome: Outcome) -> Ended {
        Ended {
            outcome,
            exit: None,
            signal: None,
            why: None,
            retry: false,
            leaky: false,
            wall: Duration::ZERO,
            user: Duration::ZERO,
            system: Duration::ZERO,
            peak_rss: 0,
            stdout: 0,
            stderr: 0,
            tail: Text::default(),
            output_at: None,
            memory_by: None,
            memory_peak: None,
            content: None,
        }
    }
}

impl Counts {
    /// Those that have come to an end.
    pub fn done(&self) -> u64 {
        self.succeeded + self.failed + self.killed + self.blocked
    }

    /// Those that never ran, once the run is over; before, those that wait.
    pub fn not_run(&self) -> u64 {
        self.planned.saturating_sub(self.done() + self.running)
    }
}

impl Event {
    /// An event at `at`. Times are cut to what the line's form holds, stamps to the millisecond and durations to the
    /// microsecond, so that an event and its line are worth the same to a fold.
    pub fn new(seq: u64, at: Timestamp, mut kind: Kind) -> Event {
        if let Kind::Finished { end, .. } = &mut kind {
            for d in [&mut end.wall, &mut end.user, &mut end.system] {
                *d -= Duration::from_nanos(u64::from(d.subsec_nanos() % 1000));
            }
        }
        let cut = jiff::TimestampRound::new()
            .smallest(Unit::Millisecond)
            .mode(jiff::RoundMode::Trunc);
        Event {
            seq,
            at: at.round(cut).unwrap_or(at),
            salt: None,
            kind,
        }
    }

    /// The event with this salt.
    pub fn salted(self, salt: Option<u32>) -> Event {
        Event { salt, ..self }
    }

    /// The event as one line of JSON, without the line's end.
    pub fn to_line(&self) -> String {
        line::write(self)
    }

    /// The line is as it was written, as far as its checksum can tell.
    pub fn is_whole(line: &str) -> bool {
        parse::check(line).is_ok()
    }

    /// Reads what [`to_line`](Event::to_line) wrote, in this version or an older one.
    ///
    /// # Errors
    ///
    /// A damaged line, one of a newer version, or one that misses what its type must have.
    pub fn parse(line: &str) -> Result<Event, ParseError> {
        parse::parse(line)
    }
}

/// Why a line is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// It is not what was written: the checksum is missing or wrong, or it is no JSON object.
    Damaged(String),
    /// It was written by a newer pexec, in this version of the form.
    Newer(u64),
    /// Its checksum is right, but it does not hold what its type must.
    Malformed(String),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Damaged(how) => write!(f, "damaged event: {how}"),
            ParseError::Newer(v) => write!(
                f,
                "event of version {v}, which this pexec cannot read (it knows {VERSION}): use a newer pexec"
            ),
            ParseError::Malformed(how) => write!(f, "malformed event: {how}"),
        }
    }
}

impl std::error::Error for ParseError {}

impl Outcome {
    const ALL: [(Outcome, &'static str); 6] = [
        (Outcome::Success, "success"),
        (Outcome::Failed, "failed"),
        (Outcome::Timeout, "timeout"),
        (Outcome::Memory, "memory"),
        (Outcome::Killed, "killed"),
        (Outcome::UpToDate, "up_to_date"),
    ];

    /// The word in the event stream.
    pub fn as_str(self) -> &'static str {
        Outcome::ALL
            .iter()
            .find(|(outcome, _)| *outcome == self)
            .map_or("", |(_, name)| name)
    }

    /// The outcome of that word.
    pub fn from_name(name: &str) -> Option<Outcome> {
        Outcome::ALL
            .iter()
            .find(|(_, word)| *word == name)
            .map(|(outcome, _)| *outcome)
    }

    /// The instance needs nothing more.
    pub fn is_success(self) -> bool {
        matches!(self, Outcome::Success | Outcome::UpToDate)
    }
}
