//! How long tasks wait and run, as a pool tells it.

use std::time::Duration;

use pexec::{Executor, ProcessPool, Retry, Transport};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, die_by, fail, nap};
use pexec_tests::{Gate, LeakSweep, wait_until};

const TRANSPORTS: [Transport; 2] = [Transport::Memory, Transport::Socket];

fn pool(transport: Transport, workers: usize) -> ProcessPool {
    let builder = ProcessPool::builder().workers(workers).transport(transport);
    builder.build().expect("a pool")
}

#[test]
fn of_slow_tasks_each_is_measured() {
    let _sweep = LeakSweep::new();
    for transport in TRANSPORTS {
        let pool = pool(transport, 1);
        let naps: Vec<_> = (0..5).map(|_| pool.submit(nap, 30)).collect();
        naps.into_iter().for_each(|nap| nap.result().expect("runs"));
        let stats = pool.stats();
        let nap = Duration::from_millis(30);
        assert_eq!((stats.run_time.tasks, stats.queue_wait.tasks), (5, 5));
        assert!(stats.run_time.p50 >= nap && stats.run_time.max >= stats.run_time.p99);
        // Each waits for those before it.
        assert!(stats.queue_wait.max >= nap * 4, "{stats:?}");
        assert!(stats.queue_wait.p50 >= nap * 2, "{stats:?}");
    }
}

#[test]
fn quick_tasks_are_counted_by_those_that_are_measured() {
    let _sweep = LeakSweep::new();
    const MANY: u64 = 20_000;
    for transport in TRANSPORTS {
        let pool = pool(transport, 2);
        let sums: Vec<_> = (0..MANY).map(|n| pool.submit(add, (n, 1))).collect();
        sums.into_iter().for_each(|sum| {
            sum.result().expect("runs");
        });
        let stats = pool.stats();
        assert!(stats.run_time.tasks.abs_diff(MANY) < MANY / 20, "{stats:?}");
        assert_eq!(stats.queue_wait.tasks, stats.run_time.tasks);
        assert!(stats.run_time.p50 <= stats.run_time.p90 && stats.run_time.p90 <= stats.run_time.p99);
    }
}

#[test]
fn a_task_that_waits_for_a_worker_is_told_from_one_that_runs() {
    let _sweep = LeakSweep::new();
    let pool = pool(Transport::Memory, 1);
    let gate = Gate::new();
    let first = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let second = pool.submit(add, (1, 2));
    nap(40);
    gate.open();
    first.result().expect("runs");
    second.result().expect("runs");
    let stats = pool.stats();
    assert!(stats.queue_wait.max >= Duration::from_millis(40), "{stats:?}");
    assert!(stats.run_time.max >= Duration::from_millis(40), "{stats:?}");
}

#[test]
fn the_inputs_of_a_map_count_each() {
    let _sweep = LeakSweep::new();
    let pool = pool(Transport::Memory, 2);
    assert_eq!(pool.map(|n: u64| n + 1, 0..50_000).count(), 50_000);
    wait_until("nearly all are counted", || {
        pool.stats().run_time.tasks.abs_diff(50_000) < 10_000
    });
}

#[test]
fn what_waits_on_purpose_or_gives_no_answer_is_left_out_and_a_panic_is_not() {
    let _sweep = LeakSweep::new();
    let pool = pool(Transport::Memory, 1);
    let delayed = pool.task(add, (1, 2)).delay(Duration::from_millis(20)).submit();
    delayed.result().expect("runs");
    let retry = Retry::times(1).backoff(Duration::from_millis(20), 1.0, Duration::from_millis(20));
    pool.task(die_by, 9)
        .retry(retry)
        .submit()
        .result()
        .expect_err("crashes");
    assert_eq!(pool.stats().run_time.tasks, 0);
    pool.submit(fail, "no".to_owned()).result().expect_err("panics");
    assert_eq!(pool.stats().run_time.tasks, 1);
    pool.shutdown();
    assert_eq!(pool.stats().run_time.tasks, 0);
}
