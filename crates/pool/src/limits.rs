//! What a worker's process, or one task, may use of the machine.

use std::time::Duration;

/// Bounds that the kernel keeps (`setrlimit`), for all workers of a pool
/// ([`ProcessPoolBuilder::limits`](crate::ProcessPoolBuilder::limits)) or for one task
/// ([`TaskBuilder::limits`](crate::TaskBuilder::limits)).
///
/// A task that dies of one ends as [`TaskError::LimitExceeded`](crate::TaskError::LimitExceeded), and its autopsy names the
/// limit. Where the kernel only refuses something (a descriptor, memory that the task asks for with `try_reserve`), the
/// task sees an ordinary error. What is not set stays as it is. No limit can be raised above the hard limit that this
/// program has itself; the smaller one counts then.
///
/// ```
/// use std::time::Duration;
/// use pexec::Limits;
/// let limits = Limits::new()
///     .address_space(2 << 30)
///     .cpu_time(Duration::from_secs(10))
///     .open_files(256)
///     .core(0);
/// # let _ = limits;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits(pexec_proto::Limits);

impl Limits {
    /// No limits.
    pub fn new() -> Limits {
        Limits::default()
    }

    /// Bytes of address space of the whole worker process. That is more than the memory it uses: what is reserved
    /// counts too, some hundred MiB in a worker that has done nothing. A Rust allocation that fails aborts the process
    /// (`LimitExceeded`); one in C code returns null, and what happens then is the C code's (often a crash, which is
    /// told as such).
    pub fn address_space(mut self, bytes: u64) -> Limits {
        self.0.address_space = Some(bytes);
        self
    }

    /// CPU time of each task, all threads of its worker together, whether it was set for the pool or for the task. The
    /// kernel counts in whole seconds: a task gets what is given, rounded up to the next second, and less than two
    /// seconds more; 0 counts as one second. Then SIGXCPU ends it. Time in which a task sleeps or waits is not counted;
    /// against that, use a timeout.
    pub fn cpu_time(mut self, time: Duration) -> Limits {
        self.0.cpu_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Descriptors that are open at a time, the worker's own (about a dozen) included. Beyond it the task gets an
    /// ordinary error.
    pub fn open_files(mut self, n: u64) -> Limits {
        self.0.open_files = Some(n);
        self
    }

    /// Bytes of the core file that a crash leaves; 0: none.
    pub fn core(mut self, bytes: u64) -> Limits {
        self.0.core = Some(bytes);
        self
    }

    pub(crate) fn bounds_memory(self) -> bool {
        self.0.address_space.is_some()
    }

    pub(crate) fn encoded(self) -> pexec_proto::Limits {
        self.0
    }
}

/// What counts for a task: its own limits where it has some, else its pool's.
pub(crate) fn in_force(
    pool: Option<pexec_proto::Limits>,
    task: Option<pexec_proto::Limits>,
) -> Option<pexec_proto::Limits> {
    let (pool, task) = match (pool, task) {
        (Some(pool), Some(task)) => (pool, task),
        (pool, task) => return pool.or(task),
    };
    Some(pexec_proto::Limits {
        address_space: task.address_space.or(pool.address_space),
        cpu_ms: task.cpu_ms.or(pool.cpu_ms),
        open_files: task.open_files.or(pool.open_files),
        core: task.core.or(pool.core),
    })
}
