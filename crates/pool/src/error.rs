//! How a task can end badly, and how a pool can fail to start.
//!
//! Every variant answers one question first: may the task have had effects? See [`TaskError::execution`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::autopsy::{Autopsy, Panic};

/// Why a task has no result.
///
/// ```
/// use pexec::{Execution, TaskError, TaskErrorKind};
/// let error = TaskError::Cancelled;
/// assert_eq!(error.kind(), TaskErrorKind::Cancelled);
/// assert_eq!(error.execution(), Execution::NotStarted); // safe to submit again
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TaskError {
    /// The function panicked; its worker lives on.
    Panicked(Panic),
    /// The worker process ended while it ran the task: a signal, `abort`, `exit` with any code.
    Crashed(Autopsy),
    /// The task ran longer than its timeout and was ended.
    TimedOut(Autopsy),
    /// The task exceeded an enforced resource limit and was ended.
    LimitExceeded(Autopsy),
    /// [`TaskFuture::kill`](crate::TaskFuture::kill) or `terminate` ended the running task.
    Killed(Autopsy),
    /// The task was cancelled before it started. One that is cancelled between two attempts ends as its last attempt
    /// did.
    Cancelled,
    /// A deadline passed before the task started, or before its result was needed.
    Expired(Deadline),
    /// The argument or the result (the text begins with which) could not be serialised.
    Encode(String),
    /// The argument or the result (the text begins with which) could not be deserialised.
    Decode(String),
    /// The argument or the result is larger than the pool's `max_message`.
    TooLarge {
        /// Its size in bytes, to within one: an even number for an argument, odd for a result, which is how
        /// [`TaskError::execution`] tells the two apart.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The pool was shut down before the task was submitted.
    PoolClosed,
    /// The pool gave up, with the reason.
    PoolBroken(String),
    /// The [`Actor`](crate::Actor)'s process had ended before the call started. The autopsy is that end's.
    Died(Autopsy),
    /// An earlier call of the [`Actor`](crate::Actor) panicked and may have left its state half-changed: which one.
    Poisoned(String),
    /// A remote engine's refusal or failure.
    Remote(String),
}

/// Which deadline passed; see [`TaskError::Expired`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Deadline {
    /// The task waited in the queue longer than its `queue_timeout`.
    Queue,
    /// The deadline of the call (a map, an `as_completed`) passed.
    Call,
}

/// The names of [`TaskError`]'s variants, without what they carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskErrorKind {
    /// See [`TaskError::Panicked`].
    Panicked,
    /// See [`TaskError::Crashed`].
    Crashed,
    /// See [`TaskError::TimedOut`].
    TimedOut,
    /// See [`TaskError::LimitExceeded`].
    LimitExceeded,
    /// See [`TaskError::Killed`].
    Killed,
    /// See [`TaskError::Cancelled`].
    Cancelled,
    /// See [`TaskError::Expired`].
    Expired,
    /// See [`TaskError::Encode`].
    Encode,
    /// See [`TaskError::Decode`].
    Decode,
    /// See [`TaskError::TooLarge`].
    TooLarge,
    /// See [`TaskError::PoolClosed`].
    PoolClosed,
    /// See [`TaskError::PoolBroken`].
    PoolBroken,
    /// See [`TaskError::Died`].
    Died,
    /// See [`TaskError::Poisoned`].
    Poisoned,
    /// See [`TaskError::Remote`].
    Remote,
}

/// Whether a failed task's function may have had effects: what a caller must know before trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Execution {
    /// It never started.
    NotStarted,
    /// It started; how far it got is not known.
    MayHaveRun,
    /// It ran to its end (or to its panic).
    Ran,
}

/// Which of a task's two payloads an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Argument,
    Result,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Side::Argument => "argument",
            Side::Result => "result",
        }
    }

    fn of(text: &str) -> Side {
        if text.starts_with(Side::Result.word()) {
            Side::Result
        } else {
            Side::Argument
        }
    }
}

impl TaskError {
    pub(crate) fn encode(side: Side, type_name: &str, why: impl fmt::Display) -> TaskError {
        TaskError::Encode(format!("{} of type `{type_name}`: {why}", side.word()))
    }

    pub(crate) fn decode(side: Side, type_name: &str, why: impl fmt::Display) -> TaskError {
        TaskError::Decode(format!("{} of type `{type_name}`: {why}", side.word()))
    }

    pub(crate) fn too_large(side: Side, size: u64, limit: u64) -> TaskError {
        let size = match side {
            Side::Argument => size.next_multiple_of(2),
            Side::Result => size | 1,
        };
        TaskError::TooLarge { size, limit }
    }

    /// The variant's name as a value that can be compared, hashed and counted.
    pub fn kind(&self) -> TaskErrorKind {
        match self {
            TaskError::Panicked(_) => TaskErrorKind::Panicked,
            TaskError::Crashed(_) => TaskErrorKind::Crashed,
            TaskError::TimedOut(_) => TaskErrorKind::TimedOut,
            TaskError::LimitExceeded(_) => TaskErrorKind::LimitExceeded,
            TaskError::Killed(_) => TaskErrorKind::Killed,
            TaskError::Cancelled => TaskErrorKind::Cancelled,
            TaskError::Expired(_) => TaskErrorKind::Expired,
            TaskError::Encode(_) => TaskErrorKind::Encode,
            TaskError::Decode(_) => TaskErrorKind::Decode,
            TaskError::TooLarge { .. } => TaskErrorKind::TooLarge,
            TaskError::PoolClosed => TaskErrorKind::PoolClosed,
            TaskError::PoolBroken(_) => TaskErrorKind::PoolBroken,
            TaskError::Died(_) => TaskErrorKind::Died,
            TaskError::Poisoned(_) => TaskErrorKind::Poisoned,
            TaskError::Remote(_) => TaskErrorKind::Remote,
        }
    }

    /// Whether the function may have had effects; `NotStarted` is always safe to submit again.
    pub fn execution(&self) -> Execution {
        match self {
            TaskError::Panicked(_) => Execution::Ran,
            TaskError::Encode(text) | TaskError::Decode(text) => match Side::of(text) {
                Side::Argument => Execution::NotStarted,
                Side::Result => Execution::Ran,
            },
            TaskError::TooLarge { size, .. } if size % 2 == 1 => Execution::Ran,
            TaskError::Crashed(_)
            | TaskError::TimedOut(_)
            | TaskError::LimitExceeded(_)
            | TaskError::Killed(_) => Execution::MayHaveRun,
            TaskError::Cancelled
            | TaskError::Expired(_)
            | TaskError::TooLarge { .. }
            | TaskError::PoolClosed
            | TaskError::PoolBroken(_)
            | TaskError::Died(_)
            | TaskError::Poisoned(_)
            | TaskError::Remote(_) => Execution::NotStarted,
        }
    }

    /// What is known about the worker's end, where a worker ended.
    pub fn autopsy(&self) -> Option<&Autopsy> {
        match self {
            TaskError::Crashed(a)
            | TaskError::TimedOut(a)
            | TaskError::LimitExceeded(a)
            | TaskError::Killed(a)
            | TaskError::Died(a) => Some(a),
            _ => None,
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Panicked(p) => write!(f, "task panicked: {p}")?,
            TaskError::Crashed(a) => write!(f, "{a}")?,
            TaskError::TimedOut(a) => write!(f, "timed out: {a}")?,
            TaskError::LimitExceeded(a) => write!(f, "resource limit exceeded: {a}")?,
            TaskError::Killed(a) => write!(f, "killed on request: {a}")?,
            TaskError::Cancelled => f.write_str("cancelled before it started")?,
            TaskError::Expired(Deadline::Queue) => f.write_str("waited in the queue past its deadline")?,
            TaskError::Expired(Deadline::Call) => f.write_str("the deadline of the call passed")?,
            TaskError::Encode(why) => write!(f, "cannot serialise the {why}")?,
            TaskError::Decode(why) => write!(f, "cannot deserialise the {why}")?,
            TaskError::TooLarge { size, limit } => write!(
                f,
                "the {} of {size} bytes is larger than the pool's max_message of {limit} bytes; raise max_message or send less",
                if size % 2 == 1 { "result" } else { "argument" }
            )?,
            TaskError::PoolClosed => {
                f.write_str("the pool was shut down; nothing more can be submitted to it")?;
            }
            TaskError::PoolBroken(why) => write!(f, "the pool is broken: {why}")?,
            TaskError::Died(a) => write!(f, "its process had ended before the call could start: {a}")?,
            TaskError::Poisoned(why) => write!(f, "the actor is poisoned: {why}")?,
            TaskError::Remote(why) => write!(f, "remote engine: {why}")?,
        }
        self.fmt_history(f)
    }
}

impl std::error::Error for TaskError {}

/// Why a pool could not be built.
#[non_exhaustive]
pub enum BuildError {
    /// `pexec::init()` did not run in this process, so a worker started from its binary would not know that it is one.
    NotInitialized,
    /// An option has no meaning, with the option and the reason.
    Invalid(String),
    /// Pools inside tasks of pools inside tasks .. are nested deeper than this many levels.
    TooDeep(u32),
    /// Two functions are registered under one name with [`#[pexec::task]`](macro@crate::task); says which and where.
    DuplicateTask(String),
    /// A thread, a socket or the first worker process could not be had.
    Start(std::io::Error),
    /// An [`Actor`](crate::Actor)'s constructor panicked, failed or ended its process, with what is known of it.
    Constructor(String),
}

/// The variant and the whole message: it is what `unwrap` and a `main` that returns the error show.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = match self {
            BuildError::NotInitialized => "NotInitialized",
            BuildError::Invalid(_) => "Invalid",
            BuildError::TooDeep(_) => "TooDeep",
            BuildError::DuplicateTask(_) => "DuplicateTask",
            BuildError::Start(_) => "Start",
            BuildError::Constructor(_) => "Constructor",
        };
        write!(f, "{variant}: {self}")
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NotInitialized => f.write_str(
                "pexec is not initialized in this program: add `pexec::init();` as the first statement of main() \
                 (or put #[pexec::main] on it; in a test file, add `pexec::test_init!();` at its top)",
            ),
            BuildError::Invalid(why) | BuildError::DuplicateTask(why) => f.write_str(why),
            BuildError::TooDeep(limit) => write!(
                f,
                "pools are nested deeper than {limit} levels: a task builds a pool whose task builds a pool, and so on"
            ),
            BuildError::Start(error) => write!(f, "cannot start a worker: {error}"),
            BuildError::Constructor(why) => write!(f, "the actor cannot be made: {why}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BuildError::Start(error) => Some(error),
            _ => None,
        }
    }
}

/// Why [`Executor::try_submit`](crate::Executor::try_submit) refused; the argument comes back.
pub enum TrySubmitError<A> {
    /// The queue is at its capacity.
    Full(A),
    /// The executor was shut down or is broken.
    Closed(A),
}

impl<A> TrySubmitError<A> {
    /// The argument that was not submitted.
    pub fn into_inner(self) -> A {
        match self {
            TrySubmitError::Full(arg) | TrySubmitError::Closed(arg) => arg,
        }
    }
}

impl<A> fmt::Debug for TrySubmitError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySubmitError::Full(_) => "Full(..)",
            TrySubmitError::Closed(_) => "Closed(..)",
        })
    }
}

impl<A> fmt::Display for TrySubmitError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySubmitError::Full(_) => "the pool's queue is at its capacity",
            TrySubmitError::Closed(_) => "the pool was shut down",
        })
    }
}

impl<A> std::error::Error for TrySubmitError<A> {}

#[cfg(test)]
mod tests {
    use super::BuildError;

    #[test]
    fn what_unwrap_shows_of_a_pool_that_was_not_built_says_what_to_do() {
        let shown = format!("{:?}", BuildError::NotInitialized);
        assert!(
            shown.starts_with("NotInitialized: ") && shown.contains("pexec::init()"),
            "{shown}"
        );
        let shown = format!("{:?}", BuildError::Start(std::io::ErrorKind::NotFound.into()));
        assert!(shown.starts_with("Start: cannot start a worker: "), "{shown}");
    }
}
