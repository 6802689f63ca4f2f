//! A task's future: its states, its results, who waits for it and who lets go of it.

use std::collections::HashSet;
use std::time::Duration;

use pexec::{Execution, Executor, Failure, TaskError, TaskErrorKind, TaskFuture};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, die_by, fail, pid};
use pexec_tests::{Gate, LeakSweep, wait_until};

use crate::pool;

fn states<R>(future: &TaskFuture<R>) -> (bool, bool, bool) {
    (future.is_done(), future.is_running(), future.is_cancelled())
}

#[test]
fn exactly_one_state_holds_at_a_time() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let running = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let queued = pool.submit(add, (1, 2));
    let cancelled = pool.submit(add, (1, 2));
    assert!(cancelled.cancel());
    let (done, running_, cancelled_) = (true, true, true);
    assert_eq!(states(&running), (!done, running_, !cancelled_));
    assert_eq!(states(&queued), (!done, !running_, !cancelled_));
    assert_eq!(states(&cancelled), (done, !running_, cancelled_));
    let panicked = pool.submit(fail, "on purpose".into());
    gate.open();
    queued.wait();
    panicked.wait();
    assert_eq!(states(&running), (done, !running_, !cancelled_));
    assert_eq!(states(&queued), (done, !running_, !cancelled_));
    assert_eq!(states(&panicked), (done, !running_, !cancelled_));
}

#[test]
fn waiting_with_a_timeout_gives_the_future_back_until_it_is_done() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let running = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let queued = pool.submit(add, (1, 2));
    assert!(!running.wait_timeout(Duration::ZERO));
    let running = running.result_timeout(Duration::ZERO).expect_err("not yet");
    let queued = queued
        .result_timeout(Duration::from_millis(10))
        .expect_err("not yet");
    gate.open();
    assert!(running.wait_timeout(Duration::MAX));
    assert!(running.result_timeout(Duration::ZERO).expect("done").is_ok());
    assert_eq!(
        queued.result_timeout(Duration::MAX).expect("done").expect("runs"),
        3
    );
    let cancelled = pool.submit(add, (1, 2));
    if cancelled.cancel() {
        let error = cancelled
            .result_timeout(Duration::ZERO)
            .expect("done")
            .expect_err("cancelled");
        assert_eq!(error.kind(), TaskErrorKind::Cancelled);
    }
}

#[test]
fn a_thread_that_waits_wakes_for_the_value_and_for_the_cancellation() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let running = pool.submit(pass, gate.path());
    let queued = pool.submit(add, (1, 2));
    gate.wait_for(1);
    std::thread::scope(|scope| {
        let value = scope.spawn(|| running.wait());
        let cancelled = scope.spawn(|| {
            queued.wait();
            queued.is_cancelled()
        });
        std::thread::sleep(Duration::from_millis(20));
        assert!(queued.cancel());
        assert!(cancelled.join().expect("no panic"), "woken with the cancellation");
        assert!(!value.is_finished());
        gate.open();
        value.join().expect("woken with the value");
    });
    assert!(running.result().is_ok());
}

#[test]
fn many_threads_can_wait_for_the_same_future() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let future = pool.submit(pass, gate.path());
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..8).map(|_| scope.spawn(|| future.wait())).collect();
        gate.wait_for(1);
        gate.open();
        waiting.into_iter().for_each(|w| w.join().expect("woken"));
    });
}

#[test]
fn thousands_of_results_find_their_own_futures_and_run_in_other_processes() {
    let _sweep = LeakSweep::new();
    let pool = pool(3);
    let futures: Vec<_> = (0..5000)
        .map(|n| pool.submit(|n: u64| (n * 3, std::process::id()), n))
        .collect();
    let ids: HashSet<_> = futures.iter().map(TaskFuture::id).collect();
    assert_eq!(ids.len(), 5000, "each task has an id of its own");
    let mut workers = HashSet::new();
    for (n, future) in (0..).zip(futures) {
        let (value, worker) = future.result().expect("runs");
        assert_eq!(value, n * 3);
        workers.insert(worker);
    }
    assert!(!workers.contains(&std::process::id()));
    assert!((1..=3).contains(&workers.len()), "{workers:?}");
}

#[test]
fn an_error_that_a_task_returns_is_a_value_and_comes_back_verbatim() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    fn parse(text: String) -> Result<i64, Failure> {
        if text.is_empty() {
            return Err(Failure::msg("nothing to parse"));
        }
        Ok(text.parse::<i64>()?)
    }
    let try_both = |text: &str| -> Result<i64, Box<dyn std::error::Error>> {
        Ok(pool.submit(parse, text.to_owned()).result()??)
    };
    assert_eq!(try_both("42").expect("a number"), 42);
    assert_eq!(try_both("").expect_err("empty").to_string(), "nothing to parse");
    assert_eq!(
        try_both("x").expect_err("no number").to_string(),
        "invalid digit found in string"
    );
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed), (3, 0), "such an error counts as done");
}

#[test]
fn a_failure_carries_the_whole_chain_of_sources() {
    let _sweep = LeakSweep::new();
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot read the configuration")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let task = || -> Result<(), Failure> { Err(Outer("x".parse::<u8>().expect_err("no number")))? };
    let failure = pool(1)
        .submit(task, ())
        .result()
        .expect("it ran")
        .expect_err("it failed");
    assert_eq!(failure.to_string(), "cannot read the configuration");
    assert_eq!(
        format!("{failure:#}"),
        "cannot read the configuration: invalid digit found in string"
    );
    let error: Box<dyn std::error::Error + Send + Sync> = failure.into();
    assert_eq!(
        error.source().map(ToString::to_string).as_deref(),
        Some("invalid digit found in string")
    );
}

#[test]
fn errors_are_standard_errors_that_say_whether_it_is_safe_to_try_again() {
    let _sweep = LeakSweep::new();
    fn is_error<E: std::error::Error + Send + Sync + Clone + 'static>(_: &E) {}
    let pool = pool(1);
    let crashed = pool.submit(die_by, 9).result().expect_err("dead");
    let panicked = pool
        .submit(fail, "on purpose".into())
        .result()
        .expect_err("a panic");
    is_error(&crashed);
    assert_eq!(
        (crashed.kind(), crashed.execution()),
        (TaskErrorKind::Crashed, Execution::MayHaveRun)
    );
    assert_eq!(
        (panicked.kind(), panicked.execution()),
        (TaskErrorKind::Panicked, Execution::Ran)
    );
    assert!(crashed.autopsy().is_some() && panicked.autopsy().is_none());
    assert!(panicked.to_string().contains("on purpose"), "{panicked}");
    assert_eq!(TaskError::PoolClosed.execution(), Execution::NotStarted);
}

#[test]
fn a_future_that_is_dropped_lets_its_task_run_on() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    gate.open();
    drop(pool.submit(pass, gate.path()));
    gate.wait_for(1);
    wait_until("it is done", || pool.stats().done == 1);
}

#[test]
fn submit_returns_while_the_pool_has_yet_to_do_the_work() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let futures: Vec<_> = (0..50).map(|_| pool.submit(pass, gate.path())).collect();
    assert!(
        futures.iter().all(|f| !f.is_done()),
        "nothing can be done behind a closed gate"
    );
    gate.open();
    let worker = pool.submit(pid, ()).result().expect("runs");
    assert!(
        futures
            .into_iter()
            .all(|f| f.result().is_ok_and(|pid| pid == worker))
    );
}

#[test]
fn labels_stand_in_futures_outcomes_and_errors() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let future = pool.task(die_by, 9).label("thumb 17").submit();
    assert_eq!(future.label(), Some("thumb 17"));
    assert!(format!("{future:?}").contains("thumb 17"));
    assert!(
        future
            .result()
            .expect_err("dead")
            .to_string()
            .contains("thumb 17")
    );
    assert_eq!(pool.submit(pid, ()).label(), None);
}
