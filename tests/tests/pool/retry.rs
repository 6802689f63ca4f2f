//! Which tasks run again, how often, and what is charged.

use std::time::Duration;

use nix::sys::signal::Signal;
use pexec::{Cause, Executor, ProcessPool, Retry, TaskError, TaskErrorKind};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::tasks::hang;
use pexec_tests::{Gate, LeakSweep, processes};

use crate::{pids, pool};

/// Goes wrong in the way that is asked for until this attempt, then gives the attempt's number.
fn until_attempt(gate: String, good: u32, way: String) -> u32 {
    arrive(&gate);
    let attempt = pexec::task::current().map_or(0, |c| c.attempt);
    if attempt < good {
        match way.as_str() {
            "abort" => std::process::abort(),
            "panic" => panic!("not yet"),
            _ => hang(),
        }
    }
    attempt
}

fn args(gate: &Gate, good: u32, way: &str) -> (String, u32, String) {
    (gate.path(), good, way.to_owned())
}

#[test]
fn without_a_retry_a_crashed_task_runs_once() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let error = pool(1)
        .submit(until_attempt, args(&gate, 2, "abort"))
        .result()
        .expect_err("dead");
    assert_eq!(
        (error.kind(), error.autopsy().map(|a| a.attempt)),
        (TaskErrorKind::Crashed, Some(1))
    );
    assert_eq!(gate.arrived(), 1);
}

#[test]
fn a_retry_runs_a_crashed_task_again_until_it_works_or_the_attempts_are_used_up() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    let works = pool
        .task(until_attempt, args(&gate, 3, "abort"))
        .retry(Retry::times(2))
        .submit();
    assert_eq!(works.result().expect("the third attempt"), 3);
    assert_eq!(gate.arrived(), 3);
    let gate = Gate::new();
    let fails = pool
        .task(until_attempt, args(&gate, 4, "abort"))
        .retry(Retry::times(2))
        .submit();
    let Err(TaskError::Crashed(autopsy)) = fails.result() else {
        panic!("three attempts are too few")
    };
    assert_eq!(autopsy.attempt, 3);
    assert_eq!(gate.arrived(), 3);
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed), (1, 1), "attempts are no tasks");
}

#[test]
fn only_the_named_causes_earn_another_attempt() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    for (way, cause, kind) in [
        ("panic", Cause::Panicked, TaskErrorKind::Panicked),
        ("hang", Cause::TimedOut, TaskErrorKind::TimedOut),
        ("abort", Cause::Crashed, TaskErrorKind::Crashed),
    ] {
        let run = |causes: Vec<Cause>| {
            let gate = Gate::new();
            // Long enough for everything but a task that hangs.
            let timeout = Duration::from_millis(if way == "hang" { 500 } else { 60_000 });
            let task = pool.task(until_attempt, args(&gate, 2, way)).timeout(timeout);
            task.retry(Retry::times(1).on(causes))
                .submit()
                .result()
                .map_err(|e| e.kind())
        };
        assert_eq!(run(vec![cause]), Ok(2), "{way}");
        let others = [Cause::Panicked, Cause::TimedOut, Cause::Crashed]
            .into_iter()
            .filter(|c| *c != cause);
        assert_eq!(run(others.collect()), Err(kind), "{way}");
    }
}

#[test]
fn the_pools_retry_is_the_default_and_a_tasks_own_comes_first() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .retry(Retry::times(1))
        .build()
        .expect("a pool");
    let gate = Gate::new();
    assert_eq!(
        pool.submit(until_attempt, args(&gate, 2, "abort"))
            .result()
            .expect("the second attempt"),
        2
    );
    let gate = Gate::new();
    let never = pool
        .task(until_attempt, args(&gate, 2, "abort"))
        .retry(Retry::times(0))
        .submit();
    assert!(never.result().is_err());
    assert_eq!(gate.arrived(), 1);
}

#[test]
fn a_pause_between_attempts_holds_nobody_else_up() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let retry = Retry::times(1).backoff(Duration::from_secs(3600), 1.0, Duration::MAX);
    let waiting = pool
        .task(until_attempt, args(&gate, 2, "panic"))
        .retry(retry.on([Cause::Panicked]))
        .submit();
    gate.wait_for(1);
    for n in 0..20 {
        assert_eq!(pool.submit(|n: u32| n, n).result().expect("runs"), n);
    }
    assert!(!waiting.is_done() && !waiting.is_running());
    assert!(waiting.cancel(), "between two attempts it has not started");
    assert_eq!(
        waiting.result().expect_err("cancelled").kind(),
        TaskErrorKind::Cancelled
    );
}

#[test]
fn a_short_pause_is_kept_and_then_the_attempt_comes() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let retry = Retry::times(3).backoff(Duration::from_millis(5), 2.0, Duration::from_millis(10));
    let task = pool
        .task(until_attempt, args(&gate, 4, "abort"))
        .retry(retry)
        .submit();
    assert_eq!(task.result().expect("the fourth attempt"), 4);
}

#[test]
fn what_was_sent_to_a_dead_worker_and_had_not_started_runs_elsewhere_uncharged() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    // Short tasks make the pool send far ahead.
    assert!(pool.map(|n: u32| n, 0..5000).all(|r| r.is_ok()));
    let gate = Gate::new();
    let blamed = pool.submit(pass, gate.path());
    let attempts: Vec<_> = (0..100)
        .map(|_| pool.submit(|| pexec::task::current().map_or(0, |c| c.attempt), ()))
        .collect();
    gate.wait_for(1);
    assert!(processes::send(pids(&pool)[0] as i32, Signal::SIGKILL));
    assert_eq!(blamed.result().expect_err("dead").kind(), TaskErrorKind::Crashed);
    for attempt in attempts {
        assert_eq!(
            attempt.result().expect("it runs elsewhere"),
            1,
            "its attempts are not charged"
        );
    }
}

#[test]
fn killing_a_task_on_request_is_no_cause_to_run_it_again() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let future = pool.task(pass, gate.path()).retry(Retry::times(5)).submit();
    gate.wait_for(1);
    assert!(future.kill());
    assert_eq!(future.result().expect_err("killed").kind(), TaskErrorKind::Killed);
    assert_eq!(gate.arrived(), 1);
}
