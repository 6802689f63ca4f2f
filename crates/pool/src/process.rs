//! The pool of worker processes: its handle.

pub(crate) mod alone;
pub(crate) mod builder;
mod callers;
pub(crate) mod info;
pub(crate) mod lead;
pub(crate) mod percentiles;
pub(crate) mod queue;
mod seat;
pub(crate) mod shared;
mod sleeper;

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pexec_ipc::{carry, memory, warm};
use pexec_proto::codec;
use serde_bytes::ByteBuf;

pub use builder::{ProcessPoolBuilder, StartMethod, Transport};
pub use info::{PoolStats, WorkerInfo, WorkerState};
pub use percentiles::Percentiles;
use queue::{Command, NewTask, Pushed};
use shared::Shared;

use crate::core::{Policy, Retry};
use crate::error::{BuildError, Side, TaskError, TrySubmitError};
use crate::executor::{Admission, Executor};
use crate::function::{self, Payload, TaskFn, assert_no_captures, task_descriptor};
use crate::future::TaskFuture;
use crate::future::batch::{Arguments, Batch};
use crate::future::bytes::{Bytes, Descriptors};
use crate::future::control::Controller;
use crate::future::slot::{Carried, Slot, SlotRef};
use crate::ids::{next_task_id, next_task_ids};
use crate::map::run::Run;
use crate::options::TaskOptions;

/// Runs tasks in worker processes. A task that crashes, hangs or is killed costs nobody else anything, and no
/// worker outlives the process that built the pool, however that process ends.
///
/// Dropping the pool finishes everything that was submitted, like Python's `with`; while panicking it
/// terminates instead. All methods take `&self`, are idempotent, and may be called from any thread, an `on_done`
/// callback included.
///
/// ```no_run
/// use pexec::{Executor, ProcessPool, TaskError};
///
/// fn parse_in_c(_input: Vec<u8>) -> u32 {
///     std::process::abort() // what C libraries do
/// }
///
/// # fn work() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = ProcessPool::builder().workers(4).name("thumbs").build()?;
/// let bad = pool.submit(parse_in_c, vec![0xff]);
/// let good = pool.submit(|a: u64, b: u64| a + b, (1, 2));
/// if let Err(TaskError::Crashed(autopsy)) = bad.result() {
///     eprintln!("{autopsy}");
/// }
/// assert_eq!(good.result()?, 3);
/// # Ok(()) }
/// ```
pub struct ProcessPool {
    shared: Arc<Shared>,
    controller: Controller,
    /// At most; told to maps, which look so far ahead.
    workers: AtomicUsize,
    task_timeout: Option<Duration>,
    retry: Option<Retry>,
    /// So that the pauses before retries differ from those of other pools and programs.
    salt: u64,
    /// A map's inputs may travel several at a time: nothing is said that is to hold for each.
    batches: bool,
    /// Its drop waits for its end.
    waits: bool,
}

/// How many bytes of arguments travel in one batch, about.
const BATCH_BYTES: usize = 32 << 10;
/// An argument of more bytes travels alone.
const ITEM_BYTES: usize = 8 << 10;
/// More workers than any machine is good for.
pub(crate) const MOST_WORKERS: usize = 1 << 16;
/// Pools with smaller messages have no batches.
pub(crate) const LEAST_MESSAGE: u64 = 64 << 10;

impl ProcessPool {
    /// One worker per CPU that this process may use (affinity and cgroup quota respected).
    ///
    /// # Errors
    ///
    /// [`BuildError::NotInitialized`] if [`init`](crate::init) did not run; [`BuildError::Start`] if no worker can be
    /// started.
    pub fn new() -> Result<ProcessPool, BuildError> {
        ProcessPool::builder().build()
    }

    /// A pool with options.
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::default()
    }

    /// The live workers.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        self.shared.ask(Command::Workers).unwrap_or_default()
    }

    /// Counts since the pool was built, and how long tasks wait and run; all zero once it has been shut down.
    pub fn stats(&self) -> PoolStats {
        self.shared.ask(Command::Stats).unwrap_or_default()
    }

    /// From now on the pool has `n` workers, and an elastic one is elastic no more. 0 counts as 1, and more than 65,536 as
    /// that.
    ///
    /// More workers are started at once; those that are there stay. Too many leave: first those that have nothing to
    /// do, then busy ones, each after the task that it runs. No task is lost or ended for it. Returns at once; does
    /// nothing once the pool was shut down.
    ///
    /// ```no_run
    /// # fn build() -> Result<(), pexec::BuildError> {
    /// let pool = pexec::ProcessPool::builder().workers(2).build()?;
    /// pool.resize(8); // for the night
    /// # Ok(()) }
    /// ```
    pub fn resize(&self, n: usize) {
        let n = n.clamp(1, MOST_WORKERS);
        self.workers.store(n, Ordering::Relaxed);
        self.shared.push(Command::Resize(n));
    }

    /// Has everything that runs stand still: the workers, with all processes of their groups and of those that they have
    /// registered. No time passes for them until [`resume`](ProcessPool::resume): time limits, delays, queue timeouts and
    /// grace periods go on then where they were. Tasks can be submitted meanwhile, and wait.
    ///
    /// For a program that is about to be stopped itself, by Ctrl-Z say. Returns when all of them are stopped. Processes
    /// that have left those groups are not. Closing the pool, in whichever way, lets them go on first.
    ///
    /// ```no_run
    /// # fn build() -> Result<(), pexec::BuildError> {
    /// let pool = pexec::ProcessPool::new()?;
    /// pool.suspend();
    /// // a backup, a demo, a night
    /// pool.resume();
    /// # Ok(()) }
    /// ```
    pub fn suspend(&self) {
        self.shared.ask(Command::Suspend);
    }

    /// Lets everything go on that [`suspend`](ProcessPool::suspend) has stopped.
    pub fn resume(&self) {
        self.shared.ask(Command::Resume);
    }

    /// Accepts nothing more, finishes everything that was submitted, waits until every worker is gone and every
    /// callback has run.
    pub fn shutdown(&self) {
        self.shared.push(Command::ShutDown { cancel_queued: false });
        self.wait(None);
    }

    /// Like [`shutdown`](ProcessPool::shutdown), waiting at most `timeout`; can be repeated. True: everything is
    /// finished. The pool is closed either way.
    pub fn shutdown_timeout(&self, timeout: Duration) -> bool {
        self.shared.push(Command::ShutDown { cancel_queued: false });
        self.wait(Instant::now().checked_add(timeout))
    }

    /// Accepts nothing more, cancels what has not started, finishes what runs, waits.
    pub fn shutdown_now(&self) {
        self.shared.push(Command::ShutDown { cancel_queued: true });
        self.wait(None);
    }

    /// Kills every worker; running tasks end as [`TaskError::Killed`], the others as [`TaskError::Cancelled`].
    /// Returns when every worker is gone and reaped.
    pub fn terminate(&self) {
        self.shared.push(Command::Terminate);
        self.wait(None);
    }

    /// Leaves the pool to run without this handle.
    fn into_shared(mut self) -> Arc<Shared> {
        self.waits = false;
        Arc::clone(&self.shared)
    }

    fn wait(&self, until: Option<Instant>) -> bool {
        let finished = self.shared.wait_finished(until);
        if finished {
            self.shared.observed.drain();
            self.shared.callbacks.drain();
        }
        finished
    }

    fn policy(&self, options: &mut TaskOptions) -> Option<Box<Policy>> {
        if let Some(options) = options.given() {
            return options.policy(self.task_timeout, self.retry.as_ref(), self.salt);
        }
        let timeout = self.task_timeout.filter(|t| !t.is_zero());
        (timeout.is_some() || self.retry.is_some()).then(|| {
            Box::new(Policy {
                timeout,
                retry: self.retry.clone(),
                salt: self.salt,
                ..Policy::default()
            })
        })
    }

    fn push_batch(&self, slot: &SlotRef, size: usize) {
        let task = NewTask {
            slot: SlotRef::clone(slot),
            argument: Bytes::copy(&[]),
            size,
            policy: Some(Box::new(Policy::divisible())),
        };
        if let Pushed::Refused(refusal) = self.shared.push_task(true, task) {
            slot.fail(refusal.error());
        }
    }

    /// A future that has failed already.
    fn failed<R>(&self, options: &mut TaskOptions, error: TaskError) -> TaskFuture<R> {
        let control = Arc::clone(&self.controller);
        let slot = Slot::new(next_task_id(), control, options.take_extra());
        slot.fail(error);
        TaskFuture::new(slot)
    }
}

thread_local! {
    /// Where arguments are encoded: a short one then costs no memory of its own.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Encodes an argument on the caller's thread; a `Serialize` that panics is an error of that task only.
pub(crate) fn encode<A: Payload>(
    arg: &A,
    limit: u64,
    descriptors: &mut Descriptors,
) -> Result<Bytes, TaskError> {
    let short = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Bytes::written(|room| codec::encode_short(arg, room))
    }));
    match short {
        Ok(Some(bytes)) if bytes.len() as u64 <= limit => return Ok(bytes),
        Ok(_) => {}
        Err(_) => return Err(panicked::<A>()),
    }
    let size = size_of_bytes(arg).unwrap_or(0);
    if size as u64 > limit {
        return Err(TaskError::too_large(Side::Argument, size as u64, limit));
    }
    // Taken away meanwhile: a `Serialize` may submit tasks too.
    let mut bytes = SCRATCH.take();
    bytes.clear();
    // Memory that is quick to touch where it is long.
    warm::expect(size);
    memory::reserve_huge(&mut bytes, size);
    let encoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        carry::collect(descriptors, || codec::encode(arg, &mut bytes))
    }));
    match encoded {
        Ok(Ok(())) if bytes.len() as u64 <= limit => {
            if bytes.len() > SCRATCH_MOST {
                return Ok(Bytes::from(bytes));
            }
            let copy = Bytes::copy(&bytes);
            SCRATCH.set(bytes);
            Ok(copy)
        }
        Ok(Ok(())) => Err(TaskError::too_large(Side::Argument, bytes.len() as u64, limit)),
        Ok(Err(error)) => Err(TaskError::encode(
            Side::Argument,
            std::any::type_name::<A>(),
            error,
        )),
        Err(_) => Err(panicked::<A>()),
    }
}

/// How long the encoding of a string of bytes or a text is; `None` for anything else.
fn size_of_bytes<A: Any>(arg: &A) -> Option<usize> {
    let len = function::byte_string(arg)?.len();
    Some(codec::prefix_of(len).as_ref().len() + len)
}

/// Takes a long string of bytes out of `arg`, whose encoding it is but for the length. Nobody gets it back then.
#[inline]
fn content<A: Payload>(arg: &mut Option<A>, limit: u64) -> Option<Bytes> {
    let len = function::byte_string(arg.as_ref()?)?.len();
    let whole = (len + codec::prefix_of(len).as_ref().len()) as u64;
    if len < Bytes::CONTENT || whole > limit {
        return None;
    }
    let arg = arg as &mut dyn Any;
    let bytes = match arg.downcast_mut::<Option<Vec<u8>>>() {
        Some(bytes) => bytes.take()?,
        None => match arg.downcast_mut::<Option<ByteBuf>>() {
            Some(bytes) => bytes.take()?.into_vec(),
            None => arg.downcast_mut::<Option<String>>()?.take()?.into_bytes(),
        },
    };
    Some(Bytes::content(bytes))
}

fn panicked<A>() -> TaskError {
    TaskError::encode(
        Side::Argument,
        std::any::type_name::<A>(),
        "its Serialize panicked",
    )
}

/// A descriptor counts like so many bytes of an argument, so that only some are under way at a time: the kernel bounds how
/// many a user may have there.
const HANDLE_WEIGHT: usize = 64 << 10;

/// Longer arguments keep the memory that they were encoded into.
const SCRATCH_MOST: usize = 4 << 10;

impl Executor for ProcessPool {
    fn start<F, A, R, M>(
        &self,
        _: F,
        arg: A,
        mut options: TaskOptions,
        admission: Admission,
    ) -> Result<TaskFuture<R>, TrySubmitError<A>>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static,
    {
        const { assert_no_captures::<F>() };
        let wait = admission == Admission::Wait;
        if !wait {
            match self.shared.queue.would_accept(false) {
                Pushed::Yes => {}
                Pushed::Full => return Err(TrySubmitError::Full(arg)),
                Pushed::Refused(_) => return Err(TrySubmitError::Closed(arg)),
            }
        }
        let mut descriptors = Vec::new();
        let limit = self.shared.max_message;
        let mut arg = Some(arg);
        let content = if wait { content(&mut arg, limit) } else { None };
        let encoded = match (&arg, content) {
            (_, Some(content)) => Ok(content),
            (Some(arg), None) => encode(arg, limit, &mut descriptors),
            (None, None) => Err(panicked::<A>()),
        };
        let bytes = match encoded {
            Ok(bytes) => bytes,
            Err(error) => return Ok(self.failed(&mut options, error)),
        };
        let policy = self.policy(&mut options);
        let size = bytes.len().max(descriptors.len() * HANDLE_WEIGHT);
        let (id, control) = (next_task_id(), Arc::clone(&self.controller));
        let (extra, call) = (options.take_extra(), task_descriptor::<F, A, R, M>());
        let slot = if descriptors.is_empty() {
            Slot::with_call(id, control, extra, call, bytes.clone())
        } else {
            let bytes = bytes.clone();
            Slot::with_handles(id, control, extra, call, Carried { bytes, descriptors })
        };
        let task = NewTask {
            slot: SlotRef::clone(&slot),
            size,
            argument: bytes,
            policy,
        };
        match (self.shared.push_task(wait, task), arg) {
            (Pushed::Yes, _) => {}
            (Pushed::Full, Some(arg)) => return Err(TrySubmitError::Full(arg)),
            (Pushed::Refused(_), Some(arg)) if !wait => return Err(TrySubmitError::Closed(arg)),
            (Pushed::Refused(refusal), _) => {
                slot.fail(refusal.error());
            }
            (Pushed::Full, None) => {
                // Whoever waits is not told that there is no room.
                slot.fail(self.shared.queue.refusal().error());
            }
        }
        Ok(TaskFuture::new(slot))
    }

    fn start_run<F, A, R, M>(&self, f: F, pull: &mut dyn FnMut() -> Option<A>, most: usize) -> Run<R>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static,
    {
        const { assert_no_captures::<F>() };
        if !self.batches {
            return Run::of_one(pull().map(|arg| self.submit(f, arg)));
        }
        let mut arguments = Arguments::default();
        let mut descriptors = Vec::new();
        let mut one = None;
        while (arguments.count() as usize) < most && arguments.len() < BATCH_BYTES {
            let Some(arg) = pull() else { break };
            let before = arguments.mark();
            let pushed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                carry::collect(&mut descriptors, || {
                    arguments.push(|out| codec::encode(&arg, out))
                })
            }));
            let is_plain = matches!(pushed, Ok(Ok(()))) && descriptors.is_empty();
            if !is_plain || arguments.len() - before.0 > ITEM_BYTES {
                // What cannot be encoded fails alone, and what is large or has handles travels alone.
                arguments.reset(before);
                one = Some(self.submit(f, arg));
                break;
            }
        }
        let count = arguments.count() as usize;
        let batch = (count > 0).then(|| {
            let size = arguments.len();
            let slot = Slot::with_batch(
                next_task_ids(count as u64),
                Arc::clone(&self.controller),
                task_descriptor::<F, A, R, M>(),
                Batch::new(arguments),
            );
            self.push_batch(&slot, size);
            (slot, count)
        });
        Run { batch, one }
    }

    fn width(&self) -> usize {
        self.workers.load(Ordering::Relaxed)
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        if !self.waits {
            return;
        }
        if std::thread::panicking() {
            self.terminate();
        } else {
            self.shutdown();
        }
    }
}

impl std::fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProcessPool({:?}, {} workers)", self.shared.name, self.width())
    }
}
