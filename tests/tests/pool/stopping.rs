//! The four ways to stop a pool, and stopping it while other things happen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pexec::{Executor, ProcessPool, TaskErrorKind, TrySubmitError};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, die_by, echo, hang, ignore_sigterm, nap_then};
use pexec_tests::{Gate, LeakSweep, processes, sweep};

use crate::{pids, pool};

/// After a pool has stopped: its workers are gone, and reaped.
fn assert_gone(workers: &[u32]) {
    assert!(!workers.is_empty());
    let left = sweep::children();
    assert!(
        !left.iter().any(|child| workers.contains(&(child.pid as u32))),
        "{left:?}"
    );
}

#[test]
fn shutdown_finishes_everything_and_then_refuses() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let workers = pids(&pool);
    let futures: Vec<_> = (0..500).map(|n| pool.submit(add, (n, 1))).collect();
    pool.shutdown();
    assert_gone(&workers);
    assert!(futures.iter().all(pexec::TaskFuture::is_done));
    assert!(
        (1..)
            .zip(futures)
            .all(|(n, f)| f.result().is_ok_and(|value| value == n))
    );

    let error = pool.submit(add, (1, 2)).result().expect_err("closed");
    assert_eq!(error.kind(), TaskErrorKind::PoolClosed);
    assert_eq!(error.execution(), pexec::Execution::NotStarted);
    assert!(matches!(
        pool.try_submit(add, (1, 2)),
        Err(TrySubmitError::Closed((1, 2)))
    ));
    let mut map = pool.map(add, [(1, 2)]);
    assert_eq!(
        map.next().expect("one item").expect_err("closed").kind(),
        TaskErrorKind::PoolClosed
    );
    pool.shutdown();
    pool.shutdown_now();
    pool.terminate();
}

#[test]
fn a_pool_that_was_never_used_stops_in_every_way() {
    let _sweep = LeakSweep::new();
    for stop in [
        ProcessPool::shutdown,
        ProcessPool::shutdown_now,
        ProcessPool::terminate,
        |pool: &ProcessPool| drop(pids(pool)),
    ] {
        let pool = pool(2);
        stop(&pool);
    }
}

#[test]
fn shutdown_now_finishes_what_runs_and_cancels_the_rest() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let workers = pids(&pool);
    let gate = Gate::new();
    let futures: Vec<_> = (0..100).map(|_| pool.submit(pass, gate.path())).collect();
    gate.wait_for(2);
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| pool.shutdown_now());
        // The cancelled ones are done while the running ones still run.
        pexec_tests::wait_until("98 are cancelled", || {
            futures.iter().filter(|f| f.is_cancelled()).count() == 98
        });
        assert!(!stopping.is_finished());
        gate.open();
        stopping.join().expect("no panic");
    });
    let (mut done, mut cancelled) = (0, 0);
    for future in futures {
        match future.result().map_err(|e| e.kind()) {
            Ok(_) => done += 1,
            Err(TaskErrorKind::Cancelled) => cancelled += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((done, cancelled), (2, 98));
    assert_gone(&workers);
}

#[test]
fn shutdown_with_a_timeout_closes_the_pool_and_can_be_repeated() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let future = pool.submit(pass, gate.path());
    let queued = pool.submit(add, (1, 2));
    gate.wait_for(1);
    assert!(!pool.shutdown_timeout(Duration::ZERO));
    assert!(!pool.shutdown_timeout(Duration::from_millis(20)));
    assert_eq!(
        pool.submit(add, (1, 2)).result().expect_err("closed").kind(),
        TaskErrorKind::PoolClosed
    );
    gate.open();
    assert!(pool.shutdown_timeout(Duration::MAX));
    assert!(pool.shutdown_timeout(Duration::ZERO), "it is finished");
    assert!(future.result().is_ok());
    assert_eq!(queued.result().expect("what was accepted runs"), 3);
}

#[test]
fn terminate_kills_what_runs_and_cancels_ten_thousand_that_wait() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let workers = pids(&pool);
    let gate = Gate::new();
    let running = [pool.submit(pass, gate.path()), pool.submit(pass, gate.path())];
    gate.wait_for(2);
    let queued: Vec<_> = (0..10_000).map(|_| pool.submit(hang, ())).collect();
    pool.terminate();
    assert_gone(&workers);
    for future in running {
        let error = future.result().expect_err("killed");
        assert_eq!(error.kind(), TaskErrorKind::Killed);
        assert!(workers.contains(&error.autopsy().expect("it had a worker").pid));
    }
    assert!(queued.iter().all(|f| f.is_cancelled()));
}

#[test]
fn terminate_ends_workers_that_ignore_sigterm_or_are_stopped() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let workers = pids(&pool);
    let gate = Gate::new();
    let stubborn = |gate: String| {
        ignore_sigterm();
        pass(gate)
    };
    let futures = [pool.submit(stubborn, gate.path()), pool.submit(pass, gate.path())];
    gate.wait_for(2);
    assert!(processes::send(
        workers[1] as i32,
        nix::sys::signal::Signal::SIGSTOP
    ));
    pool.terminate();
    assert_gone(&workers);
    assert!(futures.into_iter().all(|f| f.result().is_err()));
}

#[test]
fn dropping_the_pool_finishes_everything_and_while_panicking_it_terminates() {
    let _sweep = LeakSweep::new();
    let first = pool(2);
    let futures: Vec<_> = (0..100).map(|n| first.submit(nap_then, (1, n))).collect();
    drop(first);
    assert!(
        (0..)
            .zip(futures)
            .all(|(n, f)| f.result().is_ok_and(|value| value == n))
    );

    let (mut running, mut queued) = (None, None);
    let gate = Gate::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let pool = pool(1);
        running = Some(pool.submit(pass, gate.path()));
        gate.wait_for(1);
        queued = Some(pool.submit(add, (1, 2)));
        panic!("the pool is dropped by this");
    }));
    assert!(panicked.is_err());
    assert_eq!(
        running.expect("submitted").result().expect_err("killed").kind(),
        TaskErrorKind::Killed
    );
    assert!(queued.expect("submitted").is_cancelled());
}

#[test]
fn stopping_from_many_threads_at_once_is_stopping_once() {
    let _sweep = LeakSweep::new();
    for round in 0..6 {
        let pool = pool(2);
        let futures: Vec<_> = (0..50).map(|n| pool.submit(nap_then, (1, n))).collect();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let pool = &pool;
                scope.spawn(move || match (thread + round) % 4 {
                    0 => pool.shutdown(),
                    1 => pool.shutdown_now(),
                    2 => drop(pool.shutdown_timeout(Duration::from_secs(60))),
                    _ => pool.terminate(),
                });
            }
        });
        assert!(futures.iter().all(pexec::TaskFuture::is_done));
    }
}

#[test]
fn a_submit_that_races_with_a_stop_runs_or_is_refused_and_is_never_lost() {
    let _sweep = LeakSweep::new();
    for round in 0..12 {
        let pool = pool(2);
        let stopping = AtomicBool::new(false);
        let (ran, refused, cancelled) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut futures = Vec::new();
                    while !stopping.load(Ordering::Relaxed) || futures.len() < 50 {
                        futures.push(pool.submit(add, (1, 2)));
                    }
                    for future in futures {
                        let count = match future.result().map_err(|e| e.kind()) {
                            Ok(3) => &ran,
                            Err(TaskErrorKind::PoolClosed) => &refused,
                            Err(TaskErrorKind::Cancelled | TaskErrorKind::Killed) => &cancelled,
                            other => panic!("{other:?}"),
                        };
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(round));
            match round % 3 {
                0 => pool.shutdown(),
                1 => pool.shutdown_now(),
                _ => pool.terminate(),
            }
            stopping.store(true, Ordering::Relaxed);
        });
        assert!(refused.into_inner() > 0 || ran.into_inner() > 0);
        assert!(
            round % 3 != 0 || cancelled.into_inner() == 0,
            "a drain cancels nothing"
        );
    }
}

#[test]
fn a_drain_survives_crashes_and_runs_everything_else() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let futures: Vec<_> = (0..40)
        .map(|n| {
            if n % 4 == 0 {
                pool.submit(die_by, 9)
            } else {
                pool.submit(|_: i32| (), 0)
            }
        })
        .collect();
    pool.shutdown();
    for (n, future) in futures.into_iter().enumerate() {
        let result = future.result().map_err(|e| e.kind());
        assert_eq!(
            result,
            if n % 4 == 0 {
                Err(TaskErrorKind::Crashed)
            } else {
                Ok(())
            },
            "number {n}"
        );
    }
}

#[test]
fn futures_outlive_their_pool() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let value = pool.submit(add, (20, 22));
    let crash = pool.submit(die_by, 9);
    drop(pool);
    assert!(!value.cancel() && !value.kill());
    assert_eq!(value.result().expect("it ran"), 42);
    assert_eq!(crash.result().expect_err("dead").kind(), TaskErrorKind::Crashed);
}

#[test]
fn terminating_with_large_messages_under_way_returns() {
    let _sweep = LeakSweep::new();
    for wait in [0, 5, 20] {
        let pool = pool(2);
        let large = "x".repeat(32 << 20);
        let futures: Vec<_> = (0..4).map(|_| pool.submit(echo, large.clone())).collect();
        std::thread::sleep(Duration::from_millis(wait));
        pool.terminate();
        assert!(futures.iter().all(pexec::TaskFuture::is_done));
    }
}

#[test]
fn a_pool_can_be_stopped_while_its_workers_start() {
    let _sweep = LeakSweep::new();
    for wait in 0..8 {
        let pool = Arc::new(pool(4));
        std::thread::sleep(Duration::from_millis(wait));
        if wait % 2 == 0 {
            pool.terminate();
        } else {
            pool.shutdown();
        }
    }
}

#[test]
fn the_pools_threads_end_with_it() {
    let _sweep = LeakSweep::new();
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task")
            .expect("the threads")
            .flatten();
        let names = tasks.filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok());
        names.filter(|n| n.starts_with("swept")).count()
    };
    let pool = crate::builder().workers(2).name("swept").build().expect("a pool");
    pool.submit(add, (1, 2)).on_done(|_| ());
    pool.shutdown();
    drop(pool);
    pexec_tests::wait_until("no thread of it is left", || threads() == 0);
}
