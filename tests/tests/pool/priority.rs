//! Which tasks start first.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use pexec::{Cause, Executor, ProcessPool, Retry, ThreadPool};
use pexec_tests::gate::pass;
use pexec_tests::{Gate, LeakSweep, processes};

use crate::{pids, pool};

/// What tasks write down when they start, in their order.
struct Log(tempfile::TempDir);

impl Log {
    fn new() -> Log {
        Log(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log")
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Writes a line.
fn note(log: PathBuf, line: String) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(log)
        .expect("a log");
    // One write, so that lines of several processes stay whole.
    file.write_all(format!("{line}\n").as_bytes()).expect("written");
}

/// Panics at its first attempt.
fn second_time(log: PathBuf, line: String) {
    let attempt = pexec::task::current().map_or(0, |task| task.attempt);
    note(log, format!("{line}{attempt}"));
    assert!(attempt > 1, "not yet");
}

/// Waits at the gate if it is the first, else writes its number down.
fn first_waits(gate: String, log: PathBuf, n: u32) {
    if n == 0 {
        let _ = pass(gate);
    } else {
        note(log, n.to_string());
    }
}

fn strict_order(executor: &impl Executor) {
    let (gate, log) = (Gate::new(), Log::new());
    let busy = executor.submit(pass, gate.path());
    gate.wait_for(1);
    let tasks: Vec<_> = [
        ("a", 0),
        ("b", -1),
        ("c", 5),
        ("d", 0),
        ("e", 5),
        ("f", i32::MIN),
        ("g", i32::MAX),
    ]
    .into_iter()
    .map(|(name, priority)| {
        let task = executor.task(note, (log.path(), name.to_owned()));
        task.priority(priority).submit()
    })
    .collect();
    gate.open();
    assert!(busy.result().is_ok() && tasks.into_iter().all(|t| t.result().is_ok()));
    assert_eq!(log.lines().concat(), "gceadbf");
}

#[test]
fn the_higher_priority_starts_first_and_equal_ones_in_the_order_of_submission() {
    let _sweep = LeakSweep::new();
    strict_order(&pool(1));
}

#[test]
fn threads_keep_the_same_order() {
    let _sweep = LeakSweep::new();
    strict_order(&ThreadPool::builder().workers(1).build().expect("threads"));
}

#[test]
fn a_bounded_queue_keeps_the_same_order() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder().workers(1).queue_capacity(50).build();
    strict_order(&pool.expect("a pool"));
}

#[test]
fn what_was_sent_ahead_comes_back_for_a_higher_priority() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    // Short tasks make the pool send far ahead.
    for _ in 0..3 {
        let many: Vec<_> = (0..3000).map(|n: u32| pool.submit(|n: u32| n, n)).collect();
        assert!(many.into_iter().all(|f| f.result().is_ok()));
    }
    let (gates, log) = ([Gate::new(), Gate::new()], Log::new());
    let busy = [0, 1].map(|n: usize| {
        let future = pool.submit(pass, gates[n].path());
        gates[n].wait_for(1);
        future
    });
    let plain: Vec<_> = (0..100)
        .map(|n| pool.submit(note, (log.path(), n.to_string())))
        .collect();
    let urgent = pool
        .task(note, (log.path(), "urgent".to_owned()))
        .priority(1)
        .submit();
    // Only one of the two goes on: it starts the urgent one, whichever had been sent it.
    gates[1].open();
    assert!(urgent.result().is_ok());
    assert!(plain.into_iter().all(|f| f.result().is_ok()));
    gates[0].open();
    assert!(busy.into_iter().all(|f| f.result().is_ok()));
    let lines = log.lines();
    assert_eq!(lines[0], "urgent");
    // Their order is that of two workers, one of which is given what the other does not come to.
    let mut numbers: Vec<u32> = lines[1..].iter().map(|n| n.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..100), "each of the others ran once");
}

#[test]
fn the_items_of_a_map_that_have_not_started_wait_for_a_higher_priority() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let (gate, log) = (Gate::new(), Log::new());
    std::thread::scope(|scope| {
        let items = (0..50).map(|n| (gate.path(), log.path(), n));
        let map = scope.spawn(|| pool.map(first_waits, items).chunk_size(50).all(|r| r.is_ok()));
        gate.wait_for(1);
        let urgent = pool
            .task(note, (log.path(), "urgent".to_owned()))
            .priority(1)
            .submit();
        gate.open();
        assert!(urgent.result().is_ok());
        assert!(map.join().expect("no panic"));
    });
    let lines = log.lines();
    assert_eq!((lines.len(), lines[0].as_str()), (50, "urgent"));
}

fn another_attempt(executor: &impl Executor) {
    let (gate, log) = (Gate::new(), Log::new());
    let busy = executor.submit(pass, gate.path());
    gate.wait_for(1);
    let plain = executor.submit(note, (log.path(), "plain".to_owned()));
    let flaky = executor
        .task(second_time, (log.path(), "flaky".to_owned()))
        .priority(3)
        .retry(Retry::times(1).on([Cause::Panicked]))
        .submit();
    let equal = executor
        .task(note, (log.path(), "equal".to_owned()))
        .priority(3)
        .submit();
    gate.open();
    assert!(busy.result().is_ok() && plain.result().is_ok() && equal.result().is_ok());
    assert!(flaky.result().is_ok());
    assert_eq!(log.lines(), ["flaky1", "equal", "flaky2", "plain"]);
}

#[test]
fn another_attempt_keeps_its_priority_and_goes_behind_its_equals() {
    let _sweep = LeakSweep::new();
    another_attempt(&pool(1));
    another_attempt(&ThreadPool::builder().workers(1).build().expect("threads"));
}

#[test]
fn what_comes_back_from_a_dead_worker_keeps_its_order() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let (gate, log) = (Gate::new(), Log::new());
    let blamed = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let priority = n % 3;
            let line = format!("{priority} {n:02}");
            pool.task(note, (log.path(), line)).priority(priority).submit()
        })
        .collect();
    assert!(processes::send(pids(&pool)[0] as i32, Signal::SIGKILL));
    assert!(blamed.result().is_err());
    assert!(tasks.into_iter().all(|t| t.result().is_ok()));
    let lines = log.lines();
    let mut expected = lines.clone();
    expected.sort_by_key(|line| (std::cmp::Reverse(line[..1].to_owned()), line.clone()));
    assert_eq!((lines.len(), &lines), (40, &expected));
}

#[test]
fn many_of_many_priorities_all_run_once_from_many_threads() {
    let _sweep = LeakSweep::new();
    let pool = pool(3);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let pool = &pool;
            scope.spawn(move || {
                let futures: Vec<_> = (0..500u32)
                    .map(|n| {
                        let task = pool.task(|n: u32| n, n);
                        let priority = ((n + thread) % 5) as i32 - 2;
                        let future = task.priority(priority).submit();
                        (n, future)
                    })
                    .collect();
                for (n, future) in futures {
                    if n % 50 == 0 {
                        let _ = future.cancel();
                    }
                    match future.result() {
                        Ok(value) => assert_eq!(value, n),
                        Err(error) => assert!(n % 50 == 0, "{error}"),
                    }
                }
            });
        }
    });
    let stats = pool.stats();
    assert_eq!((stats.done + stats.cancelled, stats.queued), (2000, 0));
}
