//! Tasks that start later, in time, or never; and those that may run once only.

use std::time::{Duration, Instant};

use pexec::{
    Cause, Deadline, Execution, Executor, Inline, ProcessPool, Retry, TaskError, TaskErrorKind, ThreadPool,
};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::tasks::{add, fail};
use pexec_tests::{Gate, LeakSweep, wait_until};

use crate::pool;

const SOON: Duration = Duration::from_millis(60);
const LATER: Duration = Duration::from_secs(3600);

/// Says that it is there, and how often it was tried, and crashes before this attempt.
fn crashes_until(gate: String, good: u32) -> u32 {
    arrive(&gate);
    let attempt = pexec::task::current().map_or(0, |task| task.attempt);
    if attempt < good {
        std::process::abort();
    }
    attempt
}

fn threads() -> ThreadPool {
    ThreadPool::builder().workers(1).build().expect("threads")
}

fn starts_after_its_delay(executor: &impl Executor) {
    let start = Instant::now();
    let future = executor.task(add, (1, 2)).delay(SOON).submit();
    assert_eq!(future.result().expect("runs"), 3);
    assert!(start.elapsed() >= SOON);
    assert_eq!(
        executor
            .task(add, (3, 4))
            .delay(Duration::ZERO)
            .submit()
            .result()
            .expect("runs"),
        7
    );
}

#[test]
fn a_delayed_task_starts_after_its_delay() {
    let _sweep = LeakSweep::new();
    starts_after_its_delay(&pool(1));
    starts_after_its_delay(&threads());
    starts_after_its_delay(&Inline::new());
}

#[test]
fn a_delay_is_kept_where_nobody_waits_and_nothing_else_happens() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    // The pool has gone to sleep by then.
    assert!(pool.submit(add, (1, 2)).result().is_ok());
    std::thread::sleep(Duration::from_millis(30));
    let gate = Gate::new();
    drop(
        pool.task(|gate: String| arrive(&gate), gate.path())
            .delay(SOON)
            .submit(),
    );
    gate.wait_for(1);
}

fn holds_nobody_up(executor: &impl Executor) {
    let never = executor.task(add, (1, 2)).delay(LATER).submit();
    let for_ever = executor.task(add, (1, 2)).delay(Duration::MAX).submit();
    for n in 0..20 {
        assert_eq!(executor.submit(add, (n, 1)).result().expect("runs"), n + 1);
    }
    assert!(!never.is_done() && !never.is_running());
    assert!(never.cancel() && never.is_cancelled());
    assert!(for_ever.kill(), "as cancel does");
    assert_eq!(
        for_ever.result().expect_err("cancelled").kind(),
        TaskErrorKind::Cancelled
    );
}

#[test]
fn a_delayed_task_holds_nobody_up_and_can_be_cancelled() {
    let _sweep = LeakSweep::new();
    holds_nobody_up(&pool(1));
    holds_nobody_up(&threads());
}

#[test]
fn a_delayed_task_counts_as_queued() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .queue_capacity(1)
        .build()
        .expect("a pool");
    let delayed = pool.task(add, (1, 2)).delay(LATER).submit();
    assert!(
        pool.try_submit(add, (1, 2)).is_err(),
        "its place in the queue is taken"
    );
    assert_eq!(pool.stats().queued, 1);
    assert!(delayed.cancel());
    assert_eq!(pool.submit(add, (1, 2)).result().expect("there is room"), 3);
}

#[test]
fn a_shutdown_waits_for_delayed_tasks() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let delayed = pool.task(add, (1, 2)).delay(SOON).submit();
    pool.shutdown();
    assert!(delayed.is_done());
    assert_eq!(delayed.result().expect("it was waited for"), 3);
    let pool = threads();
    let delayed = [1, 2].map(|n| pool.task(add, (n, 2)).delay(SOON * n as u32).submit());
    drop(pool);
    assert!(delayed.into_iter().all(|d| d.is_done() && d.result().is_ok()));
}

#[test]
fn a_shutdown_now_cancels_delayed_tasks_and_so_does_terminate() {
    let _sweep = LeakSweep::new();
    for terminate in [false, true] {
        let pool = pool(1);
        let delayed = pool.task(add, (1, 2)).delay(LATER).submit();
        if terminate {
            pool.terminate();
        } else {
            pool.shutdown_now();
        }
        let error = delayed.result().expect_err("cancelled");
        assert_eq!(
            (error.kind(), error.execution()),
            (TaskErrorKind::Cancelled, Execution::NotStarted)
        );
    }
}

fn expires_while_others_run(executor: &impl Executor) {
    let (gate, never) = (Gate::new(), Gate::new());
    let busy = executor.submit(pass, gate.path());
    gate.wait_for(1);
    let waiting: Vec<_> = (0..20)
        .map(|_| executor.task(pass, never.path()).queue_timeout(SOON).submit())
        .collect();
    let patient = executor.task(add, (1, 2)).queue_timeout(LATER).submit();
    let endless = executor.task(add, (1, 2)).queue_timeout(Duration::MAX).submit();
    let none = executor.task(add, (1, 2)).queue_timeout(Duration::ZERO).submit();
    for future in waiting {
        let error = future.result().expect_err("nobody has time for it");
        assert!(matches!(error, TaskError::Expired(Deadline::Queue)), "{error}");
        assert_eq!(error.execution(), Execution::NotStarted);
    }
    assert!(!busy.is_done(), "they ended in time");
    gate.open();
    assert!(busy.result().is_ok());
    for future in [patient, endless, none] {
        assert_eq!(future.result().expect("it had time"), 3);
    }
    assert_eq!(never.arrived(), 0, "what has expired never runs");
}

#[test]
fn a_task_that_waits_too_long_expires_while_others_run() {
    let _sweep = LeakSweep::new();
    expires_while_others_run(&pool(1));
    expires_while_others_run(&threads());
}

#[test]
fn a_task_expires_where_nobody_waits_for_it() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let busy = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let (tell, told) = std::sync::mpsc::channel();
    let waiting = pool.task(add, (1, 2)).queue_timeout(SOON).submit();
    waiting.on_done(move |outcome| tell.send(outcome.error().map(TaskError::kind)).expect("told"));
    assert_eq!(told.recv().expect("called back"), Some(TaskErrorKind::Expired));
    gate.open();
    assert!(busy.result().is_ok());
}

#[test]
fn a_task_that_has_started_is_never_late() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    assert!(pool.submit(add, (1, 2)).result().is_ok());
    let mut limit = 5 * SOON;
    loop {
        let gate = Gate::new();
        let start = Instant::now();
        let future = pool.task(pass, gate.path()).queue_timeout(limit).submit();
        wait_until("it has started or is late", || {
            gate.arrived() == 1 || future.is_done()
        });
        if gate.arrived() == 1 {
            // It goes on well past that instant.
            std::thread::sleep((2 * limit).saturating_sub(start.elapsed()));
            assert!(!future.is_done());
            gate.open();
            assert!(future.result().is_ok());
            return;
        }
        // On a busy machine even a worker without work may be late.
        limit *= 2;
    }
}

#[test]
fn the_time_in_the_queue_counts_from_the_end_of_the_delay() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let start = Instant::now();
    let busy = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let waiting = pool.task(add, (1, 2)).delay(SOON).queue_timeout(SOON).submit();
    assert_eq!(waiting.result().expect_err("late").kind(), TaskErrorKind::Expired);
    assert!(start.elapsed() >= 2 * SOON);
    gate.open();
    assert!(busy.result().is_ok());
}

#[test]
fn a_task_that_may_run_once_only_is_not_tried_again_whatever_the_pool_says() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .retry(Retry::times(3).on([Cause::Crashed, Cause::Panicked]))
        .build()
        .expect("a pool");
    let gate = Gate::new();
    let once = pool
        .task(crashes_until, (gate.path(), 2))
        .idempotent(false)
        .submit();
    let error = once.result().expect_err("crashed");
    assert_eq!((error.kind(), gate.arrived()), (TaskErrorKind::Crashed, 1));
    let gate = Gate::new();
    let panics = |gate: String| {
        arrive(&gate);
        fail("after the effect".to_owned());
    };
    let once = pool
        .task(panics, gate.path())
        .idempotent(false)
        .retry(Retry::times(5))
        .submit();
    assert!(once.result().is_err());
    assert_eq!(gate.arrived(), 1);
    // What was only sent to a worker that died has not started.
    let gate = Gate::new();
    let dies = pool
        .task(crashes_until, (gate.path(), 9))
        .idempotent(false)
        .submit();
    let behind = pool.task(add, (1, 2)).idempotent(false).submit();
    assert!(dies.result().is_err());
    assert_eq!(behind.result().expect("it runs elsewhere"), 3);
}

#[test]
fn a_task_that_may_run_again_does_so_without_a_retry() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let again = pool
        .task(crashes_until, (gate.path(), 3))
        .idempotent(true)
        .submit();
    assert_eq!(again.result().expect("the third attempt"), 3);
    let gate = Gate::new();
    let bounded = pool
        .task(crashes_until, (gate.path(), 9))
        .idempotent(true)
        .submit();
    assert!(bounded.result().is_err());
    assert_eq!(gate.arrived(), 3);
    let gate = Gate::new();
    let never = pool
        .task(crashes_until, (gate.path(), 2))
        .idempotent(true)
        .retry(Retry::times(0));
    assert!(never.submit().result().is_err());
    assert_eq!(gate.arrived(), 1, "its retry decides");
}

#[test]
fn delays_limits_and_cancels_of_many_tasks_leave_one_outcome_each() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let futures: Vec<_> = (0..1500u64)
        .map(|n| {
            let task = pool.task(|n: u64| n, n);
            match n % 5 {
                0 => task.delay(Duration::from_micros(n * 7)).submit(),
                1 => task.queue_timeout(Duration::from_micros(1 + n % 300)).submit(),
                2 => task.priority((n % 7) as i32 - 3).submit(),
                3 => task
                    .delay(Duration::from_micros(n))
                    .queue_timeout(Duration::from_millis(n % 9))
                    .submit(),
                _ => task.submit(),
            }
        })
        .collect();
    for (n, future) in futures.iter().enumerate() {
        if n % 11 == 0 {
            let _ = future.cancel();
        }
    }
    wait_until("everything has ended", || {
        futures.iter().all(pexec::TaskFuture::is_done)
    });
    let (mut done, mut others) = (0, 0);
    for (n, future) in (0..).zip(futures) {
        match future.result() {
            Ok(value) => {
                assert_eq!(value, n);
                done += 1;
            }
            Err(error) => {
                assert_eq!(error.execution(), Execution::NotStarted, "{error}");
                others += 1;
            }
        }
    }
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed + stats.cancelled), (done, others));
}
