//! A process-pool executor for work that crashes, leaks, hangs and floods.
//!
//! A [`ProcessPool`] runs capture-free functions in worker processes: copies of the program itself, started
//! again. One crash never costs another task, every bad end comes with an [`Autopsy`], and no worker outlives
//! the process that built the pool. The verbs are those of Python's `concurrent.futures`.
//!
//! ```no_run
//! use pexec::{Executor, ProcessPool};
//!
//! fn is_prime(n: u64) -> bool {
//!     n > 1 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     pexec::init(); // first: in a worker process it serves tasks and never returns
//!     let pool = ProcessPool::new()?;
//!     let one = pool.submit(is_prime, 1_000_003);
//!     let many: Vec<bool> = pool.map(is_prime, 0..100).collect::<Result<_, _>>()?;
//!     println!("{} and {} below 100", one.result()?, many.iter().filter(|&&p| p).count());
//!     Ok(())
//! }
//! ```
//!
//! # Where things are
//!
//! - [`init`], [`main`](macro@main), [`test_init!`]: how a program becomes able to be its own worker.
//! - [`Executor`]: `submit`, `try_submit`, `task`, `map`, `map_unordered`, over [`ProcessPool`], [`ThreadPool`] and
//!   [`Inline`].
//! - [`spawn()`], [`Actor`]: one process for one call, one process that owns a state.
//! - [`TaskFuture`], [`wait()`], [`as_completed`]: results, on a thread or in any async runtime.
//! - [`TaskError`], [`Autopsy`], [`Failure`]: what went wrong, and whether it is safe to try again.
//! - [`sync`]: bytes that travel without being copied.
//! - [`mod@task`], [`worker`]: what a task can learn and say while it runs.
//! - [`#[pexec::task]`](macro@task), [`named`]: functions with a stable name, listed, and called by it.

mod actor;
mod autopsy;
mod callbacks;
mod carried;
mod clock;
mod core;
mod driver;
mod entry;
mod error;
mod executor;
mod failure;
mod function;
mod future;
mod history;
mod ids;
mod inline;
mod limits;
mod local;
mod map;
pub mod named;
mod observed;
mod options;
mod outcome;
mod panics;
mod preamble;
mod process;
mod spawn;
pub mod sync;
pub mod task;
mod threads;
pub mod worker;

pub use pexec_macros::{main, task};

pub use crate::actor::{Actor, ActorBuilder, ActorCall, OnPanic};
pub use crate::autopsy::{Autopsy, Exit, Panic, Phase};
pub use crate::core::{Cause, Retry};
pub use crate::entry::init;
pub use crate::error::{BuildError, Deadline, Execution, TaskError, TaskErrorKind, TrySubmitError};
pub use crate::executor::{Executor, TaskBuilder};
pub use crate::failure::Failure;
pub use crate::function::TaskFn;
pub use crate::future::TaskFuture;
pub use crate::future::wait::{AsCompleted, Until, Waited, as_completed, wait};
pub use crate::ids::TaskId;
pub use crate::inline::Inline;
pub use crate::limits::Limits;
pub use crate::map::{Map, MapUnordered};
pub use crate::outcome::Outcome;
pub use crate::process::{
    Percentiles, PoolStats, ProcessPool, ProcessPoolBuilder, StartMethod, Transport, WorkerInfo, WorkerState,
};
pub use crate::spawn::{Process, spawn};
pub use crate::threads::{ThreadPool, ThreadPoolBuilder};

#[doc(hidden)]
pub mod private {
    //! What macros of this crate expand to; not for use by hand.
    pub use crate::entry::test_entry;
    pub use crate::executor::Admission;
    pub use crate::function::Payload;
    pub use crate::named::answer::{
        Answer, AnswerOfValue, FailureAsDebug, FailureAsDisplay, FailureWithoutText, Returned,
    };
    pub use crate::named::decode::{Given, accepts};
    pub use crate::named::registry::TASKS;
    pub use crate::options::TaskOptions;
    pub use linkme;
}

/// How many CPUs this process may use: its affinity and its cgroup's quota, at least 1.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
