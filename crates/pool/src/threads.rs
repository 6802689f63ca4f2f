//! The same verbs over threads of this process: no isolation, no serialising, no start-up.

mod queue;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::callbacks::Callbacks;
use crate::core::after;
use crate::error::{BuildError, Deadline, TaskError, TrySubmitError};
use crate::executor::{Admission, Executor};
use crate::function::{Payload, TaskFn, assert_no_captures};
use crate::future::TaskFuture;
use crate::future::control::{Control, Controller};
use crate::future::slot::{Slot, SlotRef};
use crate::ids::next_task_id;
use crate::inline::refused;
use crate::local::{Repeated, run_once};
use crate::options::TaskOptions;
use crate::task;
use queue::{Job, Queue, Run};

/// Runs tasks on threads. Panics are caught, and retried where a `retry` names them; what only a process can give
/// (timeouts that end a task, kill, survival of a crash) is not there: those options are not applied and
/// [`TaskFuture::kill`] of a running task answers false.
///
/// Dropping the pool finishes everything that was submitted, what is delayed included. The argument of a task that may
/// be retried is serialised, others are not.
///
/// ```
/// use pexec::{Executor, ThreadPool};
/// let pool = ThreadPool::builder().workers(2).build()?;
/// assert_eq!(pool.submit(|a: u32, b: u32| a * b, (6, 7)).result()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ThreadPool {
    shared: Arc<Shared>,
    controller: Controller,
    workers: usize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    name: String,
    queue: Mutex<Queue>,
    more: Condvar,
    /// For the timer thread: something has an instant, or the pool is closed.
    sooner: Condvar,
    callbacks: Callbacks,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a task that is in the queue.
    fn withdraw(&self, slot: &SlotRef) -> bool {
        let job = self.lock().remove(slot);
        // A thread may wait for nothing but the last delayed job.
        self.more.notify_all();
        job.is_some_and(|job| {
            drop(job);
            slot.complete(Err(Box::new(TaskError::Cancelled)))
        })
    }

    /// Queues a job, with the instants before which and by which it may start. A `fresh` one comes from a user, and too
    /// late if the pool is closed; another attempt does not.
    fn push(
        self: &Arc<Shared>,
        mut job: Job,
        fresh: bool,
        (not_before, start_by): (Option<Instant>, Option<Instant>),
    ) {
        let mut queue = self.lock();
        let timer = not_before.is_some() || start_by.is_some();
        let ready = match timer {
            _ if fresh && queue.closed => Err(TaskError::PoolClosed),
            true if !queue.timed => self.start_timer(&mut queue),
            _ => Ok(()),
        };
        if let Err(error) = ready {
            drop(queue);
            job.slot.fail(error);
            return;
        }
        // Not earlier: whoever sees that it waits is to find it in the queue.
        job.slot.set_waiting();
        if let Some(at) = start_by {
            queue.limit(&mut job, at);
        }
        match not_before {
            Some(at) => queue.delay(job, at),
            None => queue.push(job),
        }
        drop(queue);
        self.more.notify_one();
        if timer {
            self.sooner.notify_one();
        }
    }

    fn start_timer(self: &Arc<Shared>, queue: &mut Queue) -> Result<(), TaskError> {
        let shared = Arc::clone(self);
        let thread = std::thread::Builder::new().name(format!("{}-timer", self.name));
        let started = thread.spawn(move || shared.watch_the_clock());
        let timer = started.map_err(|error| {
            TaskError::PoolBroken(format!("no thread could be started as a timer: {error}"))
        })?;
        queue.timer = Some(timer);
        queue.timed = true;
        Ok(())
    }

    fn watch_the_clock(&self) {
        let mut queue = self.lock();
        loop {
            let now = Instant::now();
            let due = queue.tick(now);
            if due.released > 0 {
                self.more.notify_all();
            }
            if !due.expired.is_empty() {
                drop(queue);
                for slot in due.expired {
                    slot.fail(TaskError::Expired(Deadline::Queue));
                }
                queue = self.lock();
                continue;
            }
            queue = match due.next {
                Some(next) => {
                    let left = next.saturating_duration_since(now);
                    let waited = self.sooner.wait_timeout(queue, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None if queue.closed => {
                    // A task that runs still may bring another delay, and with it another timer.
                    queue.timed = false;
                    return;
                }
                None => self.sooner.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn run(self: &Arc<Shared>, job: Job, worker: usize) {
        let Job { slot, run, .. } = job;
        match run {
            Run::Once(run) => run(&slot, worker),
            Run::Repeated(mut task) => {
                if let Some(pause) = task.run(&slot, worker) {
                    let job = Job {
                        slot,
                        run: Run::Repeated(task),
                        priority: job.priority,
                        start_by: None,
                    };
                    let until = (!pause.is_zero()).then(|| after(Instant::now(), pause));
                    self.push(job, false, (until, None));
                }
            }
        }
    }
}

impl Control for Arc<Shared> {
    fn cancel(&self, slot: &SlotRef) -> bool {
        self.withdraw(slot);
        slot.is_cancelled()
    }

    fn kill(&self, slot: &SlotRef) -> bool {
        self.withdraw(slot)
    }

    fn interrupt(&self, slot: &SlotRef) -> bool {
        task::ask_local_to_stop(slot)
    }

    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>) {
        self.callbacks.run(callback);
    }
}

/// See [`ThreadPool::builder`].
#[derive(Debug, Default)]
#[must_use]
pub struct ThreadPoolBuilder {
    workers: Option<usize>,
    name: Option<String>,
}

impl ThreadPoolBuilder {
    /// How many threads; 0 is refused. Default: one per CPU that this process may use.
    pub fn workers(mut self, n: usize) -> Self {
        self.workers = Some(n);
        self
    }

    /// The pool's name, which its threads carry.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// [`BuildError::Invalid`] for no workers, [`BuildError::DuplicateTask`] if two functions have one name,
    /// [`BuildError::Start`] when a thread cannot be started.
    pub fn build(self) -> Result<ThreadPool, BuildError> {
        crate::named::verify()?;
        let workers = match self.workers {
            Some(0) => {
                return Err(BuildError::Invalid(
                    "workers(0): a pool needs at least one worker".into(),
                ));
            }
            Some(n) => n,
            None => crate::cpus(),
        };
        let name = self.name.unwrap_or_else(|| "pexec".to_owned());
        let shared = Arc::new(Shared {
            callbacks: Callbacks::new(&name),
            name,
            queue: Mutex::default(),
            more: Condvar::new(),
            sooner: Condvar::new(),
        });
        let pool = ThreadPool {
            controller: Arc::new(Box::new(Arc::clone(&shared))),
            shared,
            workers,
            threads: Mutex::new(Vec::new()),
        };
        for index in 0..workers {
            // An early return drops the pool, which ends the threads that were started.
            let thread = pool.start_thread(index).map_err(BuildError::Start)?;
            pool.threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(thread);
        }
        Ok(pool)
    }
}

impl ThreadPool {
    /// One thread per CPU that this process may use.
    ///
    /// # Errors
    ///
    /// When a thread cannot be started.
    pub fn new() -> Result<ThreadPool, BuildError> {
        ThreadPool::builder().build()
    }

    /// A pool with options.
    pub fn builder() -> ThreadPoolBuilder {
        ThreadPoolBuilder::default()
    }

    fn start_thread(&self, index: usize) -> io::Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new()
            .name(format!("{}-{index}", shared.name))
            .spawn(move || {
                loop {
                    let mut queue = shared.lock();
                    let job = loop {
                        match queue.pop() {
                            Some(job) => break job,
                            None if queue.closed && queue.is_drained() => return,
                            None => queue = shared.more.wait(queue).unwrap_or_else(PoisonError::into_inner),
                        }
                    };
                    drop(queue);
                    shared.run(job, index);
                }
            })
    }

    /// Finishes everything that was submitted and ends the threads. Idempotent; may be called from any thread,
    /// from a callback too (from a task of its own it waits for the others only).
    pub fn shutdown(&self) {
        self.shared.lock().closed = true;
        self.shared.more.notify_all();
        self.shared.sooner.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let me = std::thread::current().id();
        for thread in threads {
            if thread.thread().id() != me {
                // A worker thread cannot have panicked: tasks are caught. Nothing could be done about it here.
                let _ = thread.join();
            }
        }
        let timer = self.shared.lock().timer.take();
        if let Some(timer) = timer.filter(|timer| timer.thread().id() != me) {
            // It runs no task and no user's code but wakers.
            let _ = timer.join();
        }
        self.shared.callbacks.drain();
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl std::fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ThreadPool({} workers)", self.workers)
    }
}

impl Executor for ThreadPool {
    fn start<F, A, R, M>(
        &self,
        f: F,
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
        if self.shared.lock().closed {
            return match admission {
                Admission::Try => Err(TrySubmitError::Closed(arg)),
                Admission::Wait => Ok(refused()),
            };
        }
        let retry = Repeated::retry(&mut options);
        let (priority, window) = options
            .given()
            .map_or((0, (None, None)), |o| (o.priority, o.window(Instant::now())));
        let control = Arc::clone(&self.controller);
        let slot = Slot::new(next_task_id(), control, options.take_extra());
        let future = TaskFuture::new(SlotRef::clone(&slot));
        let run = match retry.map(|retry| Repeated::new(f, &arg, retry)) {
            None => Run::Once(Box::new(move |slot, worker| {
                run_once(slot, worker, move || f.call(arg));
            })),
            Some(Ok(task)) => Run::Repeated(Box::new(task)),
            Some(Err(error)) => {
                slot.fail(error);
                return Ok(future);
            }
        };
        let job = Job {
            slot,
            run,
            priority,
            start_by: None,
        };
        self.shared.push(job, true, window);
        Ok(future)
    }

    fn width(&self) -> usize {
        self.workers
    }
}
