//! A million tasks submitted before the first result is taken: memory a task, descriptors.

use std::time::{Duration, Instant};

use pexec::Executor;

use crate::record::Records;
use crate::size::Size;
use crate::work::{bytes, noop, pool, sum_below};

/// Longer than it takes to submit.
const NAP: Duration = Duration::from_millis(500);

fn descriptors() -> f64 {
    std::fs::read_dir("/proc/self/fd").map_or(0.0, |d| d.count() as f64)
}

fn nap() {
    std::thread::sleep(NAP);
}

pub(crate) fn run(records: &mut Records, size: Size) {
    let pool = pool(2);
    let n = size.tasks();
    let peer = format!("pexec submit {n} up front");
    // Forget the peaks of the start.
    if let Err(error) = std::fs::write("/proc/self/clear_refs", "5") {
        eprintln!("pexec-bench: the peak cannot be reset, bytes_per_task may be too high: {error}");
    }
    // So that hardly any of them is done before the last is submitted: the most that can be held at once.
    let held = [pool.submit(nap, ()), pool.submit(nap, ())];
    let (before, fds) = (bytes("self", "status", "VmRSS"), descriptors());
    let start = Instant::now();
    let futures: Vec<_> = (0..n).map(|i| pool.submit(noop, i)).collect();
    let submitting = start.elapsed();
    if submitting > NAP {
        eprintln!(
            "pexec-bench: submitting took longer than the workers were held; bytes_per_task may be too low"
        );
    }
    records.put(
        &peer,
        "submit_us_per_task",
        submitting.as_secs_f64() * 1e6 / n as f64,
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
