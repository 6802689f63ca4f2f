//! The same verbs over processes, threads and the caller itself.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use pexec::{Executor, Inline, ProcessPool, TaskErrorKind, ThreadPool, TrySubmitError, Until};
use pexec_tests::LeakSweep;
use pexec_tests::tasks::{add, fail};

use crate::pool;

fn every_verb(executor: &impl Executor) {
    assert_eq!(executor.submit(add, (1, 2)).result().expect("runs"), 3);
    assert_eq!(
        executor
            .try_submit(add, (3, 4))
            .expect("accepted")
            .result()
            .expect("runs"),
        7
    );
    let labelled = executor
        .task(add, (5, 6))
        .label("sum")
        .timeout(Duration::from_secs(60))
        .submit();
    assert_eq!(labelled.label(), Some("sum"));
    assert_eq!(labelled.result().expect("runs"), 11);

    let squares: Vec<u64> = executor
        .map(|n: u64| n * n, 0..500)
        .map(|r| r.expect("runs"))
        .collect();
    assert!(squares.iter().zip(0..).all(|(square, n)| *square == n * n));
    let mut seen = vec![0; 500];
    executor.map_unordered(|n: u64| n * n, 0..500).for_each(|(i, r)| {
        assert_eq!(r.expect("runs"), (i * i) as u64);
        seen[i] += 1;
    });
    assert!(seen.iter().all(|&n| n == 1));

    let error = executor
        .submit(fail, "on purpose".into())
        .result()
        .expect_err("a panic");
    assert_eq!(error.kind(), TaskErrorKind::Panicked);
    assert!(
        error.to_string().contains("on purpose") && error.to_string().contains("tasks.rs:"),
        "{error}"
    );

    let futures: Vec<_> = (0..20).map(|n| executor.submit(add, (n, n))).collect();
    assert_eq!(pexec::wait(&futures, Until::AllDone, None).done.len(), 20);
    let sum: u64 = pexec::as_completed(futures).map(|(_, r)| r.expect("runs")).sum();
    assert_eq!(sum, (0..20).map(|n| 2 * n).sum());

    let (tell, told) = channel();
    executor
        .submit(add, (1, 1))
        .on_done(move |outcome| tell.send(outcome.is_ok()).expect("somebody listens"));
    assert!(told.recv().expect("called back"));

    let name = executor.submit(|| pexec::task::current().and_then(|c| c.label), ());
    assert_eq!(name.result().expect("runs"), None);
    let name = executor
        .task(|| pexec::task::current().and_then(|c| c.label), ())
        .label("me")
        .submit();
    assert_eq!(name.result().expect("runs").as_deref(), Some("me"));
}

#[test]
fn every_verb_works_over_processes() {
    let _sweep = LeakSweep::new();
    every_verb(&pool(2));
}

#[test]
fn every_verb_works_over_threads() {
    let _sweep = LeakSweep::new();
    every_verb(&ThreadPool::builder().workers(2).build().expect("threads"));
}

#[test]
fn every_verb_works_on_the_callers_thread() {
    let _sweep = LeakSweep::new();
    every_verb(&Inline::new());
}

#[test]
fn the_default_pools_have_a_worker_for_each_cpu() {
    let _sweep = LeakSweep::new();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(ProcessPool::new().expect("a pool").workers().len(), cpus);
    assert_eq!(
        format!("{:?}", ThreadPool::new().expect("threads")),
        format!("ThreadPool({cpus} workers)")
    );
}

#[test]
fn no_workers_at_all_are_refused_with_the_reason() {
    let _sweep = LeakSweep::new();
    let text = ProcessPool::builder()
        .workers(0)
        .build()
        .expect_err("refused")
        .to_string();
    assert_eq!(text, "workers(0): a pool needs at least one worker");
    let text = ThreadPool::builder()
        .workers(0)
        .build()
        .expect_err("refused")
        .to_string();
    assert_eq!(text, "workers(0): a pool needs at least one worker");
}

#[test]
fn inline_tasks_have_run_when_submit_returns() {
    let _sweep = LeakSweep::new();
    static RAN: AtomicU32 = AtomicU32::new(0);
    let future = Inline::new().submit(|n: u32| RAN.fetch_add(n, Ordering::Relaxed), 5);
    assert!(future.is_done());
    assert_eq!(RAN.load(Ordering::Relaxed), 5);
    assert!(!future.cancel() && !future.kill());
}

#[test]
fn a_thread_pool_cancels_what_waits_and_cannot_kill_what_runs() {
    let _sweep = LeakSweep::new();
    let pool = ThreadPool::builder().workers(1).build().expect("threads");
    let gate = pexec_tests::Gate::new();
    let running = pool.submit(pexec_tests::gate::pass, gate.path());
    gate.wait_for(1);
    let waiting = pool.submit(add, (1, 2));
    assert!(!running.cancel() && !running.kill());
    assert!(waiting.cancel() && waiting.is_cancelled());
    gate.open();
    assert!(running.result().is_ok());
    pool.shutdown();
    assert_eq!(
        pool.submit(add, (1, 2)).result().expect_err("closed").kind(),
        TaskErrorKind::PoolClosed
    );
    assert!(matches!(
        pool.try_submit(add, (8, 9)),
        Err(TrySubmitError::Closed((8, 9)))
    ));
}

#[test]
fn a_dropped_thread_pool_finishes_what_was_submitted() {
    let _sweep = LeakSweep::new();
    let pool = ThreadPool::builder().workers(2).build().expect("threads");
    let futures: Vec<_> = (0..100).map(|n| pool.submit(add, (n, 1))).collect();
    drop(pool);
    assert!(futures.iter().all(pexec::TaskFuture::is_done));
    assert!(
        (1..)
            .zip(futures)
            .all(|(n, f)| f.result().is_ok_and(|value| value == n))
    );
}
