//! Tasks that do nothing, a million of them: what the pool itself costs.

use std::time::Instant;

use pexec::{Executor, ProcessPool};

use crate::record::Records;

fn noop(i: u64) -> u64 {
    i
}

pub(crate) fn run(records: &mut Records) {
    let pool = ProcessPool::builder()
        .workers(2)
        .build()
        .expect("a pool of two workers");
    let n = 500_000u64;
    for _ in 0..2 {
        warm(&pool);
        let start = Instant::now();
        let futures: Vec<_> = (0..n).map(|i| pool.submit(noop, i)).collect();
        let sum: u64 = futures.into_iter().map(|f| f.result().expect("a no-op")).sum();
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(sum, n * (n - 1) / 2);
        records.put(
            "pexec submit each, all awaited",
            "tasks_per_s",
            n as f64 / seconds,
        );

        let start = Instant::now();
        let sum: u64 = pool.map(noop, 0..n).map(|r| r.expect("a no-op")).sum();
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(sum, n * (n - 1) / 2);
        records.put("pexec map", "tasks_per_s", n as f64 / seconds);
    }
}

fn warm(pool: &ProcessPool) {
    pool.map(noop, 0..10_000).for_each(|r| assert!(r.is_ok()));
}
