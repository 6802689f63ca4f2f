//! Which tasks run again, how often, and what is charged.

use std::time::Duration;

use nix::sys::signal::Signal;
use pexec::{Cause, Execution, Executor, Inline, ProcessPool, Retry, TaskError, TaskErrorKind, ThreadPool};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::tasks::{die_by, hang};
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

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
    assert!(!waiting.cancel(), "it has started before");
    let error = waiting.result().expect_err("but it is not tried again");
    assert_eq!(
        (error.kind(), error.execution()),
        (TaskErrorKind::Panicked, Execution::Ran)
    );
    assert!(
        error.not_retried().is_some_and(|why| why.contains("cancelled")),
        "{error}"
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

#[test]
fn the_error_of_a_task_tells_how_each_of_its_attempts_ended() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    // A panic, a time-out, a crash.
    let task = || {
        eprintln!(
            "said by attempt {}",
            pexec::task::current().map_or(0, |c| c.attempt)
        );
        match pexec::task::current().map_or(0, |c| c.attempt) {
            1 => panic!("the first"),
            2 => hang(),
            _ => std::process::abort(),
        }
    };
    let causes = [Cause::Panicked, Cause::TimedOut, Cause::Crashed];
    let future = pool
        .task(task, ())
        .timeout(Duration::from_secs(1))
        .retry(Retry::times(2).on(causes))
        .submit();
    let error = future.result().expect_err("three bad ends");
    let kinds: Vec<_> = error.attempts().iter().map(TaskError::kind).collect();
    assert_eq!(kinds, [TaskErrorKind::Panicked, TaskErrorKind::TimedOut]);
    assert_eq!(error.kind(), TaskErrorKind::Crashed);
    let second = error.attempts()[1].autopsy().expect("it had a worker");
    let last = error.autopsy().expect("likewise");
    assert_eq!((second.attempt, last.attempt), (2, 3));
    assert_ne!(second.pid, last.pid);
    assert!(last.output_tail.contains("said by attempt 3"), "{error}");
    let text = error.to_string();
    for words in [
        "SIGABRT",
        "attempt 1 panicked: the first",
        "attempt 2: worker",
        "its timeout of 1s",
    ] {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
}

#[test]
fn a_value_in_the_end_makes_up_for_the_attempts_before() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let pool = pool(1);
    let task = pool.task(until_attempt, args(&gate, 3, "abort"));
    let future = task.retry(Retry::times(2)).submit();
    let (tell, told) = std::sync::mpsc::channel();
    future.on_done(move |outcome| tell.send(outcome.is_ok()).expect("somebody listens"));
    assert_eq!(future.result().expect("the third attempt"), 3);
    assert!(told.recv().expect("called back"));
}

#[test]
fn a_task_that_crashes_worker_after_worker_is_quarantined() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    let poison = pool
        .task(until_attempt, args(&gate, u32::MAX, "abort"))
        .retry(Retry::times(100))
        .submit();
    let error = poison.result().expect_err("poison");
    assert_eq!((error.kind(), gate.arrived()), (TaskErrorKind::Crashed, 5));
    assert!(
        error.not_retried().is_some_and(|why| why.contains("quarantined")),
        "{error}"
    );
    let autopsies: Vec<_> = error.attempts().iter().filter_map(TaskError::autopsy).collect();
    let attempts: Vec<u32> = autopsies.iter().map(|a| a.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    assert!(autopsies.iter().all(|a| a.verdict.contains("abort")));
    let mut pids: Vec<u32> = autopsies.iter().map(|a| a.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 4);
    let text = error.to_string();
    assert!(text.contains("crashed 5 workers and is quarantined"), "{text}");
    assert_eq!(pool.submit(|| 7, ()).result().expect("the pool works"), 7);
}

#[test]
fn a_quarantined_task_does_not_use_up_the_pools_restart_limit() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .restart_limit(2, Duration::from_secs(3600))
        .build()
        .expect("a pool");
    for _ in 0..2 {
        let gate = Gate::new();
        let poison = pool
            .task(until_attempt, args(&gate, u32::MAX, "abort"))
            .retry(Retry::times(3))
            .submit();
        assert_eq!(poison.result().expect_err("poison").attempts().len(), 3);
        assert_eq!(pool.submit(|| 7, ()).result().expect("the pool works"), 7);
    }
    // Each of the two has counted once.
    assert!(pool.submit(die_by, 6).result().is_err());
    let refused = pool.submit(|| 7, ()).result().expect_err("one too many");
    assert_eq!(refused.kind(), TaskErrorKind::PoolBroken);
}

/// Waits until a task has gone wrong once, and its next attempt is far away.
fn between_two_attempts(pool: &ProcessPool) -> pexec::TaskFuture<u32> {
    let gate = Gate::new();
    let hour = Duration::from_secs(3600);
    let task = pool.task(until_attempt, args(&gate, 9, "abort"));
    let future = task.retry(Retry::times(3).backoff(hour, 1.0, hour)).submit();
    gate.wait_for(1);
    wait_until("its worker was replaced", || pool.stats().restarts == 1);
    future
}

#[test]
fn a_task_that_is_stopped_between_two_attempts_never_claims_that_it_has_not_started() {
    let _sweep = LeakSweep::new();
    for how in ["cancel", "kill", "shutdown_now", "terminate"] {
        let pool = pool(1);
        let future = between_two_attempts(&pool);
        match how {
            "cancel" => assert!(!future.cancel()),
            "kill" => assert!(future.kill()),
            "shutdown_now" => pool.shutdown_now(),
            _ => pool.terminate(),
        }
        assert!(!future.is_cancelled());
        let error = future.result().expect_err("it did not work");
        assert_eq!(
            (error.kind(), error.execution()),
            (TaskErrorKind::Crashed, Execution::MayHaveRun),
            "{how}"
        );
        assert!(error.not_retried().is_some(), "{how}: {error}");
    }
}

#[test]
fn a_task_that_loses_its_pool_between_two_attempts_says_how_it_ended_and_why_it_was_the_last() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .restart_limit(0, Duration::from_secs(3600))
        .build()
        .expect("a pool");
    let gate = Gate::new();
    let task = pool.task(until_attempt, args(&gate, 9, "abort"));
    let error = task.retry(Retry::times(3)).submit().result().expect_err("dead");
    assert_eq!(
        (error.kind(), error.execution()),
        (TaskErrorKind::Crashed, Execution::MayHaveRun)
    );
    assert!(
        error
            .not_retried()
            .is_some_and(|why| why.contains("restart limit")),
        "{error}"
    );
}

#[test]
fn jitter_makes_pauses_shorter_and_never_longer() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let hour = Duration::from_secs(3600);
    let gate = Gate::new();
    let short = Retry::times(3)
        .backoff(Duration::from_millis(5), 2.0, hour)
        .jitter(1.0);
    let task = pool.task(until_attempt, args(&gate, 4, "panic"));
    let future = task.retry(short.on([Cause::Panicked])).submit();
    assert_eq!(future.result().expect("the fourth attempt"), 4);
}

#[test]
fn threads_try_again_after_a_panic_and_tell_of_each() {
    let _sweep = LeakSweep::new();
    let pool = ThreadPool::builder().workers(2).build().expect("threads");
    let gate = Gate::new();
    let retry = Retry::times(2).on([Cause::Panicked]);
    let pause = Duration::from_millis(3);
    let works = pool
        .task(until_attempt, args(&gate, 3, "panic"))
        .retry(retry.clone().backoff(pause, 2.0, pause))
        .submit();
    assert_eq!(works.result().expect("the third attempt"), 3);
    assert_eq!(gate.arrived(), 3);
    let fails = pool
        .task(until_attempt, args(&gate, 9, "panic"))
        .retry(retry.clone())
        .submit();
    let error = fails.result().expect_err("three panics");
    assert_eq!(
        (error.kind(), error.attempts().len()),
        (TaskErrorKind::Panicked, 2)
    );
    let hour = Duration::from_secs(3600);
    let gate = Gate::new();
    let waits = pool
        .task(until_attempt, args(&gate, 9, "panic"))
        .retry(retry.backoff(hour, 1.0, hour))
        .submit();
    gate.wait_for(1);
    wait_until("its attempt has ended", || !waits.is_running());
    assert!(!waits.cancel(), "it has started before");
    assert_eq!(waits.result().expect_err("stopped").execution(), Execution::Ran);
}

#[test]
fn a_thread_pool_that_is_dropped_waits_for_further_attempts() {
    let _sweep = LeakSweep::new();
    let pool = ThreadPool::builder().workers(1).build().expect("threads");
    let gate = Gate::new();
    let pause = Duration::from_millis(30);
    let retry = Retry::times(2).on([Cause::Panicked]).backoff(pause, 1.0, pause);
    let task = pool
        .task(until_attempt, args(&gate, 3, "panic"))
        .retry(retry)
        .submit();
    drop(pool);
    assert!(task.is_done());
    assert_eq!(task.result().expect("the third attempt"), 3);
}

#[test]
fn an_inline_task_is_tried_again_at_once() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let retry = Retry::times(1).on([Cause::Panicked]);
    let inline = Inline::new();
    let works = inline
        .task(until_attempt, args(&gate, 2, "panic"))
        .retry(retry.clone())
        .submit();
    assert_eq!(works.result().expect("the second attempt"), 2);
    let fails = inline
        .task(until_attempt, args(&gate, 9, "panic"))
        .retry(retry)
        .submit();
    assert_eq!(fails.result().expect_err("two panics").attempts().len(), 1);
    let once = inline
        .task(until_attempt, args(&gate, 2, "panic"))
        .retry(Retry::times(5))
        .submit();
    assert!(once.result().is_err(), "a panic is not among its causes");
}
