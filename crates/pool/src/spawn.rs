//! A process of its own for one call.
//!
//! It is a pool of one worker that is never replaced, closed as soon as it has its one task: the worker leaves once
//! it has answered. So blame, autopsies and the end with the supervisor are those of every worker, and whoever drops
//! the handle leaves nothing to be done: the pool's thread reaps the process and ends.

use std::future::IntoFuture;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::autopsy::Exit;
use crate::error::{BuildError, TaskError};
use crate::function::{Payload, TaskFn, assert_no_captures, task_descriptor};
use crate::future::TaskFuture;
use crate::options::TaskOptions;
use crate::process::ProcessPool;
use crate::process::alone::{Alone, Sole};

/// Starts a process of its own for `f(arg)`, and returns as soon as it is started: Python's `multiprocessing.Process`.
///
/// The process is this program once more, like a pool's worker, and in a process group of its own. It ends with the
/// call. If it crashes there is no replacement. While it lives, it costs this process a thread that sleeps, and nine
/// descriptors. Who has many calls to make is better off with a [`ProcessPool`](crate::ProcessPool): a process of its
/// own takes milliseconds to start, a task microseconds.
///
/// # Errors
///
/// [`BuildError::NotInitialized`] if [`init`](crate::init) did not run in this process; [`BuildError::TooDeep`] for
/// processes inside tasks inside processes beyond 8 levels; [`BuildError::Start`] if the process cannot be started. An
/// argument that cannot be serialised is the outcome of [`join`](Process::join).
///
/// ```no_run
/// use pexec::TaskError;
///
/// fn index(path: String) -> u64 {
///     std::fs::metadata(path).map_or(0, |file| file.len())
/// }
///
/// # fn work() -> Result<(), Box<dyn std::error::Error>> {
/// let process = pexec::spawn(index, "data.csv".to_owned())?;
/// println!("process {} has begun", process.pid());
/// match process.join() {
///     Ok(entries) => println!("{entries} entries"),
///     Err(TaskError::Crashed(autopsy)) => eprintln!("{autopsy}"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(()) }
/// ```
pub fn spawn<F, A, R, M>(_: F, arg: A) -> Result<Process<R>, BuildError>
where
    F: TaskFn<A, R, M>,
    A: Payload,
    R: Payload,
    M: 'static,
{
    const { assert_no_captures::<F>() };
    let alone = Alone::start(ProcessPool::builder().name("process"), Sole::Process)?;
    let call = task_descriptor::<F, A, R, M>();
    let future = TaskFuture::new(alone.submit(call, &arg, TaskOptions::default()));
    // It leaves by itself once it has answered.
    alone.close();
    Ok(Process { alone, future })
}

/// A process that runs one call; see [`spawn`].
///
/// Dropping it detaches: the process runs on until its call has ended, and is reaped then. It never outlives this
/// process, however that ends. `.await` it (it turns into a [`TaskFuture`]) in any async runtime.
#[must_use = "a Process is how a call's outcome is learned; drop it explicitly to let the process run detached"]
pub struct Process<R> {
    alone: Alone,
    future: TaskFuture<R>,
}

impl<R> Process<R> {
    /// Its process id, which is also that of its process group.
    pub fn pid(&self) -> u32 {
        self.alone.pid()
    }

    /// The process has not ended, or not been reaped yet.
    pub fn is_alive(&self) -> bool {
        self.exit().is_none()
    }

    /// How the process ended; `None` while it is alive. After a call that returned, `Code(0)`.
    pub fn exit(&self) -> Option<Exit> {
        self.alone.exit()
    }

    /// The last progress that the call has told by [`task::progress`](crate::task::progress): a share and a text.
    pub fn progress(&self) -> Option<(f64, String)> {
        self.future.progress()
    }

    /// Sends SIGTERM to its process group (and SIGCONT, so that a stopped one gets it), and returns at once. Unless it
    /// catches that or had answered, the outcome is [`TaskError::Killed`]. Nothing happens to one that has ended.
    pub fn terminate(&self) {
        self.alone.signal(Signal::SIGTERM);
    }

    /// Sends SIGKILL to its process group, and returns at once. Unless it had answered, the outcome is
    /// [`TaskError::Killed`].
    pub fn kill(&self) {
        self.alone.signal(Signal::SIGKILL);
    }
}

impl<R: Payload> Process<R> {
    /// Waits until the process has ended and gives the call's result.
    ///
    /// # Errors
    ///
    /// Those of a task: [`TaskError::Panicked`]; [`TaskError::Crashed`] for an end by a signal, `abort` or `exit` with
    /// any code, also before the call could start; [`TaskError::Killed`] after [`terminate`](Process::terminate) or
    /// [`kill`](Process::kill); and what is said of arguments and results.
    pub fn join(self) -> Result<R, TaskError> {
        self.alone.wait_gone(None);
        self.future.result()
    }

    /// Like [`join`](Process::join), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// The outer `Err` gives the process back: it has not ended yet.
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<R, TaskError>, Process<R>> {
        if self.alone.wait_gone(Instant::now().checked_add(timeout)) {
            Ok(self.future.result())
        } else {
            Err(self)
        }
    }
}

impl<R: Payload> IntoFuture for Process<R> {
    type Output = Result<R, TaskError>;
    type IntoFuture = TaskFuture<R>;

    /// The result of the call; it may be there a moment before the process has ended.
    fn into_future(self) -> TaskFuture<R> {
        self.future
    }
}

impl<R> std::fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.exit() {
            None => write!(f, "Process({}, alive)", self.pid()),
            Some(exit) => write!(f, "Process({}, {exit})", self.pid()),
        }
    }
}
