//! Everything stands still for a while, and no time passes for it.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use pexec::{Executor, ProcessPool, TaskErrorKind};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, bred, breed, hang, nap_then};
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

use crate::{pids, pool};

/// A time limit, and longer than that.
const LIMIT: Duration = Duration::from_millis(400);
const LONGER: Duration = Duration::from_millis(900);

fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

#[test]
fn a_suspended_pools_workers_are_stopped_and_go_on_as_if_nothing_had_been() {
    let _sweep = LeakSweep::new();
    let pool = pool(3);
    let gate = Gate::new();
    let futures: Vec<_> = (0..3).map(|_| pool.submit(pass, gate.path())).collect();
    gate.wait_for(3);
    pool.suspend();
    pool.suspend();
    let workers = pids(&pool);
    assert!(
        workers.iter().all(|&pid| is_stopped(pid)),
        "all of them, by the time that it returns"
    );
    // What comes meanwhile waits.
    let later = pool.submit(add, (1, 2));
    gate.open();
    assert!(!later.is_done());
    pool.resume();
    pool.resume();
    assert!(futures.into_iter().all(|future| future.result().is_ok()));
    assert_eq!(later.result().expect("its turn has come"), 3);
    assert_eq!(pids(&pool), workers, "nobody was replaced");
}

#[test]
fn a_time_limit_does_not_run_on_while_everything_stands_still() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let runs = pool.task(pass, gate.path()).timeout(LIMIT * 20).submit();
    gate.wait_for(1);
    let short = pool.task(pass, gate.path()).timeout(LIMIT).submit();
    let waits = pool.task(add, (1, 2)).queue_timeout(LIMIT).submit();
    pool.suspend();
    sleep(LONGER);
    // All three would be over their limit by now.
    gate.open();
    pool.resume();
    assert!(runs.result().is_ok());
    assert!(short.result().is_ok());
    assert_eq!(waits.result().expect("it had not waited for long"), 3);
}

#[test]
fn a_limit_that_was_set_after_a_suspension_still_holds() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    pool.suspend();
    sleep(LONGER);
    pool.resume();
    let over = pool.task(hang, ()).timeout(Duration::from_millis(50)).submit();
    assert_eq!(
        over.result().expect_err("it hangs").kind(),
        TaskErrorKind::TimedOut
    );
    let delayed = pool.task(add, (1, 2)).delay(Duration::from_millis(20)).submit();
    assert_eq!(delayed.result().expect("only later"), 3);
}

#[test]
fn a_task_is_told_for_how_long_it_stood() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let told = || pool.submit(pexec::worker::suspended, ()).result().expect("told");
    assert_eq!(told(), Duration::ZERO);
    pool.suspend();
    sleep(Duration::from_millis(20));
    pool.resume();
    assert!(told() >= Duration::from_millis(20));
    assert_eq!(pexec::worker::suspended(), Duration::ZERO, "outside of a worker");
}

#[test]
fn what_tasks_have_started_in_groups_of_its_own_stands_still_too() {
    use std::os::unix::process::CommandExt;
    let _sweep = LeakSweep::new();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pids").to_string_lossy().into_owned();
    let pool = pool(1);
    let gate = Gate::new();
    // One group that is registered, and one that is not yet.
    let task = |path: String, gate: String| {
        let start = || {
            Command::new("sleep")
                .arg("600")
                .process_group(0)
                .spawn()
                .expect("started")
        };
        let (one, mut two) = (start(), start());
        let _guard = pexec::worker::guard_group(one.id() as i32);
        fs::write(path, format!("{}\n{}\n", one.id(), two.id())).expect("written");
        let _ = pass(gate);
        let mut one = one;
        for child in [&mut one, &mut two] {
            child.kill().expect("ours");
            child.wait().expect("ours");
        }
    };
    let future = pool.submit(task, (path.clone(), gate.path()));
    gate.wait_for(1);
    let pids: Vec<u32> = fs::read_to_string(&path)
        .expect("written")
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect();
    pool.suspend();
    wait_until("they are stopped", || pids.iter().all(|&pid| is_stopped(pid)));
    pool.resume();
    wait_until("they go on", || pids.iter().all(|&pid| !is_stopped(pid)));
    gate.open();
    future.result().expect("it tidies up");
}

#[test]
fn a_worker_that_dies_meanwhile_is_replaced_and_its_successor_stands_still_until_the_end() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let lost = pool.submit(pass, gate.path());
    gate.wait_for(1);
    pool.suspend();
    let first = pids(&pool)[0];
    processes::send(first as i32, nix::sys::signal::Signal::SIGKILL);
    wait_until("it is replaced", || {
        pids(&pool)
            .first()
            .is_some_and(|&pid| pid != first && is_stopped(pid))
    });
    pool.resume();
    assert_eq!(lost.result().expect_err("killed").kind(), TaskErrorKind::Crashed);
    assert_eq!(pool.submit(add, (1, 2)).result().expect("the pool works"), 3);
}

#[test]
fn a_suspended_pool_can_be_closed_in_every_way() {
    let _sweep = LeakSweep::new();
    let close: [fn(ProcessPool); 4] = [
        |pool| drop(pool),
        |pool| pool.shutdown(),
        |pool| pool.shutdown_now(),
        |pool| pool.terminate(),
    ];
    for close in close {
        let pool = pool(2);
        let _task = pool.submit(nap_then, (30, 1));
        pool.suspend();
        close(pool);
    }
}

#[test]
fn a_task_that_was_suspended_can_be_killed_with_its_children() {
    let _sweep = LeakSweep::new();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("child").to_string_lossy().into_owned();
    let pool = pool(1);
    let future = pool.submit(breed, path.clone());
    let child = bred(&path);
    pool.suspend();
    pool.resume();
    assert!(future.kill());
    assert!(future.result().is_err());
    wait_until("the child is gone", || !processes::is_alive(child));
}
