//! The options that say how many workers a pool has, when one is replaced, and what its process is to be.

use std::time::Duration;

use pexec_ipc::process::EnvChange;
use pexec_proto::codec;
use tracing::level_filters::LevelFilter;

use super::ProcessPoolBuilder;
use crate::core::Size;
use crate::error::BuildError;
use crate::function::{Payload, TaskFn, assert_no_captures, initializer_reference};
use crate::limits::Limits;
use crate::process::MOST_WORKERS;

/// Where libraries look for how many threads they are to start.
const THREAD_VARIABLES: [&str; 7] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
];

impl ProcessPoolBuilder {
    /// An elastic pool: `least` workers from the start, and more, up to `most`, while tasks wait for one. Those above
    /// the least leave when they have had nothing to do for the [`idle_timeout`](Self::idle_timeout). 0, and a `most`
    /// below `least`, are refused.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn build() -> Result<(), pexec::BuildError> {
    /// let pool = pexec::ProcessPool::builder()
    ///     .workers_between(1, 16)
    ///     .idle_timeout(Duration::from_secs(10))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn workers_between(mut self, least: usize, most: usize) -> Self {
        self.workers = Some(Size { least, most });
        self
    }

    /// After this long without a task a worker above the least leaves. Default: a minute. Means nothing to a pool that
    /// is not elastic.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Replaces a worker when it has run `n` tasks; 0 is refused. Default: never. Exact: each attempt of a task counts,
    /// and no worker runs more. A map's inputs travel one by one then.
    ///
    /// A worker is only ever replaced between tasks, and no task is lost or charged for it. It counts neither as a
    /// crash nor towards the restart limit. The replacement has the same slot, and starts when the old one is gone.
    pub fn max_tasks_per_worker(mut self, n: u64) -> Self {
        self.recycle.tasks = Some(n);
        self
    }

    /// Replaces a worker, between tasks, that became ready this long ago and has run a task since; one worker after the
    /// other. Default, and zero: never.
    pub fn max_worker_age(mut self, age: Duration) -> Self {
        self.recycle.age = Some(age).filter(|age| !age.is_zero());
        self
    }

    /// Replaces a worker, between tasks, whose resident memory is larger than so many bytes after a task; 0 is refused.
    /// Default: never. It is looked at within 50 ms of a task's end. If the worker runs the next task by then and has
    /// too much, it is looked at again after that one, so that what a task needs for itself does not count. To end a task that takes too much, use [`limits`](Self::limits).
    pub fn max_worker_memory(mut self, bytes: u64) -> Self {
        self.recycle.memory = Some(bytes);
        self
    }

    /// Runs once in every worker that leaves in an orderly way: at the end of the pool (not after
    /// [`terminate`](crate::ProcessPool::terminate)), to be replaced, or because it is not needed any more. Never after a
    /// crash or a kill. [`worker::state`](crate::worker::state) is still there; what `f` returns is dropped. It has the
    /// [`kill_grace`](Self::kill_grace) to finish; then its process is killed. Its panic is told on standard error. Its argument
    /// cannot bring descriptors along (a `SharedBytes`): [`build`](Self::build) refuses it.
    ///
    /// ```no_run
    /// # fn build() -> Result<(), pexec::BuildError> {
    /// let pool = pexec::ProcessPool::builder()
    ///     .finalizer(|dir: String| std::fs::remove_dir_all(dir).is_ok(), "/tmp/scratch".to_owned())
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn finalizer<F, A, T, M>(mut self, _: F, arg: A) -> Self
    where
        F: TaskFn<A, T, M>,
        A: Payload,
        T: 'static,
        M: 'static,
    {
        const { assert_no_captures::<F>() };
        let function = initializer_reference::<F, A, T, M>();
        let mut body = function.encode().to_vec();
        let encoded = codec::encode(&arg, &mut body);
        let why = |e| format!("the finalizer's argument cannot be serialised: {e}");
        self.finalizer = Some(encoded.map(|()| body).map_err(why));
        self
    }

    /// What each worker may use: set before its initializer, hard limits too, so that no task can raise them; CPU time
    /// counts for each task by itself. A task that dies of a limit ends as
    /// [`TaskError::LimitExceeded`](crate::TaskError::LimitExceeded), which counts towards no restart limit. A map's
    /// inputs travel one by one then.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// The workers' niceness, from -20 (first) to 19 (last): an absolute value. Default: this program's own. A lower one
    /// than that needs a privilege; without it no worker starts, and the pool breaks with the reason.
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = Some(nice);
        self
    }

    /// The CPUs that each worker may run on: the worker in slot `i` gets the set number `i`, or, if there are fewer sets
    /// than workers, goes round. One set is for all. No set, an empty one and a CPU that does not exist are refused, the
    /// last by the workers: then the pool breaks with the reason. Default: this program's own affinity.
    ///
    /// ```no_run
    /// # fn build() -> Result<(), pexec::BuildError> {
    /// let all_on_two = pexec::ProcessPool::builder().cpu_affinity([[0, 1]]).build()?;
    /// let one_each = pexec::ProcessPool::builder().workers(4).cpu_affinity((0..4).map(|cpu| [cpu])).build()?;
    /// # Ok(()) }
    /// ```
    pub fn cpu_affinity(mut self, sets: impl IntoIterator<Item = impl IntoIterator<Item = usize>>) -> Self {
        let cpu = |cpu| u32::try_from(cpu).unwrap_or(u32::MAX);
        self.cpus = Some(
            sets.into_iter()
                .map(|set| set.into_iter().map(cpu).collect())
                .collect(),
        );
        self
    }

    /// How many threads a library in a worker should start, told by the variables that such libraries read:
    /// `OMP_NUM_THREADS`, `OPENBLAS_NUM_THREADS`, `MKL_NUM_THREADS`, `BLIS_NUM_THREADS`, `VECLIB_MAXIMUM_THREADS`,
    /// `NUMEXPR_NUM_THREADS`, `RAYON_NUM_THREADS`. One that is set already, by [`env`](Self::env) or in this program's
    /// environment, or taken away by [`env_remove`](Self::env_remove), stays so. 0 is refused. Default: nothing is set.
    pub fn threads_per_worker(mut self, n: usize) -> Self {
        self.threads = Some(n);
        self
    }

    /// Whether what tasks print goes to their outcomes, [`Outcome::stdout`](crate::Outcome::stdout) and
    /// [`stderr`](crate::Outcome::stderr), instead of to this program's own. Default: no.
    ///
    /// It is what is written to the descriptors 1 and 2 between a task's start and the moment in which its answer is
    /// sent: by Rust, by C code, by children. What was written before a crash is there too. A thread or a child that
    /// a task leaves behind writes into whichever task runs by then. What is written between tasks (by an initializer, by
    /// the destructor of a result) goes to this program's standard error. Of a task that is tried again the last attempt
    /// counts.
    ///
    /// A line that Rust's `print!` has not finished is in the task's process; a crash loses it. A map's inputs
    /// travel one by one. Each task costs a few system calls more. Thread pools and inline executors capture nothing.
    ///
    /// ```no_run
    /// use pexec::Executor;
    /// # fn work() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = pexec::ProcessPool::builder().capture_output(true).build()?;
    /// let future = pool.submit(|name: String| println!("hello {name}"), "you".to_owned());
    /// future.wait();
    /// let outcome = future.outcome().ok_or("it has ended")?;
    /// assert_eq!(outcome.stdout(), b"hello you\n");
    /// # Ok(()) }
    /// ```
    pub fn capture_output(mut self, capture: bool) -> Self {
        self.capture = capture;
        self
    }

    /// How much of each captured stream of a task is kept: the first half and the last half of so many bytes; a line
    /// between them says how much was left out. Default: 1 MiB.
    pub fn capture_limit(mut self, bytes: u64) -> Self {
        self.capture_limit = Some(bytes);
        self
    }

    /// Up to which level the program hears what its tasks tell [`tracing`]. Default: what the subscriber wants that the
    /// thread has which builds the pool, or the program's; nothing without one. [`LevelFilter::OFF`]: nothing.
    ///
    /// Events and spans of tasks, initializers and their threads are told to that subscriber again, with level, target,
    /// file, line and fields as they were, and events with three fields more: `worker` (its slot), `task` (its id) and
    /// `label`, unless they have fields of these names. A task's come before its future is done, also if it crashes. They
    /// are told on a thread of the pool's: a subscriber that blocks holds up those tasks only that have told something.
    /// Spans begin and end there, and are not entered.
    ///
    /// What nobody wants to hear costs a worker nothing: the level is asked for when it starts, so a subscriber is best
    /// installed before the pool is built. A worker tells up to 10,000 records at once and 20,000 a second; what goes
    /// beyond is left out, and an event of the level WARN says how many. So it is where the subscriber takes them too slowly.
    ///
    /// A worker whose code installs a subscriber of its own (before [`init`](crate::init), or in the initializer)
    /// keeps that one, and tells it everything. The initializer of a [`StartMethod::Zygote`](crate::StartMethod::Zygote)
    /// runs before there is a worker, and is not heard.
    ///
    /// ```no_run
    /// use pexec::Executor;
    /// use tracing::level_filters::LevelFilter;
    ///
    /// fn resize(file: String) {
    ///     tracing::info!(file, "resized"); // INFO my_program: resized file="a.png" worker=0 task=1
    /// }
    /// # fn work() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = pexec::ProcessPool::builder().tracing(LevelFilter::INFO).build()?;
    /// pool.submit(resize, "a.png".to_owned()).result()?;
    /// # Ok(()) }
    /// ```
    pub fn tracing(mut self, most: LevelFilter) -> Self {
        self.tracing = Some(most);
        self
    }

    pub(super) fn check_workers(&self, size: Size) -> Result<(), BuildError> {
        let no_cpus = |sets: &Vec<Vec<u32>>| sets.is_empty() || sets.iter().any(Vec::is_empty);
        let refused = [
            (size.most == 0, "workers(0): a pool needs at least one worker"),
            (
                size.least == 0,
                "workers_between(0, ..): a pool keeps at least one worker",
            ),
            (
                size.least > size.most,
                "workers_between: the most is less than the least",
            ),
            (size.most > MOST_WORKERS, "workers: more than 65,536"),
            (
                self.recycle.tasks == Some(0),
                "max_tasks_per_worker(0): no worker could ever run a task",
            ),
            (
                self.recycle.memory == Some(0),
                "max_worker_memory(0): every worker has some",
            ),
            (
                self.threads == Some(0),
                "threads_per_worker(0): a library needs at least one",
            ),
            (
                self.nice.is_some_and(|nice| !(-20..=19).contains(&nice)),
                "nice: it lies between -20 and 19",
            ),
            (
                self.cpus.as_ref().is_some_and(no_cpus),
                "cpu_affinity: a worker needs at least one CPU",
            ),
        ];
        match refused.into_iter().find(|(refused, _)| *refused) {
            Some((_, why)) => Err(BuildError::Invalid(why.to_owned())),
            None => Ok(()),
        }
    }
}

/// How many bytes of a captured stream are kept.
pub(super) fn kept(limit: Option<u64>) -> usize {
    usize::try_from(limit.unwrap_or(1 << 20)).unwrap_or(usize::MAX)
}

/// The user's changes, and behind them what is to be set unless the user has said something about it.
pub(super) fn with_threads(mut env: Vec<EnvChange>, threads: Option<usize>) -> Vec<EnvChange> {
    let Some(threads) = threads else { return env };
    for name in THREAD_VARIABLES {
        let inherited = std::env::var_os(name).is_some();
        let said = env.iter().fold(inherited, |said, change| match change {
            EnvChange::Clear => false,
            EnvChange::Set(key, _) | EnvChange::Remove(key) => said || key == name,
        });
        if !said {
            env.push(EnvChange::Set(name.into(), threads.to_string().into()));
        }
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_set(env: &[EnvChange], name: &str, value: &str) -> bool {
        env.contains(&EnvChange::Set(name.into(), value.into()))
    }

    #[test]
    fn what_the_user_has_said_about_threads_holds() {
        assert_eq!(with_threads(Vec::new(), None), []);
        let user = vec![
            EnvChange::Set("OMP_NUM_THREADS".into(), "8".into()),
            EnvChange::Remove("MKL_NUM_THREADS".into()),
        ];
        let env = with_threads(user, Some(2));
        assert!(is_set(&env, "OMP_NUM_THREADS", "8") && !is_set(&env, "OMP_NUM_THREADS", "2"));
        assert!(!is_set(&env, "MKL_NUM_THREADS", "2"));
        assert!(is_set(&env, "OPENBLAS_NUM_THREADS", "2"));
        let cleared = vec![
            EnvChange::Set("OMP_NUM_THREADS".into(), "8".into()),
            EnvChange::Clear,
        ];
        assert!(is_set(&with_threads(cleared, Some(2)), "OMP_NUM_THREADS", "2"));
    }
}
