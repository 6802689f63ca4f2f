//! From nothing to the first result, and to every worker up; what a pool weighs.
//!
//! Once a process: a program builds its first pool once. What one more worker takes is measured several times: started, and
//! forked from templates without and with a model.

use std::time::Instant;

use pexec::{Executor, ProcessPool, StartMethod};

use crate::record::Records;
use crate::size::Size;
use crate::work::{bytes, idle, noop, wait_for_all};

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn run(records: &mut Records, size: Size) {
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
    drop(pool);
    let model: usize = if size.is_quick() { 16 << 20 } else { 1 << 30 };
    one_more(records, "pexec", StartMethod::Spawn, 0);
    one_more(records, "pexec zygote", StartMethod::Zygote, 0);
    one_more(records, "pexec zygote 1GiB", StartMethod::Zygote, model);
}

fn load(bytes: usize) -> Vec<u8> {
    vec![7; bytes]
}

/// Reads a byte of every page of the model.
fn read(_: u64) -> u64 {
    let model = pexec::worker::state::<Vec<u8>>().expect("the initializer's");
    model.iter().step_by(4096).map(|&byte| u64::from(byte)).sum()
}

/// From asking for one more worker to its being ready, the median; and what all of them weigh that have read the model.
fn one_more(records: &mut Records, peer: &str, method: StartMethod, model: usize) {
    const MOST: usize = 16;
    let pool = ProcessPool::builder()
        .workers(1)
        .start_method(method)
        .initializer(load, model)
        .build()
        .expect("a pool of one worker");
    wait_for_all(&pool, 1);
    let mut took: Vec<f64> = (2..=MOST)
        .map(|workers| {
            let start = Instant::now();
            pool.resize(workers);
            while idle(&pool) < workers {
                std::thread::yield_now();
            }
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    records.put(peer, "one_more_worker_ms", took[took.len() / 2]);
    pool.map(read, 0..4 * MOST as u64)
        .for_each(|r| assert!(r.is_ok()));
    let workers: Vec<String> = pool.workers().iter().map(|w| w.pid.to_string()).collect();
    let sum: f64 = workers
        .iter()
        .map(|pid| bytes(pid, "smaps_rollup", "Pss:") / MIB)
        .sum();
    records.put(peer, "sixteen_workers_pss_mib", sum);
}
