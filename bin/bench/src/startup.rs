//! From nothing to the first result, and to every worker up.

use std::time::{Duration, Instant};

use pexec::{Executor, ProcessPool, WorkerState};

use crate::record::Records;

pub(crate) fn run(records: &mut Records) {
    for _ in 0..5 {
        let start = Instant::now();
        let pool = ProcessPool::builder()
            .workers(2)
            .build()
            .expect("a pool of two workers");
        pool.submit(|| 1, ()).result().expect("a no-op");
        records.put("pexec", "first_result_ms", start.elapsed().as_secs_f64() * 1e3);
        while pool
            .workers()
            .iter()
            .filter(|w| w.state == WorkerState::Idle)
            .count()
            < 2
        {
            std::thread::sleep(Duration::from_micros(50));
        }
        records.put("pexec", "both_workers_ms", start.elapsed().as_secs_f64() * 1e3);
        let rss: u64 = pool.workers().iter().map(|w| w.rss).sum();
        records.put("pexec", "worker_rss_mib", rss as f64 / 2.0 / f64::from(1 << 20));
    }
}
