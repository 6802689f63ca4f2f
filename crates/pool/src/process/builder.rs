//! A pool's options; those that say what its workers are to be stand in `workers`.

mod workers;

use std::ffi::OsString;
use std::fmt::Display;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use pexec_ipc::carry;
use pexec_ipc::process::EnvChange;
use pexec_proto::FunctionRef;
use pexec_proto::codec;
use tracing::level_filters::LevelFilter;

use super::alone::{Only, Sole};
use super::shared::Shared;
use super::{LEAST_MESSAGE, ProcessPool};
use crate::core::{Config, Recycle, Retry, Size};
use crate::driver::{Driver, Launch, thread};
use crate::entry::{MAX_DEPTH, is_initialized};
use crate::error::BuildError;
use crate::function::{
    Payload, TaskFn, assert_no_captures, initializer_reference, try_initializer_reference,
};
use crate::future::bytes::Descriptors;
use crate::limits::Limits;
use crate::observed::Wish;
use crate::preamble;

const MAX_MESSAGE: u64 = 1 << 30;
const KILL_GRACE: Duration = Duration::from_secs(5);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The limit of a handshake for a worker that has no second try, among hundreds that may be started at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// How tasks and answers travel between a pool and its workers; results and guarantees are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// Through memory that the pool shares with each worker: no system call a task while both are active.
    Memory,
    /// Through each worker's socket.
    Socket,
}

/// How a pool's workers come into being.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartMethod {
    /// Each worker is this program, started again, and runs the initializer. The default.
    #[default]
    Spawn,
    /// One process, the template, is this program started again. It runs the initializer once; the workers are forks of it,
    /// which share what the initializer has made until they write to it. See
    /// [`start_method`](ProcessPoolBuilder::start_method).
    Zygote,
}

impl Transport {
    fn preferred() -> Transport {
        match std::env::var("PEXEC_TRANSPORT").as_deref() {
            Ok("socket") => Transport::Socket,
            Ok(_) | Err(_) => Transport::Memory,
        }
    }
}

/// See [`ProcessPool::builder`]. Options that are not set have their defaults, which each method tells.
///
/// ```no_run
/// use std::time::Duration;
/// use pexec::{ProcessPool, Retry};
/// # fn build() -> Result<(), pexec::BuildError> {
/// let pool = ProcessPool::builder()
///     .workers(4)
///     .name("resize")
///     .task_timeout(Duration::from_secs(30))
///     .kill_grace(Duration::from_secs(1))
///     .retry(Retry::times(1))
///     .env("OMP_NUM_THREADS", "1")
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
#[must_use]
pub struct ProcessPoolBuilder {
    workers: Option<Size>,
    idle_timeout: Option<Duration>,
    recycle: Recycle,
    finalizer: Option<Result<Vec<u8>, String>>,
    limits: Option<Limits>,
    nice: Option<i32>,
    cpus: Option<Vec<Vec<u32>>>,
    threads: Option<usize>,
    capture: bool,
    capture_limit: Option<u64>,
    name: Option<String>,
    initializer: Option<Result<(Vec<u8>, Descriptors), String>>,
    task_timeout: Option<Duration>,
    kill_grace: Option<Duration>,
    retry: Option<Retry>,
    queue_capacity: Option<usize>,
    restart_limit: Option<(usize, Duration)>,
    max_message: Option<u64>,
    transport: Option<Transport>,
    tracing: Option<LevelFilter>,
    method: StartMethod,
    env: Vec<EnvChange>,
    dir: Option<PathBuf>,
}

impl ProcessPoolBuilder {
    /// How many workers; 0 is refused. Default: one per CPU that this process may use.
    pub fn workers(mut self, n: usize) -> Self {
        self.workers = Some(Size::of(n));
        self
    }

    /// The pool's name, in thread names, process titles, events and messages. Default: `pexec`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Runs once in every worker, replacements included, before its first task; what it returns is the worker's
    /// state, see [`worker::state`](crate::worker::state). One that panics or exits is a failed start; three in a
    /// row break the pool.
    pub fn initializer<F, A, T, M>(mut self, _: F, arg: A) -> Self
    where
        F: TaskFn<A, T, M>,
        A: Payload,
        T: 'static,
        M: 'static,
    {
        const { assert_no_captures::<F>() };
        self.initializer = Some(encode_call(initializer_reference::<F, A, T, M>(), &arg));
        self
    }

    /// An initializer that can fail: an `Err` is a failed start, and the pool's error tells its text.
    pub fn try_initializer<F, A, T, E, M>(mut self, _: F, arg: A) -> Self
    where
        F: TaskFn<A, Result<T, E>, M>,
        A: Payload,
        T: 'static,
        E: Display + 'static,
        M: 'static,
    {
        const { assert_no_captures::<F>() };
        self.initializer = Some(encode_call(try_initializer_reference::<F, A, T, E, M>(), &arg));
        self
    }

    /// Ends each task that runs longer, from the start of its execution. Default, and zero: no timeout.
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.task_timeout = Some(timeout);
        self
    }

    /// How long a worker that is to end has between SIGTERM and SIGKILL, both sent to its whole process group.
    /// Default: 5 s.
    pub fn kill_grace(mut self, grace: Duration) -> Self {
        self.kill_grace = Some(grace);
        self
    }

    /// Which tasks run again. Default: none, because a task that started may have had effects.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// How many tasks may wait: with that many, `submit` blocks and `try_submit` says `Full`. 0 is refused.
    /// Default: no bound.
    pub fn queue_capacity(mut self, n: usize) -> Self {
        self.queue_capacity = Some(n);
        self
    }

    /// More than `n` crashed workers within `per` break the pool; workers that were ended on purpose do not count. Of a
    /// task that crashes one worker after the other the first counts: it has a limit of its own,
    /// [`Retry::crash_limit`].
    /// Default: crashes that a task is charged with never break it; three failed starts in a row, or a hundred
    /// workers in a row that died without a task, do.
    pub fn restart_limit(mut self, n: usize, per: Duration) -> Self {
        self.restart_limit = Some((n, per));
        self
    }

    /// The largest argument or result in bytes, at most 4 GiB - 64 KiB; a larger one is
    /// [`TaskError::TooLarge`](crate::TaskError::TooLarge). Default: 1 GiB.
    pub fn max_message(mut self, bytes: u64) -> Self {
        self.max_message = Some(bytes);
        self
    }

    /// Sets a variable of the workers' environment.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push(EnvChange::Set(key.into(), value.into()));
        self
    }

    /// Unsets a variable of the workers' environment.
    pub fn env_remove(mut self, key: impl Into<OsString>) -> Self {
        self.env.push(EnvChange::Remove(key.into()));
        self
    }

    /// Empties the workers' environment, what was set before included.
    pub fn env_clear(mut self) -> Self {
        self.env.push(EnvChange::Clear);
        self
    }

    /// The workers' working directory. Default: this process's at the time of each start.
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// How tasks and answers travel. Default: [`Transport::Memory`], or what the environment variable
    /// `PEXEC_TRANSPORT` says (`memory` or `socket`).
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// How workers come into being. Default: [`StartMethod::Spawn`].
    ///
    /// With [`StartMethod::Zygote`] the initializer runs once, in a *template*, and every worker is a fork of that: a model
    /// that takes a second to load is loaded once, lies in memory once as long as nobody writes to it, and a worker
    /// is there in about a millisecond. [`worker::state`](crate::worker::state) gives each worker its own
    /// (copy-on-write) copy. A replacement is a fork as well. A template that ends leaves its workers alone; the next one
    /// that is needed brings a new template, with a new run of the initializer.
    ///
    /// What an initializer must not do then, because a fork has a copy of the memory and of nothing else:
    ///
    /// - leave threads running (its own, a thread pool's, an async runtime's): they are not there in a fork, and a lock that
    ///   one of them held would be held for ever. This is found out: no worker becomes ready, and the pool breaks with the
    ///   threads' names. Threads that have been joined are fine;
    /// - open what cannot be shared: connections (all workers would speak into one), file positions, locks of files, a GPU's
    ///   context. Open such things in the first task, or with [`StartMethod::Spawn`];
    /// - make what must differ between workers: a generator of random numbers gives the same numbers in each (`HashMap`s
    ///   hash alike, too), a process id that was looked up is the template's;
    /// - count on handlers of `pthread_atfork`: they do not run.
    ///
    /// A fork copies the tables of the memory. So that these are short, the template moves what fills its large mappings into
    /// huge pages, once, after the initializer (from Linux 6.1 on).
    ///
    /// The environment and the working directory are those of the template's start. What the initializer tells `tracing` is
    /// not forwarded. [`limits`](Self::limits) and
    /// [`nice`](Self::nice) hold in the template as well. Resident memory, and so
    /// [`max_worker_memory`](Self::max_worker_memory), counts shared pages for each worker. Needs Linux's `clone` as glibc
    /// uses it; elsewhere (musl) the pool breaks with a text that says so. Actors and [`spawn`](crate::spawn()) have no
    /// template.
    ///
    /// ```
    /// use pexec::{Executor, ProcessPool, StartMethod};
    ///
    /// fn load(n: u64) -> Vec<u64> {
    ///     (0..n).collect() // once, however many workers there are
    /// }
    ///
    /// fn look_up(i: usize) -> u64 {
    ///     pexec::worker::state::<Vec<u64>>().map_or(0, |table| table[i])
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pexec::init();
    ///     let pool = ProcessPool::builder()
    ///         .workers(2)
    ///         .start_method(StartMethod::Zygote)
    ///         .initializer(load, 1_000)
    ///         .build()?;
    ///     assert_eq!(pool.submit(look_up, 77).result()?, 77);
    ///     Ok(())
    /// }
    /// ```
    pub fn start_method(mut self, method: StartMethod) -> Self {
        self.method = method;
        self
    }

    /// Starts the pool.
    ///
    /// # Errors
    ///
    /// [`BuildError::NotInitialized`] if [`init`](crate::init) did not run in this process; [`BuildError::Invalid`] for
    /// an option without meaning; [`BuildError::DuplicateTask`] if two functions have one name;
    /// [`BuildError::TooDeep`] for pools inside tasks inside pools beyond 8 levels;
    /// [`BuildError::Start`] if the first worker cannot be started.
    pub fn build(self) -> Result<ProcessPool, BuildError> {
        Ok(self.start(None)?.0)
    }

    /// Has the initializer's place taken by this call, reference and argument.
    pub(crate) fn construct(mut self, call: Result<(Vec<u8>, Descriptors), String>) -> Self {
        self.initializer = Some(call);
        self
    }

    /// Starts the pool, and gives its first worker's pid. `sole`: that is the only one for all time.
    pub(crate) fn start(self, sole: Option<Sole>) -> Result<(ProcessPool, u32), BuildError> {
        if !is_initialized() && !crate::worker::is_worker() {
            return Err(BuildError::NotInitialized);
        }
        crate::named::verify()?;
        let invalid = |why: &str| Err(BuildError::Invalid(why.to_owned()));
        let size = self.workers.unwrap_or_else(|| Size::of(crate::cpus()));
        self.check_workers(size)?;
        if self.queue_capacity == Some(0) {
            return invalid("queue_capacity(0): nothing could ever be submitted");
        }
        let max_message = self.max_message.unwrap_or(MAX_MESSAGE);
        if max_message > u64::from(u32::MAX) - (64 << 10) {
            return invalid("max_message: more than 4 GiB - 64 KiB do not fit a frame");
        }
        let depth = crate::worker::depth() + 1;
        if depth > MAX_DEPTH {
            return Err(BuildError::TooDeep(MAX_DEPTH));
        }
        let initializer = self.initializer.transpose().map_err(BuildError::Invalid)?;
        let (initializer, descriptors) = initializer.unzip();
        let finalizer = self.finalizer.transpose().map_err(BuildError::Invalid)?;
        let name = self.name.unwrap_or_else(|| "pexec".to_owned());
        let wish = Wish::of_this_thread(self.tracing);
        let shared = Shared::new(
            name.clone(),
            max_message,
            self.queue_capacity,
            size.least < size.most,
            wish.subscriber.clone(),
        )
        .map_err(BuildError::Start)?;
        if let Some(sole) = sole {
            shared.only.get_or_init(|| Only::new(sole));
        }
        let config = Config {
            size,
            idle_timeout: self.idle_timeout.unwrap_or(IDLE_TIMEOUT),
            recycle: self.recycle,
            kill_grace: self.kill_grace.unwrap_or(KILL_GRACE),
            restart_limit: self.restart_limit,
            handshake_limit: if sole.is_some() { PATIENCE } else { HANDSHAKE_LIMIT },
            replaces: sole.is_none(),
        };
        let launch = Launch {
            pool: name,
            method: self.method,
            build: preamble::build_id().map_err(BuildError::Start)?,
            env: Launch::environment(workers::with_threads(self.env, self.threads)),
            dir: self.dir,
            depth,
            max_message,
            rings: self.transport.unwrap_or_else(Transport::preferred) == Transport::Memory,
            initializer,
            descriptors: descriptors.unwrap_or_default(),
            finalizer,
            limits: self.limits.map(Limits::encoded),
            nice: self.nice,
            cpus: self.cpus.unwrap_or_default(),
            frugal: self.recycle.memory.is_some() || self.limits.is_some_and(Limits::bounds_memory),
            wish,
            capture: self.capture.then(|| workers::kept(self.capture_limit)),
        };
        let (first_start, started) = sync_channel(1);
        let for_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("pexec-pool".to_owned())
            .spawn(move || {
                let driver = Driver::new(Arc::clone(&for_thread), config, launch, first_start);
                thread::run(&for_thread, driver);
            })
            .map_err(BuildError::Start)?;
        let pool = ProcessPool {
            controller: shared.controller(),
            shared,
            workers: AtomicUsize::new(size.most),
            batches: self.task_timeout.is_none()
                && self.retry.is_none()
                && self.recycle.tasks.is_none()
                && self.limits.is_none()
                && !self.capture
                && self.queue_capacity.is_none()
                && max_message >= LEAST_MESSAGE,
            task_timeout: self.task_timeout,
            retry: self.retry,
            salt: RandomState::new().build_hasher().finish(),
            waits: true,
        };
        match started.recv() {
            Ok(Ok(pid)) => Ok((pool, pid)),
            Ok(Err(error)) => {
                pool.terminate();
                Err(BuildError::Start(error))
            }
            Err(_) => Err(BuildError::Start(std::io::Error::other(
                "the pool's thread ended at once",
            ))),
        }
    }
}

pub(crate) fn encode_call<A: Payload>(
    function: FunctionRef,
    arg: &A,
) -> Result<(Vec<u8>, Descriptors), String> {
    let mut body = function.encode().to_vec();
    let mut descriptors = Vec::new();
    carry::collect(&mut descriptors, || codec::encode(arg, &mut body))
        .map_err(|e| format!("the initializer's argument cannot be serialised: {e}"))?;
    Ok((body, descriptors))
}
