//! The same verbs over threads of this process: no isolation, no serialising, no start-up.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::callbacks::Callbacks;
use crate::error::{BuildError, TaskError, TrySubmitError};
use crate::executor::{Admission, Executor};
use crate::function::{Payload, TaskFn, assert_no_captures};
use crate::future::TaskFuture;
use crate::future::slot::{Control, Controller, Slot, SlotRef};
use crate::ids::next_task_id;
use crate::inline::{refused, run_local};
use crate::options::TaskOptions;
use crate::task;

/// Runs tasks on threads. Panics are caught; what only a process can give (timeouts that end a task, kill,
/// survival of a crash) is not there: those options are not applied and [`TaskFuture::kill`] of a running task
/// answers false.
///
/// Dropping the pool finishes everything that was submitted.
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

type Job = (SlotRef, Box<dyn FnOnce(&SlotRef, usize) + Send>);

struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    callbacks: Callbacks,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control for Arc<Shared> {
    fn cancel(&self, slot: &SlotRef) -> bool {
        let mut queue = self.lock();
        let Some(at) = queue
            .jobs
            .iter()
            .position(|(queued, _)| SlotRef::ptr_eq(queued, slot))
        else {
            drop(queue);
            return slot.is_cancelled();
        };
        let job = queue.jobs.remove(at);
        drop(queue);
        drop(job);
        slot.complete(Err(Box::new(TaskError::Cancelled)))
    }

    fn kill(&self, slot: &SlotRef) -> bool {
        self.cancel(slot)
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
    /// [`BuildError::Invalid`] for no workers, [`BuildError::Start`] when a thread cannot be started.
    pub fn build(self) -> Result<ThreadPool, BuildError> {
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
        let queue = Mutex::new(Queue {
            jobs: VecDeque::new(),
            closed: false,
        });
        let shared = Arc::new(Shared {
            queue,
            more: Condvar::new(),
            callbacks: Callbacks::new(&name),
        });
        let pool = ThreadPool {
            controller: Arc::new(Box::new(Arc::clone(&shared))),
            shared,
            workers,
            threads: Mutex::new(Vec::new()),
        };
        for index in 0..workers {
            // An early return drops the pool, which ends the threads that were started.
            let thread = pool.start_thread(&name, index).map_err(BuildError::Start)?;
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

    fn start_thread(&self, name: &str, index: usize) -> io::Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new()
            .name(format!("{name}-{index}"))
            .spawn(move || {
                loop {
                    let mut queue = shared.lock();
                    let (slot, run) = loop {
                        match queue.jobs.pop_front() {
                            Some(job) => break job,
                            None if queue.closed => return,
                            None => queue = shared.more.wait(queue).unwrap_or_else(PoisonError::into_inner),
                        }
                    };
                    drop(queue);
                    run(&slot, index);
                }
            })
    }

    /// Finishes everything that was submitted and ends the threads. Idempotent; may be called from any thread,
    /// from a callback too (from a task of its own it waits for the others only).
    pub fn shutdown(&self) {
        self.shared.lock().closed = true;
        self.shared.more.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let me = std::thread::current().id();
        for thread in threads {
            if thread.thread().id() != me {
                // A worker thread cannot have panicked: tasks are caught. Nothing could be done about it here.
                let _ = thread.join();
            }
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
        let mut queue = self.shared.lock();
        if queue.closed {
            return match admission {
                Admission::Try => Err(TrySubmitError::Closed(arg)),
                Admission::Wait => Ok(refused()),
            };
        }
        let control = Arc::clone(&self.controller);
        let slot = Slot::new(next_task_id(), control, options.take_extra());
        let run = move |slot: &SlotRef, index: usize| run_local(slot, index, move || f.call(arg));
        queue.jobs.push_back((SlotRef::clone(&slot), Box::new(run)));
        drop(queue);
        self.shared.more.notify_one();
        Ok(TaskFuture::new(slot))
    }

    fn width(&self) -> usize {
        self.workers
    }
}
