//! Deaths while tasks travel through shared memory: asleep there, looking there, with answers there that nobody has
//! read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use pexec::{Executor, Exit, ProcessPool, TaskError, Transport};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, die_by, nap, pid};
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

use crate::pids;

fn pool(workers: usize) -> ProcessPool {
    ProcessPool::builder()
        .workers(workers)
        .transport(Transport::Memory)
        .kill_grace(Duration::from_millis(200))
        .restart_limit(1000, Duration::from_secs(3600))
        .build()
        .expect("a pool")
}

#[test]
fn a_worker_that_is_killed_asleep_on_its_ring_is_replaced_and_nothing_fails() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    for round in 0..5 {
        // Both have served something through their rings.
        let naps: Vec<_> = (0..4).map(|_| pool.submit(nap, 5)).collect();
        naps.into_iter().for_each(|nap| nap.result().expect("it naps"));
        let victims = pids(&pool);
        wait_until("both workers sleep", || {
            victims.iter().all(|&p| processes::waits_in_a_futex(p as i32))
        });
        // One of them, both of them.
        for &victim in &victims[..1 + round % 2] {
            processes::send(victim as i32, Signal::SIGKILL);
        }
        assert_eq!(
            pool.submit(add, (round as u64, 1)).result().expect("it runs"),
            round as u64 + 1
        );
        wait_until("the dead are replaced", || {
            let now = pids(&pool);
            now.len() == 2 && !now.contains(&victims[0])
        });
    }
    assert_eq!(pool.stats().failed, 0);
}

#[test]
fn a_worker_that_is_killed_while_it_looks_for_its_next_task_takes_at_most_that_one_along() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    for round in 0..40u64 {
        let victim = pool.submit(pid, ()).result().expect("it runs");
        // At one moment after the other, from the middle of its look to well behind it.
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_micros(round * 6) {
            std::hint::spin_loop();
        }
        processes::send(victim as i32, Signal::SIGKILL);
        match pool.submit(add, (round, 1)).result() {
            Ok(sum) => assert_eq!(sum, round + 1),
            Err(TaskError::Crashed(autopsy)) => {
                assert_eq!(
                    (autopsy.pid, autopsy.exit),
                    (victim, Exit::Signal(9)),
                    "{autopsy}"
                );
            }
            Err(other) => panic!("{other}"),
        }
    }
    let stats = pool.stats();
    assert_eq!(stats.done + stats.failed, 80);
}

/// Waits at the gate, then emits.
fn pass_and_emit(gate: String) {
    let _ = pass(gate);
    pexec::task::emit(b"through");
}

#[test]
fn answers_that_nobody_had_read_when_their_worker_died_count() {
    let _sweep = LeakSweep::new();
    let (pool, gate) = (pool(1), Gate::new());
    // A worker that has shown that it is quick is sent many tasks ahead.
    for n in 0..2000 {
        drop(pool.submit(add, (n, 1)));
    }
    let worker = pool.submit(pid, ()).result().expect("it runs");
    let go_on = Arc::new(AtomicBool::new(false));
    let first = pool.task(pass_and_emit, gate.path());
    let first = {
        let go_on = Arc::clone(&go_on);
        // Whoever reads the ring is kept here, so what comes behind stays where it is.
        first.on_emit(move |_| {
            while !go_on.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    };
    let first = first.submit();
    let sums: Vec<_> = (0..200).map(|n| pool.submit(add, (n, 2))).collect();
    let last = pool.submit(die_by, 9);
    let behind: Vec<_> = (0..50).map(|n| pool.submit(add, (n, 3))).collect();
    gate.open();
    wait_until("the worker is dead or has nothing more to do", || {
        !processes::is_alive(worker as i32) || processes::waits_in_a_futex(worker as i32)
    });
    go_on.store(true, Ordering::Relaxed);
    first.result().expect("it had answered");
    for (n, sum) in (0..).zip(sums) {
        assert_eq!(sum.result().expect("it had answered"), n + 2);
    }
    assert_eq!(
        last.result().expect_err("it died").autopsy().expect("so").exit,
        Exit::Signal(9)
    );
    for (n, sum) in (0..).zip(behind) {
        assert_eq!(sum.result().expect("the next worker has it"), n + 3);
    }
}

/// Longer than a ring, by which it goes in pieces.
fn long_and_deadly(after: u64) -> Vec<u8> {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_micros(after));
        die_by(9);
    });
    vec![7; 3 << 20]
}

#[test]
fn a_worker_that_dies_somewhere_in_a_long_result_has_given_all_of_it_or_nothing() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    for round in 0..25 {
        let long = pool.submit(long_and_deadly, round * 150);
        let behind = pool.submit(add, (1, 2));
        match long.result() {
            Ok(bytes) => assert!(bytes.len() == 3 << 20 && bytes.iter().all(|&b| b == 7)),
            Err(TaskError::Crashed(autopsy)) => assert_eq!(autopsy.exit, Exit::Signal(9), "{autopsy}"),
            Err(other) => panic!("{other}"),
        }
        // The thread may outlive its task by a moment, and end the worker in the middle of the next one.
        match behind.result() {
            Ok(sum) => assert_eq!(sum, 3),
            Err(error) => assert!(matches!(error, TaskError::Crashed(_)), "{error}"),
        }
    }
}
