//! The hot path alone, in steps that a profiler can tell apart: `scripts/hotpath.sh` counts their instructions.

use pexec::{Executor, ProcessPool, TaskFuture};

use crate::work::{noop, pool, sum_below};

/// Sends `n` tasks through one worker: all submitted, then all taken; or as the items of a map.
pub(crate) fn run(n: u64, map: bool) {
    let pool = pool(1);
    if map {
        return assert_eq!(hot_map(&pool, n), sum_below(n));
    }
    let futures = hot_submit(&pool, n);
    assert_eq!(hot_take(futures), sum_below(n));
}

#[inline(never)]
fn hot_submit(pool: &ProcessPool, n: u64) -> Vec<TaskFuture<u64>> {
    (0..n).map(|i| pool.submit(noop, i)).collect()
}

#[inline(never)]
fn hot_map(pool: &ProcessPool, n: u64) -> u64 {
    pool.map(noop, 0..n).map(|r| r.expect("a no-op")).sum()
}

#[inline(never)]
fn hot_take(futures: Vec<TaskFuture<u64>>) -> u64 {
    futures.into_iter().map(|f| f.result().expect("a no-op")).sum()
}
