//! Does cost stay what it is: with more CPUs' worth of workers, with more tasks, with more workers than CPUs.

use std::time::{Duration, Instant};

use pexec::Executor;

use crate::Size;
use crate::noop::submit_each;
use crate::record::Records;
use crate::work::{compute, cpu_seconds, pool};

fn work((seed, steps): (u64, u64)) -> u64 {
    compute(seed, steps)
}

pub(crate) fn run(records: &mut Records, size: Size) {
    cpu_bound(records, size);
    tasks(records, size);
    workers(records, size);
}

/// 64 tasks of fixed CPU work on one thread, on one worker, on two.
fn cpu_bound(records: &mut Records, size: Size) {
    let steps = size.of(20_000_000);
    let start = Instant::now();
    let wanted = (0..64).map(|i| compute(i, steps)).fold(0, u64::wrapping_add);
    records.put("one thread, no pool", "wall_s", start.elapsed().as_secs_f64());
    for workers in [1, 2] {
        let pool = pool(workers);
        let start = Instant::now();
        let all: Vec<_> = (0..64)
            .map(|i| pool.submit(|a: u64, b: u64| work((a, b)), (i, steps)))
            .collect();
        let got = all
            .into_iter()
            .map(|f| f.result().expect("a number"))
            .fold(0, u64::wrapping_add);
        assert_eq!(got, wanted);
        let peer = format!("pexec {workers} workers");
        records.put(&peer, "wall_s", start.elapsed().as_secs_f64());
    }
}

/// What one of many no-op tasks costs.
fn tasks(records: &mut Records, size: Size) {
    let pool = pool(2);
    submit_each(&pool, 1000);
    for n in [1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
        if size.is_quick() && n > 10_000 {
            break;
        }
        let rounds = (100_000 / n).max(1);
        let seconds: f64 = (0..rounds).map(|_| submit_each(&pool, n)).sum();
        let peer = format!("pexec submit {n} tasks");
        records.put(&peer, "us_per_task", seconds * 1e6 / (n * rounds) as f64);
    }
}

/// What a task costs in a pool of many workers, and what those that have nothing to do cost.
fn workers(records: &mut Records, size: Size) {
    for workers in [1, 2, 4, 16, 64] {
        if size.is_quick() && workers > 4 {
            break;
        }
        let pool = pool(workers);
        let n = size.of(500_000);
        submit_each(&pool, n / 10);
        let seconds = submit_each(&pool, n);
        let peer = format!("pexec {workers} workers");
        records.put(&peer, "us_per_task", seconds * 1e6 / n as f64);
        // Whoever still looks for work stops within a moment.
        std::thread::sleep(Duration::from_millis(50));
        let pids: Vec<u32> = pool.workers().iter().map(|w| w.pid).collect();
        let used = || pids.iter().map(|&pid| cpu_seconds(pid)).sum::<f64>() + cpu_seconds(std::process::id());
        let before = used();
        std::thread::sleep(Duration::from_millis(if size.is_quick() { 10 } else { 1000 }));
        records.put(&peer, "idle_cpu_us_per_s", (used() - before) * 1e6);
    }
}
