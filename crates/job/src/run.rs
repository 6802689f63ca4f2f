//! Runs a plan on an executor: starts an instance when what its task needs has succeeded, tries failures again,
//! and tells every step to a [`Sink`] before acting on it.
//!
//! One thread, the caller's, owns all of a run's state; the executor's callbacks and the sources' threads only
//! put messages into its inbox. What always holds: at most a small multiple of `jobs` instances are in memory,
//! each planned instance ends in exactly one of succeeded, failed, killed, blocked or not run, and nothing that
//! the sink did not take was acted on.

mod clock;
mod conduct;
mod delayed;
mod feed;
mod flight;
mod follow;
mod glance;
mod inbox;
mod judge;
mod line;
mod pairs;
mod source;
mod stop;
mod tail;
mod tasks;
mod teller;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::event::Event;
use crate::exec::{Captured, Notes, Stream};
use crate::files::Successes;
use crate::plan::{Halt, Plan};
use crate::record::Past;
use crate::state::RunState;
use crate::text::Text;

pub use clock::RunClock;
pub(crate) use flight::who;
pub use glance::{Flying, Glance};
pub use inbox::Waker;
pub use stop::Stop;

/// How a run is to go.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many instances run at once: as many as the executor has workers. At most twice as many and two are
    /// submitted at any time.
    pub jobs: usize,
    /// Output lines are given to the sink as they come, too.
    pub stream: bool,
    /// Whatever the instances that the sink [follows](Sink::follows) write is given to it as it comes, too.
    pub follow: bool,
    /// How to learn from another thread what runs.
    pub glance: Glance,
    /// How to stop the run from another thread.
    pub stop: Stop,
    /// What the run waits by; who pauses the run stops it.
    pub clock: RunClock,
    /// The run's id, for its events.
    pub run_id: String,
    /// An existing directory for output that is larger than `inline_limit`. The run removes its files from it.
    pub spill_dir: PathBuf,
    /// How many bytes of each stream of an instance are kept in memory.
    pub inline_limit: u64,
    /// The number of the first event.
    pub first_seq: u64,
    /// What the record says that this run takes up again.
    pub past: Option<Past>,
    /// Where commands with a limit on memory get cgroups of their own: the path of a
    /// [`Base`](pexec_ipc::cgroup::Base), which outlives the run. Without it their memory is looked at again and again.
    pub cgroup: Option<PathBuf>,
    /// What earlier runs have made: an instance of which nothing has changed since is skipped.
    pub successes: Arc<Successes>,
}

impl Options {
    /// Grouped output, 256 KiB of each stream in memory, a fresh [`Stop`].
    pub fn new(jobs: usize, run_id: impl Into<String>, spill_dir: impl Into<PathBuf>) -> Options {
        Options {
            jobs,
            stream: false,
            follow: false,
            glance: Glance::default(),
            stop: Stop::new(),
            clock: RunClock::default(),
            run_id: run_id.into(),
            spill_dir: spill_dir.into(),
            inline_limit: 256 * 1024,
            first_seq: 0,
            past: None,
            cgroup: None,
            successes: Arc::default(),
        }
    }

    /// What an attempt is told beside its command.
    fn notes(&self, ready: &flight::Ready) -> Notes {
        ready.notes(self)
    }
}

/// Where a run tells what happens. All calls come on the thread that called [`run`].
pub trait Sink {
    /// Something happened. Called before the run acts on it: what this refuses has no consequences.
    ///
    /// # Errors
    ///
    /// Nothing more is started then, what runs is let finish, and no further event is told.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// An instance wrote something. For a [`Whole`](OutputKind::Whole), called before the `finished` event. A
    /// [spilled](Captured::Spilled) file is removed when this returns: rename it to keep it.
    ///
    /// # Errors
    ///
    /// Nothing more is started then, what runs is let finish, and no further output is given.
    fn output(&mut self, chunk: OutputChunk<'_>) -> io::Result<()>;

    /// Keeps for good what an attempt wrote, and tells where. Called before its `output` and its `finished`.
    ///
    /// # Errors
    ///
    /// As for [`event`](Sink::event).
    fn keep(&mut self, _stdout: &Captured, _stderr: &Captured) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// The run is about to act, or to wait: what was told is to be written by now.
    ///
    /// # Errors
    ///
    /// As for [`event`](Sink::event).
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// How far what was told and flushed is safe from a crash of the machine: every event with a smaller `seq`. What
    /// an outcome leads to waits for it, everything else goes on. `haste`: something that could start waits.
    ///
    /// # Errors
    ///
    /// As for [`event`](Sink::event).
    fn durable(&mut self, _haste: bool) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    /// Whom to wake when more has become safe. Called once, before anything else.
    fn wakes(&mut self, _waker: Waker) {}

    /// Whether what this instance writes is of interest before it has ended; asked only with [`Options::follow`]. By its
    /// [`place`](OutputChunk::place).
    fn follows(&self, _place: (usize, u64)) -> bool {
        false
    }

    /// What runs right now, longest first: somebody has asked, with [`Options::glance`].
    fn glance(&mut self, _running: &[Flying]) {}

    /// Called at least every 100 ms while `event` and `output` are not busy.
    fn idle(&mut self) {}
}

/// Something that an instance wrote.
#[derive(Clone, Copy, Debug)]
pub struct OutputChunk<'a> {
    /// What people call the instance.
    pub label: &'a Text,
    /// Its task.
    pub task: &'a str,
    /// Its place in the task's source, from 0.
    pub index: u64,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Its place in the plan: the task's position, then the index. The order of these is the order of the plan.
    pub place: (usize, u64),
    /// What it wrote.
    pub kind: OutputKind<'a>,
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub enum OutputKind<'a> {
    /// One line, as it comes; only where [`Options::stream`] asks for it.
    Line {
        /// Where to.
        stream: Stream,
        /// Without the line's end; a last line without one is none the less whole.
        line: &'a [u8],
        /// It begins here. A line of over 64 KiB comes in pieces; only the first one begins it.
        begins: bool,
        /// It ends here; only the last piece does.
        ends: bool,
    },
    /// Something of it, as it comes; only of instances that the sink follows. That of the first moments comes a little
    /// later, what came last only with the whole.
    Part {
        /// Where to.
        stream: Stream,
        /// What.
        bytes: &'a [u8],
    },
    /// All that an attempt wrote, at its end (what was given before included). A command
    /// whose worker died has none.
    Whole {
        /// Its standard output.
        stdout: &'a Captured,
        /// Its standard error.
        stderr: &'a Captured,
        /// Whether the attempt succeeded.
        succeeded: bool,
    },
}

/// A run that came to its end.
#[derive(Debug)]
pub struct Finished {
    /// What became of it.
    pub state: RunState,
    /// The signal that it was asked to stop with.
    pub signal: Option<i32>,
    /// The policy that was met.
    pub halted: Option<Halt>,
}

/// Why a run ended early. Nothing of it runs any more when this is returned.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The sink refused an event or output.
    Sink(io::Error),
    /// The pool broke or was shut down, with its reason.
    PoolBroken(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Sink(error) => write!(f, "what happened could not be written down: {error}"),
            Error::PoolBroken(reason) => write!(f, "the pool broke: {reason}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Sink(error) => Some(error),
            Error::PoolBroken(_) => None,
        }
    }
}

/// Runs `plan` on `executor` to its end and tells `sink` about it.
///
/// ```
/// use pexec_job::event::Event;
/// use pexec_job::plan::Plan;
/// use pexec_job::run::{Options, OutputChunk, Sink, run};
///
/// struct Lines;
/// impl Sink for Lines {
///     fn event(&mut self, event: &Event) -> std::io::Result<()> {
///         println!("{}", event.to_line());
///         Ok(())
///     }
///     fn output(&mut self, _: OutputChunk<'_>) -> std::io::Result<()> {
///         Ok(())
///     }
/// }
///
/// let plan = Plan::new("empty", "/", vec![]);
/// let options = Options::new(2, "example", std::env::temp_dir());
/// let finished = run(&pexec::Inline::new(), plan, options, &mut Lines).unwrap();
/// assert_eq!(finished.state.counts().planned, 0);
/// ```
///
/// # Errors
///
/// When the sink refused something or the pool broke. Failed instances are no error: they stand in the state.
pub fn run<E: pexec::Executor>(
    executor: &E,
    plan: Plan,
    options: Options,
    sink: &mut dyn Sink,
) -> Result<Finished, Error> {
    conduct::Conductor::new(executor, plan, options, sink).run()
}
