//! Re-exports the ids that travel.

pub use pexec_proto::ids::TaskId;

use std::sync::atomic::{AtomicU64, Ordering};

/// The next id; unique within this process.
pub(crate) fn next_task_id() -> TaskId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    TaskId(NEXT.fetch_add(1, Ordering::Relaxed))
}
