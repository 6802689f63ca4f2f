//! Tasks that run too long.

#![allow(
    clippy::zombie_processes,
    reason = "the children are left for the pool to end"
)]

use std::time::Duration;

use pexec::{Execution, Executor, Exit, ProcessPool, TaskError, TaskErrorKind};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::tasks::{add, bred, breed, hang, ignore_sigterm, nap_then};
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

use crate::{pids, pool};

const SHORT: Duration = Duration::from_millis(50);
/// Longer than any task that is to succeed, on any machine.
const LONG: Duration = Duration::from_secs(60);

fn impatient() -> ProcessPool {
    crate::builder()
        .workers(1)
        .task_timeout(SHORT)
        .kill_grace(Duration::from_millis(200))
        .build()
        .expect("a pool")
}

#[test]
fn a_task_that_runs_too_long_is_ended_and_its_side_effects_with_it() {
    let _sweep = LeakSweep::new();
    let pool = impatient();
    assert_eq!(pool.submit(add, (1, 2)).result().expect("there is a worker"), 3);
    let gate = Gate::new();
    let task = |gate: String| {
        hang();
        arrive(&gate);
    };
    let future = pool.task(task, gate.path()).label("slow").submit();
    let worker = pids(&pool)[0];
    let error = future.result().expect_err("too long");
    assert_eq!(
        (error.kind(), error.execution()),
        (TaskErrorKind::TimedOut, Execution::MayHaveRun)
    );
    let autopsy = error.autopsy().expect("it had a worker");
    assert_eq!((autopsy.pid, autopsy.exit), (worker, Exit::Signal(15)));
    assert!(autopsy.ran_for >= SHORT, "{autopsy}");
    assert!(autopsy.verdict.contains("50ms"), "{autopsy}");
    let text = error.to_string();
    assert!(text.contains("timed out") && text.contains("slow"), "{text}");
    assert!(!processes::is_alive(worker as i32));
    assert_eq!(gate.arrived(), 0);
    let next = pool.task(add, (1, 2)).timeout(LONG).submit();
    assert_eq!(next.result().expect("the pool works"), 3);
}

#[test]
fn a_task_that_ignores_sigterm_is_killed_after_the_grace() {
    let _sweep = LeakSweep::new();
    let stubborn = || {
        ignore_sigterm();
        hang();
    };
    let future = impatient()
        .task(stubborn, ())
        .timeout(Duration::from_millis(500))
        .submit();
    let Err(TaskError::TimedOut(autopsy)) = future.result() else {
        panic!("too long")
    };
    assert_eq!(autopsy.exit, Exit::Signal(9));
}

#[test]
fn a_task_is_asked_to_stop_before_it_is_ended_and_a_late_value_still_counts_as_timed_out_or_done() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let polite = |gate: String| {
        ignore_sigterm();
        while !pexec::task::cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        arrive(&gate);
        7
    };
    let task = pool.task(polite, gate.path()).timeout(Duration::from_millis(500));
    let result = task.submit().result();
    gate.wait_for(1);
    match result {
        Ok(value) => assert_eq!(value, 7),
        Err(error) => assert_eq!(error.kind(), TaskErrorKind::TimedOut),
    }
    assert_eq!(pool.submit(add, (1, 2)).result().expect("the pool works"), 3);
}

#[test]
fn the_clock_starts_with_the_task_not_with_its_submission() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let first = pool.submit(pass, gate.path());
    let behind = pool
        .task(nap_then, (0, 5))
        .timeout(Duration::from_secs(1))
        .submit();
    gate.wait_for(1);
    std::thread::sleep(Duration::from_millis(1300));
    gate.open();
    assert!(first.result().is_ok());
    assert_eq!(behind.result().expect("it had only waited"), 5);
}

#[test]
fn only_the_task_that_ran_too_long_is_ended() {
    let _sweep = LeakSweep::new();
    let pool = impatient();
    let futures: Vec<_> = (0..30)
        .map(|n| {
            if n == 3 {
                pool.submit(|_: u64| hang(), n)
            } else {
                pool.task(|_: u64| (), n).timeout(LONG).submit()
            }
        })
        .collect();
    for (n, future) in futures.into_iter().enumerate() {
        let kind = future.result().map_err(|e| e.kind());
        assert_eq!(
            kind,
            if n == 3 {
                Err(TaskErrorKind::TimedOut)
            } else {
                Ok(())
            },
            "number {n}"
        );
    }
}

#[test]
fn a_tasks_own_timeout_comes_before_the_pools_and_zero_is_none() {
    let _sweep = LeakSweep::new();
    let pool = impatient();
    for timeout in [Duration::from_secs(60), Duration::MAX, Duration::ZERO] {
        let future = pool.task(nap_then, (150, 1)).timeout(timeout).submit();
        assert_eq!(
            future.result().expect("its own timeout is longer"),
            1,
            "{timeout:?}"
        );
    }
    let none = crate::builder()
        .workers(1)
        .task_timeout(Duration::ZERO)
        .build()
        .expect("a pool");
    assert_eq!(none.submit(nap_then, (20, 1)).result().expect("no timeout"), 1);
    let huge = crate::builder()
        .workers(1)
        .task_timeout(Duration::MAX)
        .kill_grace(Duration::MAX)
        .restart_limit(1, Duration::MAX)
        .build()
        .expect("a pool");
    assert_eq!(huge.submit(add, (1, 2)).result().expect("runs"), 3);
}

#[test]
fn a_stopped_task_times_out() {
    let _sweep = LeakSweep::new();
    let stops = || {
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP).expect("stopped");
        hang();
    };
    assert_eq!(
        impatient()
            .submit(stops, ())
            .result()
            .expect_err("too long")
            .kind(),
        TaskErrorKind::TimedOut
    );
}

#[test]
fn a_timed_out_task_takes_its_children_along() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let path = format!("{}/child", gate.path());
    let future = pool
        .task(breed, path.clone())
        .timeout(Duration::from_millis(1500))
        .submit();
    assert_eq!(
        future.result().expect_err("too long").kind(),
        TaskErrorKind::TimedOut
    );
    let child = bred(&path);
    wait_until("the child is gone", || !processes::is_alive(child));
}
