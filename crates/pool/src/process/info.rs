//! What a pool tells about itself.

use super::percentiles::Percentiles;

/// A live worker; see [`ProcessPool::workers`](crate::ProcessPool::workers).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its place in the pool, from 0; a replacement has the same.
    pub slot: usize,
    /// Its process id.
    pub pid: u32,
    /// What it does.
    pub state: WorkerState,
    /// Tasks that this process has finished.
    pub tasks_done: u64,
    /// Its resident memory in bytes; 0 where /proc does not say.
    pub rss: u64,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerState {
    /// It starts, or runs the initializer.
    Starting,
    /// It waits for a task.
    Idle,
    /// It runs a task.
    Busy,
    /// It is being ended.
    Stopping,
}

/// Counts since the pool was built; see [`ProcessPool::stats`](crate::ProcessPool::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Tasks that wait.
    pub queued: u64,
    /// Tasks that run.
    pub running: u64,
    /// Tasks that returned a value.
    pub done: u64,
    /// Tasks that ended in any error but cancellation.
    pub failed: u64,
    /// Tasks that were cancelled.
    pub cancelled: u64,
    /// Workers that were started in place of another.
    pub restarts: u64,
    /// How long tasks waited, from their submission until their first attempt began to run.
    ///
    /// While tasks take long every one is measured; of those that take less than about 20 µs one in 64 is, and stands for
    /// the others. Inputs of a map that travel together count with their average. Tasks with a delay are left out, and
    /// first attempts that gave no answer (a crash, a timeout) are.
    pub queue_wait: Percentiles,
    /// How long their first attempts ran, without the decoding of the argument and the encoding of the result; likewise.
    pub run_time: Percentiles,
}

/// Resident bytes of a process, as /proc tells.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    pages.saturating_mul(rustix::param::page_size() as u64)
}
