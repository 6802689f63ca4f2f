//! Bounds that the pool's owner sets: the queue's capacity, the restarts; and the counts.

use std::time::Duration;

use pexec::{Executor, PoolStats, ProcessPool, TaskErrorKind, TrySubmitError, WorkerState};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, die_by, fail};
use pexec_tests::{Gate, LeakSweep, wait_until};

use crate::{pids, pool};

fn bounded(capacity: usize) -> ProcessPool {
    ProcessPool::builder()
        .workers(1)
        .queue_capacity(capacity)
        .build()
        .expect("a pool")
}

/// Fills the queue of a pool whose worker waits at the gate.
fn fill(pool: &ProcessPool, gate: &Gate) -> Vec<pexec::TaskFuture<u32>> {
    let mut accepted = Vec::new();
    loop {
        match pool.try_submit(pass, gate.path()) {
            Ok(future) => accepted.push(future),
            Err(TrySubmitError::Full(path)) => {
                assert_eq!(path, gate.path(), "the argument comes back");
                // It may have taken one off the queue just now; full for good once the worker stands at the gate.
                if gate.arrived() == 1
                    && pool
                        .try_submit(pass, gate.path())
                        .map(|f| accepted.push(f))
                        .is_err()
                {
                    return accepted;
                }
            }
            Err(TrySubmitError::Closed(_)) => panic!("it is open"),
        }
        assert!(accepted.len() < 1000, "it has no bound");
    }
}

#[test]
fn a_full_queue_refuses_try_submit_and_gives_the_argument_back() {
    let _sweep = LeakSweep::new();
    let pool = bounded(5);
    let gate = Gate::new();
    let accepted = fill(&pool, &gate);
    // One runs, one may have been sent ahead, and five wait.
    assert!((6..=7).contains(&accepted.len()), "{}", accepted.len());
    gate.open();
    assert!(accepted.into_iter().all(|f| f.result().is_ok()));
    assert!(pool.try_submit(add, (1, 2)).is_ok(), "there is room again");
}

#[test]
fn submit_blocks_while_the_queue_is_full_and_goes_on_when_there_is_room() {
    let _sweep = LeakSweep::new();
    let pool = bounded(2);
    let gate = Gate::new();
    let accepted = fill(&pool, &gate);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(add, (1, 2)).result());
        std::thread::sleep(Duration::from_millis(30));
        assert!(!blocked.is_finished());
        gate.open();
        assert_eq!(blocked.join().expect("no panic").expect("runs"), 3);
    });
    drop(accepted);
}

#[test]
fn whoever_waits_for_room_learns_that_the_pool_was_shut_down() {
    let _sweep = LeakSweep::new();
    let pool = bounded(2);
    let gate = Gate::new();
    let accepted = fill(&pool, &gate);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(add, (1, 2)).result());
        std::thread::sleep(Duration::from_millis(20));
        assert!(!pool.shutdown_timeout(Duration::from_millis(1)));
        let error = blocked.join().expect("no panic").expect_err("closed");
        assert_eq!(error.kind(), TaskErrorKind::PoolClosed);
        gate.open();
    });
    pool.shutdown();
    assert!(
        accepted.into_iter().all(|f| f.result().is_ok()),
        "what was accepted ran"
    );
}

#[test]
fn a_bounded_queue_moves_although_every_task_fails() {
    let _sweep = LeakSweep::new();
    let pool = bounded(3);
    let mut failed = 0;
    for n in 0..200 {
        let future = if n % 20 == 0 {
            pool.submit(die_by, 9)
        } else {
            pool.submit(fail, "on purpose".into())
        };
        future.on_done(|outcome| assert!(!outcome.is_ok()));
        failed += u64::from(n < 200);
    }
    pool.submit(|| (), ()).wait();
    wait_until("all are counted", || pool.stats().failed == failed);
}

#[test]
fn cancelling_makes_room_in_a_bounded_queue() {
    let _sweep = LeakSweep::new();
    let pool = bounded(2);
    let gate = Gate::new();
    let accepted = fill(&pool, &gate);
    assert!(accepted.last().expect("some").cancel());
    wait_until("there is room", || pool.try_submit(add, (1, 2)).is_ok());
    gate.open();
}

#[test]
fn options_without_meaning_are_refused_with_the_reason() {
    let _sweep = LeakSweep::new();
    let text = ProcessPool::builder()
        .queue_capacity(0)
        .build()
        .expect_err("refused")
        .to_string();
    assert_eq!(text, "queue_capacity(0): nothing could ever be submitted");
    let text = ProcessPool::builder()
        .max_message(u64::MAX)
        .build()
        .expect_err("refused")
        .to_string();
    assert!(text.starts_with("max_message: "), "{text}");
}

#[test]
fn more_crashes_than_the_restart_limit_break_the_pool_and_it_says_why() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .restart_limit(2, Duration::from_secs(600))
        .build()
        .expect("a pool");
    for _ in 0..3 {
        assert_eq!(
            pool.submit(die_by, 9).result().expect_err("dead").kind(),
            TaskErrorKind::Crashed
        );
    }
    let error = pool.submit(add, (1, 2)).result().expect_err("broken");
    assert_eq!(error.kind(), TaskErrorKind::PoolBroken);
    let text = error.to_string();
    assert!(
        text.contains("3 workers crashed") && text.contains("restart limit of 2"),
        "{text}"
    );
    assert!(text.contains("SIGKILL"), "the last one is told: {text}");
    assert!(matches!(
        pool.try_submit(add, (1, 2)),
        Err(TrySubmitError::Closed((1, 2)))
    ));
    pool.shutdown();
}

#[test]
fn deliberate_kills_and_timeouts_do_not_count_against_the_restart_limit() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .restart_limit(0, Duration::from_secs(600))
        .kill_grace(Duration::from_millis(100))
        .build()
        .expect("a pool");
    let gate = Gate::new();
    for round in 1..=3 {
        let future = pool.submit(pass, gate.path());
        gate.wait_for(round);
        assert!(future.kill());
        assert_eq!(future.result().expect_err("killed").kind(), TaskErrorKind::Killed);
    }
    let late = pool
        .task(pass, gate.path())
        .timeout(Duration::from_millis(20))
        .submit();
    assert_eq!(
        late.result().expect_err("too long").kind(),
        TaskErrorKind::TimedOut
    );
    assert_eq!(pool.submit(add, (1, 2)).result().expect("the pool works"), 3);
}

#[test]
fn crashes_that_lie_further_apart_than_the_period_do_not_add_up() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .restart_limit(1, Duration::from_millis(20))
        .build()
        .expect("a pool");
    for _ in 0..4 {
        assert_eq!(
            pool.submit(die_by, 9).result().expect_err("dead").kind(),
            TaskErrorKind::Crashed
        );
        std::thread::sleep(Duration::from_millis(60));
    }
    assert_eq!(pool.submit(add, (1, 2)).result().expect("the pool works"), 3);
}

#[test]
fn the_counts_add_up() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let running = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let queued: Vec<_> = (0..10).map(|n| pool.submit(add, (n, 1))).collect();
    assert!(queued[9].cancel());
    let panicking = pool.submit(fail, "on purpose".into());
    let crashing = pool.submit(die_by, 9);
    let seen = pool.stats();
    assert_eq!((seen.queued, seen.running), (11, 1));
    assert_eq!(
        (seen.done, seen.failed, seen.cancelled, seen.restarts),
        (0, 0, 1, 0)
    );
    gate.open();
    for future in [panicking, crashing] {
        assert!(future.result().is_err());
    }
    let _ = (
        running.result(),
        pexec::wait(&queued, pexec::Until::AllDone, None),
    );
    wait_until("the worker is replaced", || pool.stats().restarts == 1);
    let seen = pool.stats();
    assert_eq!((seen.queued, seen.running), (0, 0));
    assert_eq!((seen.done, seen.failed, seen.cancelled), (10, 2, 1));
    pool.shutdown();
    assert_eq!(
        pool.stats(),
        PoolStats::default(),
        "nothing is counted after the end"
    );
}

#[test]
fn workers_tell_their_slot_pid_state_tasks_and_memory() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    for _ in 0..5 {
        assert!(pool.submit(add, (1, 2)).result().is_ok());
    }
    let running = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let states = || {
        let mut states: Vec<_> = pool.workers().iter().map(|w| w.state).collect();
        states.sort_by_key(|s| *s != WorkerState::Busy);
        states
    };
    wait_until("one is busy and one idle", || {
        states() == [WorkerState::Busy, WorkerState::Idle]
    });
    let workers = pool.workers();
    assert_eq!(workers.iter().map(|w| w.slot).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(workers.iter().map(|w| w.tasks_done).sum::<u64>(), 5);
    assert!(
        workers.iter().all(|w| w.rss > 100_000 && w.rss < 1 << 30),
        "{workers:?}"
    );
    gate.open();
    assert!(pids(&pool).contains(&running.result().expect("runs")));
    pool.shutdown();
    assert!(pool.workers().is_empty());
}
