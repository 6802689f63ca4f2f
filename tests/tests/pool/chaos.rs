//! Something kills workers all the time, and no task is lost.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pexec::{Executor, Exit, ProcessPool, TaskError, WorkerState};
use pexec_tests::processes;
use pexec_tests::random::Random;
use pexec_tests::tasks::add;
use pexec_tests::{LeakSweep, wait_until};

fn slow_square(n: u64) -> u64 {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(150) {
        std::hint::spin_loop();
    }
    n.wrapping_mul(n) ^ 0x5bd1_e995
}

/// Kills a random worker that has started every 20 ms until told to stop; gives whom it killed. (A worker that is
/// killed while it starts is a failed start; three of those in a row break a pool on purpose.)
fn kill_now_and_then(pool: &ProcessPool, stop: &AtomicBool, killed: &Mutex<HashSet<u32>>) {
    let mut random = Random::new(20_000);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
        let workers = pool.workers();
        let live: Vec<_> = workers
            .iter()
            .filter(|w| w.state != WorkerState::Starting)
            .collect();
        if !live.is_empty() {
            let pid = live[random.below(live.len())].pid;
            // Noted before it happens: an outcome must never name a pid that is not in the set.
            killed.lock().expect("not poisoned").insert(pid);
            processes::send(pid as i32, Signal::SIGKILL);
        }
    }
}

#[test]
fn twenty_thousand_tasks_resolve_exactly_once_each_while_random_workers_are_killed_every_20_ms() {
    const TASKS: u64 = 20_000;
    let _sweep = LeakSweep::new();
    let pool = crate::builder()
        .workers(4)
        .restart_limit(1_000_000, Duration::from_secs(3600))
        .build()
        .expect("a pool");
    let (stop, killed) = (AtomicBool::new(false), Mutex::new(HashSet::new()));
    let resolved: Arc<Vec<AtomicU32>> = Arc::new((0..TASKS).map(|_| AtomicU32::new(0)).collect());
    let mut crashed = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| kill_now_and_then(&pool, &stop, &killed));
        let futures: Vec<_> = (0..TASKS)
            .map(|n| {
                let future = pool.submit(slow_square, n);
                let resolved = Arc::clone(&resolved);
                future.on_done(move |_| {
                    resolved[n as usize].fetch_add(1, Ordering::Relaxed);
                });
                future
            })
            .collect();
        for (n, future) in (0..TASKS).zip(futures) {
            match future.result() {
                Ok(value) => assert_eq!(value, n.wrapping_mul(n) ^ 0x5bd1_e995),
                Err(TaskError::Crashed(autopsy)) => {
                    crashed += 1;
                    assert_eq!(autopsy.exit, Exit::Signal(9), "{autopsy}");
                    assert!(
                        killed.lock().expect("not poisoned").contains(&autopsy.pid),
                        "{autopsy}"
                    );
                }
                Err(other) => panic!("task {n}: {other}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let killed = killed.into_inner().expect("not poisoned");
    assert!(
        killed.len() >= 10,
        "the killer hardly came to work: {}",
        killed.len()
    );
    assert!(
        crashed <= killed.len(),
        "a death ends at most one task: {crashed} of {}",
        killed.len()
    );
    wait_until("every callback has run", || {
        resolved.iter().all(|n| n.load(Ordering::Relaxed) > 0)
    });
    assert!(
        resolved.iter().all(|n| n.load(Ordering::Relaxed) == 1),
        "a future resolved twice"
    );
    let stats = pool.stats();
    assert_eq!((stats.done + stats.failed, stats.failed), (TASKS, crashed as u64));
    assert_eq!((stats.queued, stats.running, stats.cancelled), (0, 0, 0));

    for n in 0..100 {
        assert_eq!(pool.submit(add, (n, 1)).result().expect("the pool works"), n + 1);
    }
    pool.shutdown();
    for pid in killed {
        assert!(
            !processes::children_of(std::process::id() as i32)
                .iter()
                .any(|p| p.pid == pid as i32)
        );
    }
}
