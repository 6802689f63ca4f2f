//! Pools inside tasks of pools.

use pexec::{Executor, ProcessPool};
use pexec_tests::gate::pass;
use pexec_tests::tasks::add;
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

use crate::pool;

fn inner_sum(n: u64) -> u64 {
    let pool = ProcessPool::builder()
        .workers(2)
        .build()
        .expect("a pool in a task");
    pool.map(add, (0..n).map(|i| (i, 0)))
        .map(|r| r.expect("runs"))
        .sum()
}

#[test]
fn pools_in_tasks_of_several_workers_finish() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let sums: Vec<u64> = pool
        .map(inner_sum, [10, 100, 50, 200])
        .map(|r| r.expect("runs"))
        .collect();
    assert_eq!(sums, [45, 4950, 1225, 19_900]);
}

/// How many pools could be built inside each other from here, and why no more.
fn dig(level: u32) -> (u32, String) {
    match ProcessPool::builder().workers(1).build() {
        Ok(pool) => pool
            .submit(dig, level + 1)
            .result()
            .expect("the level below answers"),
        Err(error) => (level, error.to_string()),
    }
}

#[test]
fn nesting_is_bounded_and_beyond_the_bound_the_error_says_so() {
    let _sweep = LeakSweep::new();
    let (levels, why) = dig(0);
    assert_eq!(levels, 8);
    assert!(why.contains("nested deeper than 8 levels"), "{why}");
}

fn inner_at_gate(gate: String) -> u32 {
    let pool = ProcessPool::builder()
        .workers(2)
        .name("inner-of-a-killed-task")
        .build()
        .expect("a pool in a task");
    let futures = [pool.submit(pass, gate.clone()), pool.submit(pass, gate)];
    futures.into_iter().map(|f| f.result().expect("runs")).sum()
}

fn inner_workers() -> usize {
    let title = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let inner = |pid: i32| title(pid).starts_with(b"pexec-worker:inner-of-a-killed-task:");
    processes::all()
        .iter()
        .filter(|p| processes::is_alive(p.pid) && inner(p.pid))
        .count()
}

#[test]
fn ending_a_task_ends_the_pools_inside_it() {
    let _sweep = LeakSweep::new();
    for end in 0..3 {
        let pool = pool(1);
        let gate = Gate::new();
        let future = pool.submit(inner_at_gate, gate.path());
        gate.wait_for(2);
        assert_eq!(inner_workers(), 2);
        match end {
            0 => assert!(future.kill()),
            1 => pool.terminate(),
            _ => assert!(processes::send(
                pool.workers()[0].pid as i32,
                nix::sys::signal::Signal::SIGKILL
            )),
        }
        assert!(future.result().is_err());
        wait_until("the inner workers are gone", || inner_workers() == 0);
    }
}

#[test]
fn a_program_that_a_task_starts_is_an_ordinary_program() {
    let _sweep = LeakSweep::new();
    let environment = || {
        let output = std::process::Command::new("env").output().expect("env runs");
        String::from_utf8(output.stdout).expect("text")
    };
    let environment = pool(1).submit(environment, ()).result().expect("runs");
    assert!(
        !environment.contains("PEXEC_WORKER"),
        "it would take itself for a worker: {environment}"
    );
}
