//! A million tasks submitted before the first result is taken: memory a task, descriptors.

use std::time::Instant;

use pexec::Executor;

use crate::Size;
use crate::record::Records;
use crate::work::{bytes, noop, pool, sum_below};

fn descriptors() -> f64 {
    std::fs::read_dir("/proc/self/fd").map_or(0.0, |d| d.count() as f64)
}

fn nap() {
    std::thread::sleep(std::time::Duration::from_millis(400));
}

pub(crate) fn run(records: &mut Records, size: Size) {
    let pool = pool(2);
    for full in [100_000u64, 1_000_000] {
        let n = size.of(full);
        let peer = format!("pexec submit {n} up front");
        // Forget the peaks of what ran before.
        if let Err(error) = std::fs::write("/proc/self/clear_refs", "5") {
            eprintln!("pexec-bench: the peak cannot be reset, bytes_per_task may be too high: {error}");
        }
        // So that none of them is done before the last is submitted.
        let held = [pool.submit(nap, ()), pool.submit(nap, ())];
        let (before, fds) = (bytes("self", "status", "VmRSS"), descriptors());
        let start = Instant::now();
        let futures: Vec<_> = (0..n).map(|i| pool.submit(noop, i)).collect();
        records.put(
            &peer,
            "submit_us_per_task",
            start.elapsed().as_secs_f64() * 1e6 / n as f64,
        );
        records.put(&peer, "descriptors_more", descriptors() - fds);
        pexec::wait(&futures, pexec::Until::AllDone, None);
        records.put(&peer, "all_done_s", start.elapsed().as_secs_f64());
        let peak = bytes("self", "status", "VmHWM");
        records.put(&peer, "bytes_per_task", (peak - before) / n as f64);
        let sum: u64 = futures.into_iter().map(|f| f.result().expect("a no-op")).sum();
        assert_eq!(sum, sum_below(n));
        held.into_iter().for_each(|f| f.result().expect("a nap"));
    }
}
