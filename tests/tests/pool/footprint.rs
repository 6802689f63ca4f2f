//! What a pool takes while it lives: memory, descriptors, processes. It does not grow with what went through it.

use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;

use pexec::{Executor, ProcessPool};
use pexec_tests::gate::pass;
use pexec_tests::sweep::{children, descriptors};
use pexec_tests::tasks::{add, die_by};
use pexec_tests::{Gate, LeakSweep, wait_until};
use serde::{Deserialize, Serialize};

use crate::{pids, pool};

/// How many values of [`Counted`] this process has.
static LIVE: AtomicIsize = AtomicIsize::new(0);

/// Counts itself in and out.
struct Ticket;

impl Ticket {
    fn take() -> Ticket {
        LIVE.fetch_add(1, Ordering::SeqCst);
        Ticket
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Serialize, Deserialize)]
struct Counted(Vec<u8>, #[serde(skip, default = "Ticket::take")] Ticket);

fn give_another(value: Counted) -> Counted {
    Counted(value.0[..].to_vec(), Ticket::take())
}

fn live() -> isize {
    LIVE.load(Ordering::SeqCst)
}

#[test]
fn a_task_leaves_no_argument_and_no_result_behind() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let submit = |size: usize| pool.submit(give_another, Counted(vec![7; size], Ticket::take()));
    for size in [0, 10, 10_000, 1_000_000] {
        assert_eq!(submit(size).result().expect("runs").0.len(), size);
        let unread = submit(size);
        unread.wait();
        drop(unread);
        drop(submit(size));
        assert_eq!(live(), 0, "{size} bytes: here nothing is left");
        // One worker: it is through with what came before.
        assert_eq!(pool.submit(live, ()).result().expect("runs"), 0, "{size} bytes");
    }
}

/// What a process has in memory that is its own, in KiB.
fn own_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    let number = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
    number.expect("a number of KiB")
}

#[test]
fn tasks_that_are_done_take_no_memory() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let worker = pids(&pool)[0];
    let some = || {
        for _ in 0..20 {
            let futures: Vec<_> = (0..500).map(|n| pool.submit(add, (n, 1))).collect();
            assert!(futures.into_iter().all(|f| f.result().is_ok()));
            assert!(pool.map(add, (0..2000).map(|n| (n, 1))).all(|r| r.is_ok()));
        }
    };
    some();
    let before = [own_memory(std::process::id()), own_memory(worker)];
    (0..4).for_each(|_| some());
    let after = [own_memory(std::process::id()), own_memory(worker)];
    // 200 000 tasks: a hundred bytes each that stay would be twenty MB.
    for (before, after) in before.into_iter().zip(after) {
        assert!(after < before + 8 * 1024, "{before} KiB have become {after}");
    }
}

#[test]
fn a_hundred_workers_that_died_leave_no_zombie() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(4)
        .restart_limit(1000, Duration::from_secs(60))
        .build()
        .expect("a pool");
    let deaths: Vec<_> = (0..100).map(|_| pool.submit(die_by, 9)).collect();
    assert!(deaths.into_iter().all(|f| f.result().is_err()));
    wait_until("there are four workers and nobody else", || {
        let there = children();
        there.len() == 4 && there.iter().all(|p| p.state != 'Z')
    });
    assert_eq!(pool.submit(add, (1, 2)).result().expect("runs"), 3);
}

/// How many descriptors the worker has, when all are at the gate.
fn descriptors_at(gate: String) -> usize {
    let _ = pass(gate);
    descriptors().len()
}

#[test]
fn the_last_worker_has_no_more_descriptors_than_the_first() {
    let _sweep = LeakSweep::new();
    let pool = pool(6);
    let gate = Gate::new();
    let counts: Vec<_> = (0..6).map(|_| pool.submit(descriptors_at, gate.path())).collect();
    gate.wait_for(6);
    gate.open();
    let counts: Vec<_> = counts.into_iter().map(|f| f.result().expect("runs")).collect();
    assert!(counts.iter().all(|&n| n == counts[0]), "{counts:?}");
}

#[test]
fn pools_that_come_and_go_leave_no_descriptor() {
    let _sweep = LeakSweep::new();
    let before = descriptors();
    for n in 0..20 {
        let pool = pool(1 + n % 3);
        assert_eq!(pool.submit(add, (1, 2)).result().expect("runs"), 3);
        match n % 4 {
            0 => pool.shutdown(),
            1 => pool.shutdown_now(),
            2 => pool.terminate(),
            _ => {}
        }
    }
    wait_until("nothing is open that was not", || descriptors() == before);
}
