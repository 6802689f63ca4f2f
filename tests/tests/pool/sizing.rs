//! How many workers there are: elastic pools, and pools that are resized while they work.

use std::time::Duration;

use pexec::{BuildError, Executor, ProcessPool, WorkerState};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{die_by, nap, pid};
use pexec_tests::{Gate, LeakSweep, wait_until};

use crate::{pids, pool};

fn elastic(least: usize, most: usize, idle: Duration) -> ProcessPool {
    crate::builder()
        .workers_between(least, most)
        .idle_timeout(idle)
        .build()
        .expect("a pool")
}

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn sizes_without_meaning_are_refused() {
    let refused = [
        crate::builder().workers(0).build(),
        crate::builder().workers_between(0, 3).build(),
        crate::builder().workers_between(3, 2).build(),
        crate::builder().workers(usize::MAX).build(),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(BuildError::Invalid(_))), "{refused:?}");
    }
}

#[test]
fn an_elastic_pool_grows_to_its_most_while_tasks_wait_and_shrinks_to_its_least_when_idle() {
    let _sweep = LeakSweep::new();
    let pool = elastic(1, 4, Duration::from_millis(200));
    assert_eq!(pool.submit(|| 1, ()).result().expect("runs"), 1);
    assert_eq!(pool.workers().len(), 1, "one is enough for one task at a time");
    let gate = Gate::new();
    let waiting: Vec<_> = (0..10).map(|_| pool.submit(pass, gate.path())).collect();
    gate.wait_for(4);
    assert_eq!(pool.workers().len(), 4);
    gate.open();
    assert!(waiting.into_iter().all(|f| f.result().is_ok()));
    wait_until("those that are not needed have left", || {
        pool.workers().len() == 1
    });
    assert_eq!(pool.stats().restarts, 0);
    let again = Gate::new();
    let waiting: Vec<_> = (0..3).map(|_| pool.submit(pass, again.path())).collect();
    again.wait_for(3);
    again.open();
    assert!(waiting.into_iter().all(|f| f.result().is_ok()));
}

#[test]
fn tasks_that_come_just_as_workers_leave_are_not_lost() {
    let _sweep = LeakSweep::new();
    let pool = elastic(1, 3, Duration::from_millis(3));
    for round in 0..60 {
        let futures: Vec<_> = (0..6).map(|_| pool.submit(nap, 2)).collect();
        assert!(futures.into_iter().all(|f| f.result().is_ok()), "round {round}");
        std::thread::sleep(Duration::from_millis(round % 7));
    }
}

#[test]
fn a_map_in_an_elastic_pool_uses_its_workers() {
    let _sweep = LeakSweep::new();
    let pool = elastic(1, 3, LONG);
    let naps: Vec<_> = pool.map(nap, std::iter::repeat_n(20, 30)).collect();
    assert!(naps.iter().all(Result::is_ok));
    assert_eq!(pool.workers().len(), 3);
}

#[test]
fn growing_keeps_the_workers_that_are_there() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let before = pids(&pool);
    pool.resize(4);
    wait_until("two more are there", || pids(&pool).len() == 4);
    let after = pids(&pool);
    assert!(
        before.iter().all(|pid| after.contains(pid)),
        "{before:?} {after:?}"
    );
    pool.resize(4);
    assert_eq!(pids(&pool), after, "the same size changes nothing");
    let gate = Gate::new();
    let all: Vec<_> = (0..4).map(|_| pool.submit(pass, gate.path())).collect();
    gate.wait_for(4);
    gate.open();
    let mut seen: Vec<u32> = all.into_iter().map(|f| f.result().expect("runs")).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4, "all of them work");
}

#[test]
fn shrinking_retires_idle_workers_first_and_keeps_running_tasks() {
    let _sweep = LeakSweep::new();
    let pool = pool(4);
    let gate = Gate::new();
    let running: Vec<_> = (0..2).map(|_| pool.submit(pass, gate.path())).collect();
    gate.wait_for(2);
    pool.resize(1);
    wait_until("the idle ones are gone", || pool.workers().len() == 2);
    assert!(pool.workers().iter().all(|w| w.state == WorkerState::Busy));
    assert!(running.iter().all(|f| !f.is_done()), "what runs is left in peace");
    gate.open();
    assert!(running.into_iter().all(|f| f.result().is_ok()));
    wait_until("one is left", || pool.workers().len() == 1);
    assert!(pool.submit(pid, ()).result().is_ok());
}

#[test]
fn a_size_of_nothing_is_a_size_of_one() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    pool.resize(0);
    wait_until("one is left", || pool.workers().len() == 1);
    assert!(pool.submit(pid, ()).result().is_ok());
}

#[test]
fn resizing_many_times_under_load_loses_nothing() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let mut futures = Vec::new();
    for round in 0..40 {
        futures.extend((0..50).map(|n: u64| pool.submit(|n: u64| n, n)));
        pool.resize(1 + (round * 7) % 5);
        if round % 8 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    for (n, future) in futures.into_iter().enumerate() {
        assert_eq!(future.result().expect("runs"), n as u64 % 50);
    }
    pool.resize(3);
    wait_until("three are there", || pids(&pool).len() == 3);
}

#[test]
fn a_worker_that_dies_during_a_resize_costs_only_its_task() {
    let _sweep = LeakSweep::new();
    let pool = pool(3);
    let bad = pool.submit(die_by, 9);
    let good: Vec<_> = (0..20).map(|_| pool.submit(nap, 2)).collect();
    pool.resize(1);
    assert!(bad.result().is_err());
    pool.resize(3);
    assert!(good.into_iter().all(|f| f.result().is_ok()));
    wait_until("three are there", || pids(&pool).len() == 3);
}

#[test]
fn a_pool_is_resized_from_a_callback_and_from_many_threads() {
    let _sweep = LeakSweep::new();
    let pool = std::sync::Arc::new(pool(1));
    let handle = std::sync::Arc::downgrade(&pool);
    pool.submit(pid, ()).on_done(move |_| {
        if let Some(pool) = handle.upgrade() {
            pool.resize(3);
        }
    });
    wait_until("three are there", || pids(&pool).len() == 3);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                for n in 0..10 {
                    pool.resize(1 + (thread + n) % 4);
                    pool.submit(pid, ()).result().expect("runs");
                }
            });
        }
    });
    pool.resize(2);
    wait_until("two are there", || pids(&pool).len() == 2);
    pool.shutdown();
    pool.resize(5);
    assert!(pool.workers().is_empty(), "a closed pool has no size");
}

#[test]
fn only_what_runs_reports_a_worker() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let futures: Vec<_> = (0..3).map(|_| pool.submit(pass, gate.path())).collect();
    gate.wait_for(1);
    assert_eq!(futures.iter().filter(|f| f.is_running()).count(), 1);
    gate.open();
}

#[test]
fn a_pool_that_is_resized_by_many_threads_while_it_is_shut_down_resolves_every_task() {
    let _sweep = LeakSweep::new();
    for round in 0..10 {
        let pool = if round % 2 == 0 {
            pool(2)
        } else {
            elastic(1, 3, Duration::from_millis(1))
        };
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let pool = &pool;
                scope.spawn(move || {
                    for n in 0..30 {
                        pool.resize(1 + (thread + n) % 4);
                        match pool.submit(pid, ()).result() {
                            Ok(_) => {}
                            Err(error) => assert_eq!(error.kind(), pexec::TaskErrorKind::PoolClosed),
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(round));
            pool.shutdown();
        });
        assert!(pool.workers().is_empty());
    }
}
