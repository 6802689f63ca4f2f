//! `cancel` takes back what has not started, `kill` ends what has; never anybody else.

#![allow(
    clippy::zombie_processes,
    reason = "the children are left for the pool to end"
)]

use std::time::Duration;

use nix::sys::signal::Signal;
use pexec::{Execution, Executor, Exit, TaskError, TaskErrorKind};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::random::Random;
use pexec_tests::tasks::{add, bred, breed, ignore_sigterm, nap_then, pid};
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

use crate::{pids, pool};

#[test]
fn cancel_is_true_for_what_has_not_started_and_never_will_and_false_otherwise() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let running = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let pending = pool.submit(pass, gate.path());
    assert!(pending.cancel(), "it had not started");
    assert!(pending.cancel(), "and still has not");
    assert!(!running.cancel(), "it runs");
    gate.open();
    running.wait();
    assert!(!running.cancel(), "it is done");
    assert!(running.result().is_ok(), "nothing happened to it");
    let error = pending.result().expect_err("cancelled");
    assert_eq!(
        (error.kind(), error.execution()),
        (TaskErrorKind::Cancelled, Execution::NotStarted)
    );
    pool.shutdown();
    assert_eq!(gate.arrived(), 1, "the cancelled one never ran");
}

#[test]
fn what_was_sent_ahead_to_a_worker_can_be_cancelled_and_does_not_run() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    // Short tasks make the pool send far ahead.
    assert!(pool.map(add, (0..5000).map(|n| (n, n))).all(|r| r.is_ok()));
    let gate = Gate::new();
    let running = pool.submit(pass, gate.path());
    let ahead: Vec<_> = (0..100)
        .map(|_| pool.submit(|gate: String| arrive(&gate), gate.path()))
        .collect();
    gate.wait_for(1);
    for (n, future) in ahead.iter().enumerate() {
        if n % 2 == 0 {
            assert!(future.cancel(), "number {n} had not started");
        }
    }
    gate.open();
    for (n, future) in ahead.into_iter().enumerate() {
        assert_eq!(future.result().is_ok(), n % 2 == 1, "number {n}");
    }
    assert!(running.result().is_ok());
    assert_eq!(gate.arrived(), 51);
}

#[test]
fn cancelling_a_random_subset_of_thousands_leaves_exactly_the_others_done() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let mut random = Random::new(63);
    let futures: Vec<_> = (0..4000).map(|n| pool.submit(add, (n, 1))).collect();
    let mut cancelled = vec![false; futures.len()];
    for _ in 0..2000 {
        let n = random.below(futures.len());
        cancelled[n] |= futures[n].cancel();
    }
    for ((n, future), cancelled) in (0..).zip(futures).zip(&cancelled) {
        match future.result() {
            Ok(value) => assert!(!cancelled && value == n + 1),
            Err(error) => assert!(*cancelled && error.kind() == TaskErrorKind::Cancelled),
        }
    }
    let stats = pool.stats();
    let count = cancelled.iter().filter(|c| **c).count() as u64;
    assert_eq!(
        (stats.done, stats.failed, stats.cancelled),
        (4000 - count, 0, count)
    );
}

#[test]
fn kill_ends_the_worker_of_a_running_task_and_the_next_one_runs_on_a_new_one() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let running = pool.task(pass, gate.path()).label("doomed").submit();
    let behind = pool.submit(pid, ());
    gate.wait_for(1);
    let worker = pids(&pool)[0];
    assert!(running.kill());
    let error = running.result().expect_err("killed");
    assert_eq!(
        (error.kind(), error.execution()),
        (TaskErrorKind::Killed, Execution::MayHaveRun)
    );
    let autopsy = error.autopsy().expect("it had a worker");
    assert_eq!(
        (autopsy.pid, autopsy.exit),
        (worker, Exit::Signal(15)),
        "SIGTERM sufficed"
    );
    assert!(
        error.to_string().contains("killed on request") && error.to_string().contains("doomed"),
        "{error}"
    );
    assert_ne!(behind.result().expect("it runs elsewhere"), worker);
    assert!(!processes::is_alive(worker as i32));
}

#[test]
fn kill_is_cancel_for_what_has_not_started_and_nothing_for_what_is_done() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let running = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let queued = pool.submit(add, (1, 2));
    assert!(queued.kill());
    assert!(queued.is_cancelled());
    gate.open();
    running.wait();
    assert!(!running.kill());
    assert!(running.result().is_ok());
    assert_eq!(pool.stats().restarts, 0, "no worker was ended for either");
}

#[test]
fn a_task_that_ignores_sigterm_is_killed_after_the_grace() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let stubborn = |gate: String| {
        ignore_sigterm();
        pass(gate)
    };
    let future = pool.submit(stubborn, gate.path());
    gate.wait_for(1);
    assert!(future.kill());
    let Err(TaskError::Killed(autopsy)) = future.result() else {
        panic!("it was killed")
    };
    assert_eq!(autopsy.exit, Exit::Signal(9));
    assert_eq!(pool.submit(add, (1, 2)).result().expect("the pool works"), 3);
}

#[test]
fn a_stopped_worker_can_be_killed() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let future = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let worker = pids(&pool)[0] as i32;
    assert!(processes::send(worker, Signal::SIGSTOP));
    wait_until("it is stopped", || {
        processes::find(worker).is_some_and(|p| p.state == 'T')
    });
    assert!(future.kill());
    assert_eq!(future.result().expect_err("killed").kind(), TaskErrorKind::Killed);
}

#[test]
fn a_killed_task_takes_its_children_along() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let path = format!("{}/child", gate.path());
    let future = pool.submit(breed, path.clone());
    let child = bred(&path);
    assert!(future.kill());
    assert!(future.result().is_err());
    wait_until("the child is gone", || !processes::is_alive(child));
}

#[test]
fn killing_never_hits_a_task_that_came_after() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let mut killed = 0;
    for round in 0..60 {
        // The kill arrives about when the task ends; whatever it meets, the neighbours are right.
        let target = pool.submit(nap_then, (round % 4, 7));
        let others: Vec<_> = (0..10).map(|n| pool.submit(nap_then, (0, n))).collect();
        std::thread::sleep(Duration::from_millis(round % 5));
        let hit = target.kill();
        match target.result() {
            // Its answer may have been on the way already when the kill was decided.
            Ok(value) => assert_eq!(value, 7),
            Err(error) => {
                assert!(hit, "{error}");
                assert!(
                    matches!(error.kind(), TaskErrorKind::Killed | TaskErrorKind::Cancelled),
                    "{error}"
                );
                killed += 1;
            }
        }
        for (n, other) in (0..).zip(others) {
            assert_eq!(other.result().expect("nobody else is hit"), n);
        }
    }
    assert!(killed > 0, "no kill came in time in sixty rounds");
}

#[test]
fn killing_twice_is_killing_once() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let future = pool.submit(pass, gate.path());
    gate.wait_for(1);
    assert!(future.kill());
    let _ = future.kill();
    assert_eq!(future.result().expect_err("killed").kind(), TaskErrorKind::Killed);
    assert_eq!(pool.submit(add, (1, 2)).result().expect("the pool works"), 3);
    assert_eq!(pool.stats().restarts, 1);
}
