//! Tasks that do nothing, a million of them: what the pool itself costs.

use std::time::Instant;

use pexec::{Executor, ProcessPool};

use crate::Size;
use crate::record::Records;
use crate::work::{noop, pool, sum_below};

pub(crate) fn run(records: &mut Records, size: Size) {
    let pool = pool(2);
    let n = size.of(1_000_000);
    for _ in 0..3 {
        let seconds = submit_each(&pool, n);
        records.put("pexec submit", "tasks_per_s", n as f64 / seconds);

        let n = 4 * n;
        let start = Instant::now();
        let sum: u64 = pool.map(noop, 0..n).map(|r| r.expect("a no-op")).sum();
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(sum, sum_below(n));
        records.put("pexec map", "tasks_per_s", n as f64 / seconds);

        let start = Instant::now();
        let sum: u64 = pool
            .map_unordered(noop, 0..n)
            .map(|(_, r)| r.expect("a no-op"))
            .sum();
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(sum, sum_below(n));
        records.put("pexec map_unordered", "tasks_per_s", n as f64 / seconds);
    }
}

/// One submit each, all futures kept and awaited. Gives the seconds.
pub(crate) fn submit_each(pool: &ProcessPool, n: u64) -> f64 {
    let start = Instant::now();
    let futures: Vec<_> = (0..n).map(|i| pool.submit(noop, i)).collect();
    let sum: u64 = futures.into_iter().map(|f| f.result().expect("a no-op")).sum();
    assert_eq!(sum, sum_below(n));
    start.elapsed().as_secs_f64()
}
