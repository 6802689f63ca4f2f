//! Re-exports the ids that travel.

pub use pexec_proto::ids::TaskId;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many ids a thread takes at once: a counter that all threads share costs more than a task otherwise does.
const BLOCK: u64 = 256;

/// The next id; unique within this process, and larger than this thread's last.
pub(crate) fn next_task_id() -> TaskId {
    next_task_ids(1)
}

/// The first of so many ids in a row; likewise.
pub(crate) fn next_task_ids(n: u64) -> TaskId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static MINE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    }
    let (mut next, mut end) = MINE.get();
    if end - next < n {
        let block = n.max(BLOCK);
        next = NEXT.fetch_add(block, Ordering::Relaxed);
        end = next + block;
    }
    MINE.set((next + n, end));
    TaskId(next)
}
