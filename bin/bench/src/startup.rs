//! From nothing to the first result, and to every worker up; what a pool weighs.
//!
//! Once a process: a program builds its first pool once.

use std::time::Instant;

use pexec::{Executor, ProcessPool};

use crate::record::Records;
use crate::size::Size;
use crate::work::{bytes, noop, wait_for_all};

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn run(records: &mut Records, _: Size) {
    let start = Instant::now();
    let pool = ProcessPool::builder()
        .workers(2)
        .build()
        .expect("a pool of two workers");
    pool.submit(noop, 1).result().expect("a no-op");
    records.put("pexec", "first_result_ms", start.elapsed().as_secs_f64() * 1e3);
    wait_for_all(&pool, 2);
    records.put("pexec", "both_workers_ms", start.elapsed().as_secs_f64() * 1e3);
    for i in 0..100 {
        pool.submit(noop, i).result().expect("a no-op");
    }
    let of = |process: &str, key: &str| bytes(process, "smaps_rollup", key) / MIB;
    let workers: Vec<String> = pool.workers().iter().map(|w| w.pid.to_string()).collect();
    let sum = |key: &str| workers.iter().map(|pid| of(pid, key)).sum::<f64>();
    records.put("pexec", "worker_rss_mib", sum("Rss:") / 2.0);
    records.put("pexec", "worker_pss_mib", sum("Pss:") / 2.0);
    records.put("pexec", "parent_rss_mib", of("self", "Rss:"));
    records.put("pexec", "total_pss_mib", of("self", "Pss:") + sum("Pss:"));
}
