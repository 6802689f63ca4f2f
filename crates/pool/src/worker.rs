//! The other side: what a worker process does from its first instruction to its last.
//!
//! One thread serves tasks, in order; a second one (`lifeline`) ends the process and everything that it started
//! when the supervisor is gone. Each answer is sent before the next task starts, and the shared cells name the
//! running task from before its first step until its answer is out: that is what makes blame exact.

mod bounds;
mod channel;
pub(crate) mod current;
mod groups;
mod lifeline;
mod marks;
mod serve;
mod startup;
mod template;
mod trace;

pub use current::state;
pub use groups::{CgroupGuard, GroupGuard, guard_cgroup, guard_group};
pub(crate) use serve::serve;

/// How many pools this process is inside of; 0 for an ordinary program.
pub(crate) fn depth() -> u32 {
    current::identity().map_or(0, |me| me.depth)
}

/// For how long this worker was kept stopped by [`ProcessPool::suspend`](crate::ProcessPool::suspend), all in all: what a
/// task that keeps time itself takes off. Zero outside of a worker.
pub fn suspended() -> std::time::Duration {
    current::identity().map_or(std::time::Duration::ZERO, |me| me.cells.suspended())
}

/// Whether this process is a worker.
pub(crate) fn is_worker() -> bool {
    current::identity().is_some()
}
