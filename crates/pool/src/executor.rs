//! The verbs: what every executor can do with a function and its argument.

use std::marker::PhantomData;
use std::time::Duration;

use crate::core::Retry;
use crate::error::TrySubmitError;
use crate::function::{Payload, TaskFn};
use crate::future::TaskFuture;
use crate::limits::Limits;
use crate::map::run::{Inputs, Run};
use crate::map::{Map, MapUnordered};
use crate::options::TaskOptions;

/// What to do when the queue is at its capacity.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Wait for room; a refusal arrives in the future.
    Wait,
    /// Give the argument back.
    Try,
}

/// Something that runs tasks: worker processes ([`ProcessPool`](crate::ProcessPool)), threads
/// ([`ThreadPool`](crate::ThreadPool)) or the caller itself ([`Inline`](crate::Inline)).
///
/// A task is a capture-free function and one argument: `()` for a function of no argument, the value for one,
/// a tuple for two to six. Generic code takes `&impl Executor`.
///
/// ```
/// use pexec::{Executor, TaskError};
///
/// fn pow(base: u64, exponent: u32) -> u64 {
///     base.pow(exponent)
/// }
///
/// fn powers(executor: &impl Executor) -> Result<u64, TaskError> {
///     let one = executor.submit(pow, (5, 3));
///     let many = executor.map(pow, [(2, 2), (2, 3)]);
///     let sum = many.collect::<Result<Vec<u64>, _>>()?.iter().sum::<u64>();
///     Ok(one.result()? + sum)
/// }
///
/// assert_eq!(powers(&pexec::Inline::new()).unwrap(), 125 + 4 + 8);
/// ```
pub trait Executor {
    /// Accepts a task; what the other verbs are made of.
    #[doc(hidden)]
    fn start<F, A, R, M>(
        &self,
        f: F,
        arg: A,
        options: TaskOptions,
        admission: Admission,
    ) -> Result<TaskFuture<R>, TrySubmitError<A>>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static;

    /// Starts at most `most` of a map's inputs, as one task where that pays. At least one, if there is one.
    #[doc(hidden)]
    fn start_run<F, A, R, M>(&self, f: F, pull: &mut dyn FnMut() -> Option<A>, most: usize) -> Run<R>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static,
    {
        debug_assert!(most > 0);
        Run::of_one(pull().map(|arg| self.submit(f, arg)))
    }

    /// How many tasks can run at once, about; sizes the look-ahead of maps.
    #[doc(hidden)]
    fn width(&self) -> usize;

    /// Submits `f(arg)`. Infallible: a refusal (a closed or broken pool, an argument that cannot be serialised or
    /// is too large) arrives in the future. Blocks while a bounded queue is full.
    fn submit<F, A, R, M>(&self, f: F, arg: A) -> TaskFuture<R>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static,
    {
        self.task(f, arg).submit()
    }

    /// Like [`submit`](Executor::submit), without waiting.
    ///
    /// # Errors
    ///
    /// Gives the argument back when the queue is full or the executor closed or broken.
    fn try_submit<F, A, R, M>(&self, f: F, arg: A) -> Result<TaskFuture<R>, TrySubmitError<A>>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static,
    {
        self.task(f, arg).try_submit()
    }

    /// A task with options: set them, then `.submit()` or `.try_submit()`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pexec::{Executor, Inline};
    /// let future = Inline::new().task(|x: i32| -x, 7).label("negate").timeout(Duration::from_secs(5)).submit();
    /// assert_eq!(future.label(), Some("negate"));
    /// assert_eq!(future.result().unwrap(), -7);
    /// ```
    fn task<F, A, R, M>(&self, f: F, arg: A) -> TaskBuilder<'_, Self, F, A, R, M>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static,
    {
        TaskBuilder {
            executor: self,
            f,
            arg,
            options: TaskOptions::default(),
            types: PhantomData,
        }
    }

    /// Runs `f` on every input and gives the results in the order of the inputs. Lazy: nothing is pulled before
    /// the first `next()`, and only a bounded number of inputs ahead of the results.
    fn map<'a, F, A, R, M, I>(&'a self, f: F, inputs: I) -> Map<'a, R>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static,
        I: IntoIterator<Item = A>,
        I::IntoIter: 'a,
    {
        let mut inputs = Inputs::new(inputs.into_iter());
        Map::new(
            self.width(),
            Box::new(move |most| inputs.feed(|pull| self.start_run(f, pull, most))),
        )
    }

    /// Like [`map`](Executor::map), giving `(index, result)` pairs in the order in which the tasks end.
    fn map_unordered<'a, F, A, R, M, I>(&'a self, f: F, inputs: I) -> MapUnordered<'a, R>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static,
        I: IntoIterator<Item = A>,
        I::IntoIter: 'a,
    {
        let mut inputs = Inputs::new(inputs.into_iter());
        MapUnordered::new(
            self.width(),
            Box::new(move |most| inputs.feed(|pull| self.start_run(f, pull, most))),
        )
    }
}

/// A task that has not been submitted; see [`Executor::task`].
#[must_use = "a task does nothing until it is submitted"]
pub struct TaskBuilder<'a, E: ?Sized, F, A, R, M> {
    executor: &'a E,
    f: F,
    arg: A,
    options: TaskOptions,
    types: PhantomData<fn() -> (R, M)>,
}

impl<E, F, A, R, M> TaskBuilder<'_, E, F, A, R, M>
where
    E: Executor + ?Sized,
    F: TaskFn<A, R, M>,
    A: Payload,
    R: Payload,
    M: 'static,
{
    /// What people call the task: it stands in its errors and events.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.options.set().label = Some(label.into().into_boxed_str());
        self
    }

    /// Ends the task when it has run this long, from the start of its execution, instead of the pool's
    /// `task_timeout`. Zero means no timeout. Needs a process: threads and inline tasks cannot be ended.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.set().timeout = Some(timeout);
        self
    }

    /// Runs the task again as this says, instead of the pool's `retry`. On threads and inline only a panic can be a
    /// cause.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pexec::{Cause, Executor, Inline, Retry};
    /// fn flaky() -> u32 {
    ///     let attempt = pexec::task::current().map_or(0, |task| task.attempt);
    ///     assert!(attempt > 2, "not yet");
    ///     attempt
    /// }
    /// let retry = Retry::times(3)
    ///     .on([Cause::Panicked])
    ///     .backoff(Duration::from_millis(1), 2.0, Duration::from_millis(5));
    /// assert_eq!(Inline::new().task(flaky, ()).retry(retry).submit().result().unwrap(), 3);
    /// ```
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.set().retry = Some(retry);
        self
    }

    /// Bounds what the task may use, instead of the pool's [`limits`](crate::ProcessPoolBuilder::limits), as far as they
    /// are named. Needs a process pool.
    ///
    /// They are set when the task starts and put back when it has ended, as soft limits, so that the next task is free
    /// again. So the task's own code could raise them again, up to the hard limit. What they make happen stays: memory
    /// that a library could not get, a descriptor that it could not open, may be remembered by it; and if the task lowers
    /// a hard limit itself, the worker keeps that.
    ///
    /// ```no_run
    /// # use pexec::{Executor, Limits, ProcessPool, TaskError};
    /// # fn build(pool: ProcessPool) -> Result<(), TaskError> {
    /// let small = Limits::new().address_space(1 << 30);
    /// let sum = pool.task(|a: u64, b: u64| a + b, (1, 2)).limits(small).submit();
    /// # sum.result()?; Ok(()) }
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.set().limits = Some(limits);
        self
    }

    /// Whether the task may run more than once. `false`: never again once it has started, whatever the pool's `retry`
    /// or its own says. `true`: it runs again, up to twice, if its worker crashes and no `retry` says otherwise. Not
    /// set: the `retry` decides. A task that was sent to a worker and had not started is no matter of this: it runs
    /// elsewhere.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.options.set().idempotent = Some(idempotent);
        self
    }

    /// Tasks with a higher priority start first; without one it is 0. Strictly so among all that have not started: what
    /// was sent ahead to a worker is taken back for a higher one. Among equal ones the earlier goes first, and another
    /// attempt goes behind those that wait. The inputs of a map have priority 0.
    ///
    /// Inline tasks run at `submit`; they have nobody to go before.
    ///
    /// ```
    /// use pexec::{Executor, ThreadPool};
    /// let pool = ThreadPool::builder().workers(1).build()?;
    /// let urgent = pool.task(|n: u32| n + 1, 1).priority(10).submit();
    /// let some_time = pool.task(|n: u32| n + 1, 2).priority(-10).submit();
    /// assert_eq!((urgent.result()?, some_time.result()?), (2, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.set().priority = priority;
        self
    }

    /// Does not hand the task out before so much time has gone by since `submit`, like `threading.Timer`. Until then it
    /// waits like any other: it counts as queued, `cancel` works, `shutdown` waits for it, `shutdown_now` cancels it.
    /// Zero means at once. An inline task sleeps at `submit`.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use pexec::{Executor, ThreadPool};
    /// let pool = ThreadPool::builder().workers(1).build()?;
    /// let start = Instant::now();
    /// let later = pool.task(|n: u32| n + 1, 1).delay(Duration::from_millis(20)).submit();
    /// assert_eq!(later.result()?, 2);
    /// assert!(start.elapsed() >= Duration::from_millis(20));
    /// let never = pool.task(|| (), ()).delay(Duration::from_secs(3600)).submit();
    /// assert!(never.cancel());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.set().delay = Some(delay);
        self
    }

    /// Ends the task with [`Expired(Deadline::Queue)`](crate::TaskError::Expired) if it has not started so long after
    /// `submit`, or after the end of its `delay`; it never runs then. The pauses before further attempts are not meant:
    /// they come after a start. Zero means no limit. An inline task starts at once.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pexec::{Deadline, Executor, TaskError, ThreadPool};
    /// let pool = ThreadPool::builder().workers(1).build()?;
    /// let busy = pool.submit(|| std::thread::sleep(Duration::from_millis(200)), ());
    /// let impatient = pool.task(|| (), ()).queue_timeout(Duration::from_millis(10)).submit();
    /// assert!(matches!(impatient.result(), Err(TaskError::Expired(Deadline::Queue))));
    /// # busy.result()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.options.set().queue_timeout = Some(timeout);
        self
    }

    /// Called with what the task sends by [`task::emit`](crate::task::emit) while it runs: in order, before its
    /// outcome. In a process pool it is called on the pool's own thread, or on one that waits for a result or submits;
    /// so it must be quick, and must not wait for the pool: while it blocks, the pool stands still, which is also how a
    /// flood is held back.
    pub fn on_emit(mut self, on_emit: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        self.options.set().on_emit = Some(Box::new(on_emit));
        self
    }

    /// See [`Executor::submit`].
    pub fn submit(self) -> TaskFuture<R> {
        match self
            .executor
            .start(self.f, self.arg, self.options, Admission::Wait)
        {
            Ok(future) => future,
            Err(TrySubmitError::Full(_) | TrySubmitError::Closed(_)) => crate::inline::refused(),
        }
    }

    /// See [`Executor::try_submit`].
    ///
    /// # Errors
    ///
    /// Gives the argument back when the queue is full or the executor closed or broken.
    pub fn try_submit(self) -> Result<TaskFuture<R>, TrySubmitError<A>> {
        self.executor
            .start(self.f, self.arg, self.options, Admission::Try)
    }
}
