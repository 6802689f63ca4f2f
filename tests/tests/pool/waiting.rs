//! Waiting for several futures: `wait` and `as_completed`.

use std::time::Duration;

use pexec::{Deadline, Executor, TaskError, TaskFuture, Until, as_completed, wait};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, fail, nap};
use pexec_tests::{Gate, LeakSweep};

use crate::pool;

#[test]
fn the_first_that_is_done_ends_the_wait() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let (early, late) = (Gate::new(), Gate::new());
    let futures = [pool.submit(pass, late.path()), pool.submit(pass, early.path())];
    std::thread::scope(|scope| {
        let waited = scope.spawn(|| wait(&futures, Until::FirstDone, None));
        early.wait_for(1);
        early.open();
        let waited = waited.join().expect("no panic");
        assert_eq!((waited.done, waited.pending), (vec![1], vec![0]));
    });
    // One is done by now: no second wait.
    assert_eq!(wait(&futures, Until::FirstDone, None).done, [1]);
    late.open();
    assert_eq!(wait(&futures, Until::AllDone, None).done, [0, 1]);
}

#[test]
fn all_done_counts_cancelled_and_failed_ones() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let futures = [
        pool.submit(pass, gate.path()),
        pool.submit(pass, gate.path()),
        pool.submit(pass, gate.path()),
    ];
    gate.wait_for(1);
    assert!(futures[2].cancel());
    gate.open();
    let waited = wait(&futures, Until::AllDone, None);
    assert_eq!((waited.done, waited.pending), (vec![0, 1, 2], vec![]));
}

#[test]
fn the_first_error_ends_the_wait_and_without_one_all_are_waited_for() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    let futures: [TaskFuture<()>; 3] = [
        pool.submit(nap, 1),
        pool.submit(|gate: String| assert!(pass(gate) > 0), gate.path()),
        pool.submit(fail, "on purpose".into()),
    ];
    let waited = wait(&futures, Until::FirstError, None);
    assert!(
        waited.done.contains(&2) && waited.pending.contains(&1),
        "{waited:?}"
    );
    gate.open();
    let good = [pool.submit(add, (1, 1)), pool.submit(add, (1, 2))];
    assert_eq!(wait(&good, Until::FirstError, None).done, [0, 1]);
}

#[test]
fn a_wait_that_times_out_gives_the_partition_and_no_error() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    let futures = [pool.submit(pass, gate.path()), pool.submit(|| 1, ())];
    futures[1].wait();
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        let waited = wait(&futures, Until::AllDone, Some(timeout));
        assert_eq!((waited.done, waited.pending), (vec![1], vec![0]));
    }
    gate.open();
    assert_eq!(
        wait(&futures, Until::AllDone, Some(Duration::MAX)).pending,
        Vec::<usize>::new()
    );
}

#[test]
fn nothing_to_wait_for_is_no_wait() {
    let _sweep = LeakSweep::new();
    let none: [TaskFuture<u8>; 0] = [];
    for until in [Until::AllDone, Until::FirstDone, Until::FirstError] {
        let waited = wait(&none, until, None);
        assert!(waited.done.is_empty() && waited.pending.is_empty());
    }
    assert_eq!(as_completed(none).count(), 0);
}

#[test]
fn as_completed_gives_each_future_once_in_the_order_in_which_they_end() {
    let _sweep = LeakSweep::new();
    let pool = pool(3);
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let futures: Vec<_> = gates.iter().map(|g| pool.submit(pass, g.path())).collect();
    gates[1].open();
    futures[1].wait();
    let mut completed = as_completed(futures);
    assert_eq!(completed.len(), 3);
    assert_eq!(
        completed.next().map(|(i, _)| i),
        Some(1),
        "the one that had ended comes first"
    );
    gates[2].open();
    assert_eq!(completed.next().map(|(i, _)| i), Some(2));
    gates[0].open();
    assert!(matches!(completed.next(), Some((0, Ok(_)))));
    assert!(completed.next().is_none() && completed.next().is_none());
}

#[test]
fn thousands_of_futures_are_given_exactly_once_each() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let mut seen = vec![0; 3000];
    for (i, result) in as_completed((0..3000).map(|n| pool.submit(add, (n, n)))) {
        assert_eq!(result.expect("runs"), 2 * i as u64);
        seen[i] += 1;
    }
    assert!(seen.iter().all(|&n| n == 1));
}

#[test]
fn at_the_deadline_those_that_are_done_come_first_and_the_rest_has_expired() {
    let _sweep = LeakSweep::new();
    let pool = pool(3);
    let gate = Gate::new();
    let futures = [
        pool.submit(pass, gate.path()),
        pool.submit(|| 1, ()),
        pool.submit(pass, gate.path()),
    ];
    futures[1].wait();
    let mut completed = as_completed(futures).deadline(Duration::ZERO);
    assert!(matches!(completed.next(), Some((1, Ok(1)))));
    assert!(matches!(
        completed.next(),
        Some((0, Err(TaskError::Expired(Deadline::Call))))
    ));
    assert!(matches!(
        completed.next(),
        Some((2, Err(TaskError::Expired(Deadline::Call))))
    ));
    assert!(completed.next().is_none());
    gate.open();
}

#[test]
fn dropping_the_iterator_cancels_nothing() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let mut completed = as_completed([
        pool.submit(|| 0, ()),
        pool.submit(pass, gate.path()),
        pool.submit(pass, gate.path()),
    ]);
    assert!(completed.next().is_some());
    drop(completed);
    gate.open();
    pool.shutdown();
    assert_eq!(gate.arrived(), 2, "both ran all the same");
}
