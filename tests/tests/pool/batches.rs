//! Inputs of a map that travel several at a time: each is a task of its own all the same.

use std::collections::HashSet;

use pexec::{Executor, TaskErrorKind};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::tasks::die_by;
use pexec_tests::{Gate, LeakSweep};

use crate::pool;

#[test]
fn each_item_has_an_id_and_a_first_attempt_of_its_own() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let task = |_: u32| pexec::task::current().map(|task| (task.id, task.attempt));
    let seen: Vec<_> = pool
        .map(task, 0..1000)
        .chunk_size(64)
        .map(|r| r.expect("runs").expect("a task"))
        .collect();
    assert!(seen.iter().all(|&(_, attempt)| attempt == 1));
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 1000);
}

#[test]
fn what_lies_behind_a_slow_item_goes_to_a_worker_that_has_nothing_to_do() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    let task = |gate: String, n: u32| {
        if n == 0 {
            let _ = pass(gate);
        }
        n
    };
    let inputs = (0..64).map(|n| (gate.path(), n));
    let mut map = pool.map_unordered(task, inputs).chunk_size(64);
    // All of them went to one worker; the first still runs there.
    let mut others: Vec<usize> = map.by_ref().take(63).map(|(n, _)| n).collect();
    others.sort_unstable();
    assert_eq!(others, (1..64).collect::<Vec<_>>());
    gate.open();
    assert!(matches!(map.next(), Some((0, Ok(0)))));
    assert!(map.next().is_none());
}

#[test]
fn dropping_the_map_ends_a_batch_behind_the_item_that_runs() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let task = |gate: String, n: u32| if n < 10 { 0 } else { pass(gate) };
    let mut map = pool
        .map(task, (0..40).map(|n| (gate.path(), n)))
        .chunk_size(10)
        .look_ahead(40);
    assert!(map.next().is_some_and(|r| r.is_ok()));
    gate.wait_for(1);
    drop(map);
    gate.open();
    pool.shutdown();
    assert_eq!(gate.arrived(), 1);
}

#[test]
fn every_item_begins_once_however_many_of_them_kill_their_worker() {
    let _sweep = LeakSweep::new();
    let pool = pool(3);
    let gate = Gate::new();
    let task = |gate: String, n: usize| {
        arrive(&gate);
        match n % 37 {
            5 => die_by(9),
            6 => die_by(6),
            7 => panic!("item {n}"),
            _ => {}
        }
        n
    };
    let results: Vec<_> = pool
        .map(task, (0..600).map(|n| (gate.path(), n)))
        .chunk_size(25)
        .collect();
    assert_eq!(results.len(), 600);
    for (n, result) in results.iter().enumerate() {
        let wanted = match n % 37 {
            5 | 6 => Err(TaskErrorKind::Crashed),
            7 => Err(TaskErrorKind::Panicked),
            _ => Ok(&n),
        };
        assert_eq!(
            result.as_ref().map_err(pexec::TaskError::kind),
            wanted,
            "item {n}"
        );
    }
    assert_eq!(gate.arrived(), 600, "each began once");
}

#[test]
fn whatever_a_worker_has_answered_counts_when_the_next_item_ends_it() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    // So few that they only wait to be told, and so many that some were told before.
    for last in [1, 3, 200, 3000] {
        let task = |n: usize, last: usize| {
            if n == last {
                die_by(9);
            }
            n
        };
        let results: Vec<_> = pool
            .map(task, (0..=last).map(|n| (n, last)))
            .chunk_size(last + 1)
            .look_ahead(last + 1)
            .collect();
        let (crashed, before) = results.split_last().expect("results");
        assert!(
            before
                .iter()
                .enumerate()
                .all(|(n, r)| r.as_ref().ok() == Some(&n))
        );
        let error = crashed.as_ref().map_err(pexec::TaskError::kind);
        assert_eq!(error, Err(TaskErrorKind::Crashed));
    }
    // The last one that crashed may not have been followed yet.
    assert!(
        matches!(pool.stats().restarts, 3 | 4),
        "one for each that crashed"
    );
}

#[test]
fn large_and_small_arguments_and_results_keep_their_order() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let size = |n: usize| if n % 7 == 3 { 100_000 } else { n % 50 };
    let task = |bytes: Vec<u8>, n: usize| (n, vec![bytes.len() as u8; if n % 11 == 4 { 70_000 } else { 3 }]);
    let inputs = (0..300).map(|n| (vec![1; size(n)], n));
    let results: Vec<_> = pool.map(task, inputs).map(|r| r.expect("runs")).collect();
    assert_eq!(results.len(), 300);
    for (n, (number, bytes)) in results.into_iter().enumerate() {
        assert_eq!(number, n);
        assert_eq!(bytes.len(), if n % 11 == 4 { 70_000 } else { 3 });
        assert!(bytes.iter().all(|&b| b == size(n) as u8));
    }
}

#[test]
fn short_tasks_travel_in_larger_numbers_and_nothing_is_lost() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let sum: u64 = pool
        .map(|n: u64| n * 2, 0..200_000)
        .map(|r| r.expect("runs"))
        .sum();
    assert_eq!(sum, 199_999 * 200_000);
    let mut seen = vec![false; 50_000];
    for (n, result) in pool.map_unordered(|n: usize| n, 0..50_000) {
        assert_eq!(result.ok(), Some(n));
        assert!(!std::mem::replace(&mut seen[n], true));
    }
    assert!(seen.into_iter().all(|seen| seen));
    assert_eq!(pool.stats().done, 250_000, "each is counted");
}
