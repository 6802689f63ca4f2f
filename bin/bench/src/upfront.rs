//! A million tasks submitted before the first result is taken: memory a task, descriptors.

use std::time::Instant;

use pexec::{Executor, ProcessPool};

use crate::record::Records;

fn noop(i: u64) -> u64 {
    i
}

/// A line of /proc/self/status in bytes.
fn status(key: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with(key));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok())
        .unwrap_or(0.0)
        * 1024.0
}

fn descriptors() -> f64 {
    std::fs::read_dir("/proc/self/fd").map_or(0.0, |d| d.count() as f64)
}

pub(crate) fn run(records: &mut Records) {
    let pool = ProcessPool::builder()
        .workers(2)
        .build()
        .expect("a pool of two workers");
    pool.map(noop, 0..1000).for_each(|r| assert!(r.is_ok()));
    for n in [100_000u64, 1_000_000] {
        let peer = format!("pexec submit {n} up front");
        // Forget the peaks of what ran before.
        if let Err(error) = std::fs::write("/proc/self/clear_refs", "5") {
            eprintln!("pexec-bench: the peak cannot be reset, bytes_per_task may be too high: {error}");
        }
        let (before, fds) = (status("VmRSS"), descriptors());
        let start = Instant::now();
        let futures: Vec<_> = (0..n).map(|i| pool.submit(noop, i)).collect();
        records.put(
            &peer,
            "submit_us_per_task",
            start.elapsed().as_secs_f64() * 1e6 / n as f64,
        );
        pexec::wait(&futures, pexec::Until::AllDone, None);
        records.put(&peer, "all_done_s", start.elapsed().as_secs_f64());
        records.put(&peer, "bytes_per_task", (status("VmHWM") - before) / n as f64);
        records.put(&peer, "descriptors_more", descriptors() - fds);
        let sum: u64 = futures.into_iter().map(|f| f.result().expect("a no-op")).sum();
        assert_eq!(sum, n * (n - 1) / 2);
    }
}
