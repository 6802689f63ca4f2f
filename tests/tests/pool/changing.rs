//! Everything that changes a pool's workers at once, while tasks print, fail, crash and are killed.

use std::time::Duration;

use pexec::{Cause, Executor, Limits, ProcessPool, Retry, TaskErrorKind, Transport};
use pexec_tests::LeakSweep;
use pexec_tests::random::Random;
use pexec_tests::tasks::{die_by, fail, hang};

/// Says its number, and does what that asks for.
fn act(n: u64) -> u64 {
    println!("task {n}");
    match n % 20 {
        3 => fail("on purpose".into()),
        7 => die_by(9),
        11 => hang(),
        // Again and again, until it goes well.
        13 if pexec::task::current().is_some_and(|task| task.attempt < 3) => die_by(11),
        _ => {}
    }
    n
}

fn everything_at_once(transport: Transport) {
    let _sweep = LeakSweep::new();
    let mut random = Random::new(7);
    let pool = ProcessPool::builder()
        .transport(transport)
        .workers_between(1, 4)
        .idle_timeout(Duration::from_millis(5))
        .max_tasks_per_worker(9)
        .max_worker_age(Duration::from_millis(40))
        .max_worker_memory(1 << 30)
        .limits(Limits::new().core(0).open_files(512))
        .capture_output(true)
        .finalizer(|| println!("bye"), ())
        .kill_grace(Duration::from_millis(50))
        .build()
        .expect("a pool");
    let mut futures = Vec::new();
    for n in 0..600 {
        let task = pool
            .task(act, n)
            .retry(Retry::times(if n % 20 == 13 { 5 } else { 0 }).on([Cause::Crashed]));
        let task = if n % 20 == 11 {
            task.timeout(Duration::from_millis(30))
        } else {
            task
        };
        futures.push(task.submit());
        match random.below(120) {
            0 => pool.resize(1 + random.below(5)),
            1 => std::thread::sleep(Duration::from_millis(15)),
            _ => {}
        }
    }
    for (n, future) in (0..).zip(futures) {
        future.wait();
        let outcome = future.outcome().expect("it has ended");
        let said = String::from_utf8_lossy(outcome.stdout()).into_owned();
        assert_eq!(said, format!("task {n}\n"));
        let wanted = match n % 20 {
            3 => Err(TaskErrorKind::Panicked),
            7 => Err(TaskErrorKind::Crashed),
            11 => Err(TaskErrorKind::TimedOut),
            _ => Ok(n),
        };
        assert_eq!(future.result().map_err(|error| error.kind()), wanted, "task {n}");
    }
    pool.shutdown();
}

#[test]
fn every_task_keeps_its_outcome_and_its_text_over_shared_memory() {
    everything_at_once(Transport::Memory);
}

#[test]
fn every_task_keeps_its_outcome_and_its_text_over_sockets() {
    everything_at_once(Transport::Socket);
}
