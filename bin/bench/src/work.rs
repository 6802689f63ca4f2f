//! Tasks and pools that several tests use.

use std::time::{Duration, Instant};

use pexec::{Executor, ProcessPool, WorkerState};

pub(crate) fn noop(i: u64) -> u64 {
    i
}

pub(crate) fn sum_below(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

/// A fixed piece of CPU work; its result depends on every step.
pub(crate) fn compute(seed: u64, steps: u64) -> u64 {
    let mut x = seed | 1;
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    std::hint::black_box(x)
}

/// How many steps of `compute` take so long here.
pub(crate) fn steps_for(time: Duration) -> u64 {
    const PROBE: u64 = 20_000_000;
    compute(1, PROBE / 10);
    let start = Instant::now();
    compute(1, PROBE);
    (PROBE as f64 * time.as_secs_f64() / start.elapsed().as_secs_f64()) as u64
}

/// A pool whose workers are all up and have done something.
pub(crate) fn pool(workers: usize) -> ProcessPool {
    let pool = ProcessPool::builder().workers(workers).build().expect("a pool");
    wait_for_all(&pool, workers);
    pool.map(noop, 0..1000).for_each(|r| assert!(r.is_ok()));
    pool
}

/// How many workers are ready and have nothing to do.
pub(crate) fn idle(pool: &ProcessPool) -> usize {
    let all = pool.workers();
    all.iter().filter(|w| w.state == WorkerState::Idle).count()
}

pub(crate) fn wait_for_all(pool: &ProcessPool, workers: usize) {
    while idle(pool) < workers {
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// A line of a process's status or memory map in bytes.
pub(crate) fn bytes(process: &str, file: &str, key: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with(key));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok())
        .unwrap_or(0.0)
        * 1024.0
}

/// CPU time that a process has used, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    threads(pid).map(|(_, seconds)| seconds).sum()
}

/// CPU time that this process's threads have used but for the first, which measures.
pub(crate) fn cpu_seconds_beside_main() -> f64 {
    let main = std::process::id();
    let others = threads(main).filter(|&(tid, _)| tid != main);
    others.map(|(_, seconds)| seconds).sum()
}

/// The threads of a process with the CPU time that each has used: in nanoseconds, not in ticks, at its source.
fn threads(pid: u32) -> impl Iterator<Item = (u32, f64)> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/task"));
    folder.into_iter().flatten().flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let ns: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some((thread.file_name().to_str()?.parse().ok()?, ns / 1e9))
    })
}
