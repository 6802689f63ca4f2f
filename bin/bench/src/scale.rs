//! Does cost stay what it is: with more CPUs' worth of workers, with more tasks, with more workers than CPUs.

use std::time::{Duration, Instant};

use pexec::{Executor, WorkerState};

use crate::noop::submit_each;
use crate::record::Records;
use crate::size::Size;
use crate::work::{compute, cpu_seconds, cpu_seconds_beside_main, pool};

const SETTLED: Duration = Duration::from_millis(50);

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
        let all: Vec<_> = (0..64).map(|i| pool.submit(compute, (i, steps))).collect();
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

/// What a task costs in a pool of many workers, and what those that have nothing to do cost: in an idle pool, and
/// while two of them work.
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
        let all: Vec<u32> = pool.workers().iter().map(|w| w.pid).collect();
        let used = |pids: &[u32]| pids.iter().map(|&pid| cpu_seconds(pid)).sum::<f64>();
        let second = Duration::from_millis(if size.is_quick() { 10 } else { 1000 });

        // Whoever still looks for work stops within a moment.
        std::thread::sleep(SETTLED);
        let before = used(&all) + cpu_seconds_beside_main();
        std::thread::sleep(second);
        let after = used(&all) + cpu_seconds_beside_main();
        records.put(&peer, "idle_pool_cpu_us", (after - before) * 1e6);

        if workers > 2 {
            let ms = (second + 2 * SETTLED).as_millis() as u64;
            let working = [pool.submit(busy, ms), pool.submit(busy, ms)];
            std::thread::sleep(SETTLED);
            let busy: Vec<u32> = pool
                .workers()
                .iter()
                .filter(|w| w.state == WorkerState::Busy)
                .map(|w| w.pid)
                .collect();
            records.put(&peer, "workers_at_two_long_tasks", busy.len() as f64);
            let idle: Vec<u32> = all.iter().copied().filter(|pid| !busy.contains(pid)).collect();
            let before = used(&idle);
            std::thread::sleep(second);
            let after = used(&idle);
            records.put(&peer, "idle_workers_cpu_us", (after - before) * 1e6);
            working.into_iter().for_each(|f| f.result().expect("a task"));
        }
    }
}

/// Uses a CPU for so long.
fn busy(ms: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(ms) {
        compute(1, 1000);
    }
}
