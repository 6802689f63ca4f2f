//! Many inputs, one function: order, look-ahead, failures, deadlines, inputs that never end or that panic.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use pexec::{Deadline, Executor, ProcessPool, TaskError, TaskErrorKind};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::tasks::{add, die_by, hang, nap};
use pexec_tests::{Gate, LeakSweep, wait_until};

use crate::pool;

#[test]
fn results_come_in_the_order_of_the_inputs_whatever_the_chunk_size() {
    let _sweep = LeakSweep::new();
    let pool = pool(3);
    let wanted: Vec<u64> = (0..3000).map(|n| n + 1).collect();
    let plain: Vec<u64> = pool
        .map(add, (0..3000).map(|n| (n, 1)))
        .map(|r| r.expect("runs"))
        .collect();
    assert_eq!(plain, wanted);
    for chunk in [1, 7, 3000, usize::MAX] {
        let map = pool.map(add, (0..3000).map(|n| (n, 1))).chunk_size(chunk);
        assert_eq!(
            map.map(|r| r.expect("runs")).collect::<Vec<u64>>(),
            wanted,
            "chunks of {chunk}"
        );
    }
}

#[test]
fn a_chunk_size_of_zero_is_rejected_at_the_call() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    assert!(catch_unwind(AssertUnwindSafe(|| pool.map(add, [(1, 1)]).chunk_size(0))).is_err());
    assert!(
        catch_unwind(AssertUnwindSafe(|| pool
            .map_unordered(add, [(1, 1)])
            .chunk_size(0)))
        .is_err()
    );
}

#[test]
fn an_empty_input_gives_an_empty_result() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    assert_eq!(pool.map(add, []).count(), 0);
    assert_eq!(pool.map_unordered(add, []).count(), 0);
}

#[test]
fn a_failing_item_is_one_error_and_the_rest_arrive() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let task = |n: u32| match n {
        3 => panic!("three"),
        7 => std::process::exit(7),
        _ => n,
    };
    for chunk in [1, 4] {
        let kinds: Vec<_> = pool
            .map(task, 0..20)
            .chunk_size(chunk)
            .map(|r| r.map_err(|e| e.kind()))
            .collect();
        for (n, result) in (0..20).zip(kinds) {
            let wanted = match n {
                3 => Err(TaskErrorKind::Panicked),
                7 => Err(TaskErrorKind::Crashed),
                _ => Ok(n),
            };
            assert_eq!(result, wanted, "item {n}");
        }
    }
}

#[test]
fn nothing_is_pulled_before_the_first_next_and_then_no_more_than_the_look_ahead_allows() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    for look_ahead in [0, 1, 5, 64] {
        let pulled = Cell::new(0);
        let inputs = (0u64..).inspect(|_| pulled.set(pulled.get() + 1)).map(|n| (n, 0));
        let mut map = pool.map(add, inputs).look_ahead(look_ahead);
        assert_eq!(pulled.get(), 0);
        for k in 0..200 {
            assert_eq!(map.next().expect("endless").expect("runs"), k as u64);
            assert!(
                pulled.get() <= k + look_ahead + 1,
                "after {} results: {}",
                k + 1,
                pulled.get()
            );
        }
    }
    let pulled = Cell::new(0);
    let inputs = (0u64..).inspect(|_| pulled.set(pulled.get() + 1)).map(|n| (n, 0));
    let mut map = pool.map_unordered(add, inputs).look_ahead(5);
    for k in 0..200 {
        assert!(map.next().is_some());
        assert!(pulled.get() <= k + 6, "after {} results: {}", k + 1, pulled.get());
    }
}

#[test]
fn an_endless_input_works_by_default_too() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let first: Vec<u64> = pool
        .map(add, (0..).map(|n| (n, n)))
        .take(1000)
        .map(|r| r.expect("runs"))
        .collect();
    assert!(first.iter().zip(0..).all(|(value, n)| *value == 2 * n));
}

#[test]
fn an_input_that_panics_shows_at_its_place_and_the_pool_stays_usable() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    for at in [0, 5, 19] {
        let inputs = move || (0..20u64).map(move |n| if n == at { panic!("input {n}") } else { (n, 1) });
        let mut map = pool.map(add, inputs());
        for n in 0..at {
            assert_eq!(
                map.next().expect("it comes before the panic").expect("runs"),
                n + 1
            );
        }
        let panic =
            catch_unwind(AssertUnwindSafe(|| map.next())).expect_err("the input's panic goes on here");
        assert_eq!(panic.downcast_ref::<String>(), Some(&format!("input {at}")));
        assert!(map.next().is_none(), "and then it is over");

        let mut given = 0;
        let mut map = pool.map_unordered(add, inputs());
        let panic = catch_unwind(AssertUnwindSafe(|| map.by_ref().inspect(|_| given += 1).count()));
        assert!(panic.is_err());
        assert_eq!(given, at, "all that came before");
    }
    assert_eq!(pool.submit(add, (1, 2)).result().expect("the pool works"), 3);
}

#[test]
fn the_unordered_form_gives_the_fastest_first_and_the_ordered_one_holds_back() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    let path = gate.path();
    let slow_first = |gate: String, n: u64| if n == 0 { u64::from(pass(gate) > 0) } else { n };
    let inputs = || (0..4).map(|n| (path.clone(), n));
    let mut unordered = pool.map_unordered(slow_first, inputs());
    let early: Vec<usize> = unordered
        .by_ref()
        .take(3)
        .map(|(i, r)| r.map(|_| i).expect("runs"))
        .collect();
    assert!(!early.contains(&0), "{early:?}");
    gate.open();
    assert!(matches!(unordered.next(), Some((0, Ok(1)))));
    assert!(unordered.next().is_none());
    let ordered: Vec<u64> = pool.map(slow_first, inputs()).map(|r| r.expect("runs")).collect();
    assert_eq!(ordered, [1, 1, 2, 3]);
}

#[test]
fn at_its_deadline_a_map_gives_one_expiry_cancels_the_rest_and_ends() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let inputs = || (0..50).map(|_| gate.path());
    let mut map = pool.map(pass, inputs()).deadline(Duration::from_millis(50));
    assert!(matches!(
        map.next(),
        Some(Err(TaskError::Expired(Deadline::Call)))
    ));
    assert!(map.next().is_none());
    let mut map = pool
        .map_unordered(pass, inputs())
        .deadline(Duration::from_millis(50));
    assert!(matches!(
        map.next(),
        Some((_, Err(TaskError::Expired(Deadline::Call))))
    ));
    assert!(map.next().is_none());
    gate.open();
    pool.shutdown();
    assert_eq!(gate.arrived(), 1, "only the one that ran");
}

#[test]
fn a_deadline_that_is_long_enough_changes_nothing() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    for deadline in [Duration::from_secs(60), Duration::MAX] {
        let map = pool.map(add, (0..100).map(|n| (n, 1))).deadline(deadline);
        assert!(map.zip(1..).all(|(r, n)| r.is_ok_and(|value| value == n)));
    }
}

#[test]
fn dropping_the_iterator_cancels_what_has_not_started() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    // The first result comes at once; behind it the worker waits at the gate.
    let task = |gate: String, n: u32| if n == 0 { 0 } else { pass(gate) };
    let mut map = pool.map(task, (0..100).map(|n| (gate.path(), n)));
    assert!(map.next().is_some_and(|r| r.is_ok()));
    gate.wait_for(1);
    drop(map);
    gate.open();
    let cancelled = pool.stats().cancelled;
    pool.shutdown();
    assert_eq!((gate.arrived(), cancelled), (1, 98));
}

#[test]
fn a_crash_fails_only_its_own_item_and_no_item_runs_twice() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    let task = |gate: String, n: u32| {
        arrive(&gate);
        if n == 11 {
            die_by(9);
        }
        n
    };
    let results: Vec<_> = pool
        .map(task, (0..60).map(|n| (gate.path(), n)))
        .chunk_size(10)
        .collect();
    let failed: Vec<usize> = (0..60).filter(|&n| results[n].is_err()).collect();
    assert_eq!(failed, [11]);
    assert_eq!(gate.arrived(), 60, "each began once");
}

#[test]
fn a_map_on_a_pool_that_breaks_ends_with_errors() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .restart_limit(0, Duration::from_secs(60))
        .build()
        .expect("a pool");
    let results: Vec<_> = pool
        .map(|n: u32| if n == 2 { std::process::abort() } else { n }, 0..600)
        .collect();
    assert_eq!(results.len(), 600);
    assert!(results[..2].iter().all(Result::is_ok));
    assert_eq!(
        results[2].as_ref().map_err(TaskError::kind),
        Err(TaskErrorKind::Crashed)
    );
    assert!(
        results[3..]
            .iter()
            .all(|r| r.as_ref().is_err_and(|e| e.kind() == TaskErrorKind::PoolBroken))
    );
}

#[test]
fn two_maps_on_one_pool_do_not_mix() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let mut a = pool.map(add, (0..1000).map(|n| (n, 0)));
    let mut b = pool.map(add, (0..1000).map(|n| (n, 5000)));
    for n in 0..1000 {
        assert_eq!(a.next().expect("one more").expect("runs"), n);
        assert_eq!(b.next().expect("one more").expect("runs"), n + 5000);
    }
    std::thread::scope(|scope| {
        for base in [0, 10_000, 20_000] {
            let pool = &pool;
            scope.spawn(move || {
                assert!(
                    pool.map(add, (0..500).map(|n| (n, base)))
                        .zip(base..)
                        .all(|(r, n)| r.is_ok_and(|v| v == n))
                );
            });
        }
    });
}

#[test]
fn a_long_item_does_not_hold_short_ones_back_while_another_worker_is_free() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    // Let the windows grow on short tasks first.
    assert!(pool.map(add, (0..2000).map(|n| (n, n))).all(|r| r.is_ok()));
    let task = |gate: String, n: u32| if n == 100 { pass(gate) } else { n };
    let mut map = pool.map_unordered(task, (0..400).map(|n| (gate.path(), n)));
    let before: Vec<usize> = map.by_ref().take(399).map(|(i, _)| i).collect();
    assert!(!before.contains(&100), "all the others come while it waits");
    gate.open();
    assert!(matches!(map.next(), Some((100, Ok(_)))));
}

#[test]
fn the_tasks_own_timeout_applies_to_each_item() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(2)
        .task_timeout(Duration::from_millis(1500))
        .kill_grace(Duration::from_millis(100))
        .build()
        .expect("a pool");
    let task = |n: u64| if n == 4 { hang() } else { nap(n) };
    let kinds: Vec<_> = pool.map(task, 0..20).map(|r| r.map_err(|e| e.kind())).collect();
    for (n, kind) in kinds.into_iter().enumerate() {
        assert_eq!(
            kind,
            if n == 4 {
                Err(TaskErrorKind::TimedOut)
            } else {
                Ok(())
            },
            "item {n}"
        );
    }
    wait_until("both workers are back", || pool.workers().len() == 2);
}
