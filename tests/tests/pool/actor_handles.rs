//! Handles of an actor in other processes than the one that has started it.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use pexec::{Actor, Executor, Exit, ProcessPool, Retry, TaskError, TaskErrorKind, TaskFuture};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

use crate::pool;

type Log = Actor<Vec<u64>>;

fn log() -> Log {
    Actor::spawn(Vec::new, ()).expect("starts")
}

fn push(log: &mut Vec<u64>, entry: u64) -> usize {
    log.push(entry);
    log.len()
}

#[expect(clippy::ptr_arg, reason = "a call has the state itself")]
fn entries(log: &mut Vec<u64>, (): ()) -> Vec<u64> {
    log.clone()
}

fn push_many(log: Log, from: u64, n: u64) -> usize {
    let calls: Vec<_> = (from..from + n).map(|entry| log.call(push, entry)).collect();
    let seen: Vec<usize> = calls.into_iter().map(|c| c.result().expect("runs")).collect();
    assert!(seen.is_sorted(), "in order");
    seen.len()
}

fn is_gone(pid: u32) -> bool {
    processes::find(pid as i32).is_none()
}

#[test]
fn tasks_in_many_workers_call_one_actor_each_in_its_order() {
    let _sweep = LeakSweep::new();
    let (log, pool) = (log(), pool(4));
    let tasks: Vec<_> = (0..8u64)
        .map(|task| pool.submit(push_many, (log.clone(), task << 32, 2000)))
        .collect();
    for task in tasks {
        assert_eq!(task.result().expect("runs"), 2000);
    }
    let mut of_each = BTreeMap::<u64, Vec<u64>>::new();
    for entry in log.call(entries, ()).result().expect("runs") {
        of_each.entry(entry >> 32).or_default().push(entry & 0xffff_ffff);
    }
    assert_eq!(of_each.len(), 8);
    assert!(of_each.into_values().all(|one| one.into_iter().eq(0..2000)));
}

fn start_one(first: u64) -> Log {
    let log = log();
    drop(log.call(push, first));
    log
}

#[test]
fn a_handle_in_a_result_reaches_the_actor_that_a_task_has_left_behind() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let log = pool.submit(start_one, 7).result().expect("runs");
    assert_eq!(log.call(push, 8).result().expect("runs"), 2);
    assert_eq!(log.call(entries, ()).result().expect("runs"), [7, 8]);
    let pid = log.pid();
    assert!(processes::is_alive(pid as i32) && log.is_alive());
    drop(log);
    wait_until("that was the last handle", || is_gone(pid));
}

#[test]
fn an_actor_whose_supervisor_is_gone_says_so_to_handles_elsewhere() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let log = pool.submit(start_one, 7).result().expect("runs");
    let gate = Gate::new();
    let running = log.call(|_, gate| pass(gate), gate.path());
    gate.wait_for(1);
    assert!(processes::send(pool.workers()[0].pid as i32, Signal::SIGKILL));
    let error = running.result().expect_err("its supervisor is gone");
    assert_eq!(error.kind(), TaskErrorKind::Crashed);
    assert!(
        error.to_string().contains("had started the actor is gone"),
        "{error}"
    );
    let error = log.call(push, 1).result().expect_err("nobody is there");
    assert_eq!(error.kind(), TaskErrorKind::Died);
    wait_until("the actor is gone as well", || {
        !processes::is_alive(log.pid() as i32)
    });
}

fn push_at_gate(log: Log, gate: String) -> usize {
    let _ = pass(gate);
    log.call(push, 1).result().expect("runs")
}

#[test]
fn the_last_handle_anywhere_ends_the_actor() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    let log = log();
    let pid = log.pid();
    let tasks = [(); 2].map(|()| pool.submit(push_at_gate, (log.clone(), gate.path())));
    gate.wait_for(2);
    drop(log);
    assert!(processes::is_alive(pid as i32), "others have it");
    gate.open();
    let mut seen = tasks.map(|task| task.result().expect("the actor is there"));
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
    wait_until("the last handle is gone", || is_gone(pid));
}

#[test]
fn a_task_that_never_starts_gives_its_handle_back() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let busy = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let log = log();
    let pid = log.pid();
    let never = pool.submit(push_many, (log.clone(), 0, 1));
    drop(log);
    assert!(processes::is_alive(pid as i32), "the task has a handle");
    assert!(never.cancel());
    gate.open();
    drop(busy);
    wait_until("nobody has a handle", || is_gone(pid));
}

fn call_and_abort(log: Log, gate: String) {
    for entry in 0..100 {
        drop(log.call(push, entry));
    }
    assert_eq!(log.call(entries, ()).result().expect("runs").len(), 100);
    arrive(&gate);
    let _stuck: TaskFuture<u32> = log.call(|_, gate| pass(gate), gate);
    std::process::abort();
}

#[test]
fn a_process_that_dies_with_a_handle_is_only_a_handle_less() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let log = log();
    for round in 1..=3 {
        let gate = Gate::new();
        gate.open();
        let crashed = pool.submit(call_and_abort, (log.clone(), gate.path()));
        assert_eq!(
            crashed.result().expect_err("it aborted").kind(),
            TaskErrorKind::Crashed
        );
        let all = log.call(entries, ()).result().expect("the actor lives on");
        assert_eq!(all.len(), 100, "round {round}");
        log.call(|log, ()| log.clear(), ()).result().expect("runs");
    }
    assert!(log.is_alive());
}

fn hand_on(log: Log, entry: u64) -> usize {
    let inner = pexec::spawn(
        |log: Log, entry: u64| log.call(push, entry).result(),
        (log, entry),
    );
    inner
        .expect("starts")
        .join()
        .expect("runs")
        .expect("the actor answers")
}

#[test]
fn a_handle_can_be_handed_on_and_errors_travel_as_values() {
    let _sweep = LeakSweep::new();
    let (log, pool) = (log(), pool(1));
    assert_eq!(pool.submit(hand_on, (log.clone(), 5)).result().expect("runs"), 1);
    let back = pool.submit(|log: Log| log, log.clone()).result().expect("runs");
    assert_eq!(back.pid(), log.pid());
    assert_eq!(back.call(push, 6).result().expect("runs"), 2);
    drop(log);
    assert_eq!(back.call(entries, ()).result().expect("it is the last"), [5, 6]);
}

/// Crashes its first worker, and calls in the second.
fn second_time(log: Log, marker: String) -> usize {
    let seen = log.call(push, 1).result().expect("runs");
    if seen == 1 {
        arrive(&marker);
        std::process::abort();
    }
    seen
}

#[test]
fn a_task_that_runs_again_has_its_handle_again() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .retry(Retry::times(2))
        .build()
        .expect("a pool");
    let (log, gate) = (log(), Gate::new());
    let seen = pool.submit(second_time, (log, gate.path())).result();
    assert_eq!(seen.expect("the second attempt works"), 2);
}

/// What a call that ends the actor, one behind it and one later fail with, and the exit as this process knows it.
fn see_death(log: Actor<Vec<u64>>) -> (TaskError, TaskError, TaskError, Option<Exit>) {
    let fatal: TaskFuture<()> = log.call(|_, code: i32| std::process::exit(code), 9);
    let behind = log.call(push, 1);
    let fatal = fatal.result().expect_err("it exited");
    let behind = behind.result().expect_err("nobody is there");
    let later = log.call(push, 2).result().expect_err("nobody is there");
    (fatal, behind, later, log.exit())
}

#[test]
fn the_actors_end_is_told_to_handles_elsewhere_with_the_same_autopsy() {
    let _sweep = LeakSweep::new();
    let (log, pool) = (log(), pool(1));
    let (fatal, behind, later, exit) = pool.submit(see_death, log.clone()).result().expect("runs");
    assert_eq!(exit, Some(Exit::Code(9)));
    assert_eq!(log.exit(), exit);
    assert_eq!(fatal.kind(), TaskErrorKind::Crashed);
    let here = log.call(push, 3).result().expect_err("nobody is there");
    let known = fatal.autopsy().expect("a crash has one").to_string();
    for error in [behind, later, here] {
        assert_eq!(error.kind(), TaskErrorKind::Died);
        assert_eq!(error.autopsy().expect("it has one").to_string(), known);
    }
}

#[test]
fn poison_timeouts_labels_kill_and_shutdown_work_from_elsewhere() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let poisons = |log: Log| {
        let panics: TaskFuture<()> = log.call(|_, ()| panic!("over there"), ());
        let poisoned = log.call(push, 1);
        let kinds = (
            panics.result().expect_err("it panicked").to_string(),
            poisoned.result().expect_err("in doubt").to_string(),
        );
        log.clear_poison().result().expect("runs");
        kinds
    };
    let first = log();
    let (panicked, poisoned) = pool.submit(poisons, first.clone()).result().expect("runs");
    assert!(
        panicked.contains("over there") && poisoned.contains("clear_poison"),
        "{poisoned}"
    );
    assert_eq!(first.call(push, 1).result().expect("it is good again"), 1);
    let label = |log: Log| {
        let call = |_: &mut Vec<u64>, ()| pexec::task::current().and_then(|task| task.label);
        log.task(call, ())
            .label("from afar")
            .submit()
            .result()
            .expect("runs")
    };
    let label = pool.submit(label, first.clone()).result().expect("runs");
    assert_eq!(label.as_deref(), Some("from afar"));
    let stop = |log: Log| {
        let done = log.call(push, 2);
        log.shutdown();
        let late = log.call(push, 3).result().expect_err("closed").kind() == TaskErrorKind::PoolClosed;
        (done.result().expect("it was called before"), late)
    };
    assert_eq!(
        pool.submit(stop, first.clone()).result().expect("runs"),
        (2, true)
    );
    assert_eq!(first.exit(), Some(Exit::Code(0)));

    let second = log();
    let kill = |log: Log, gate: String| {
        let running = log.call(|_, gate| pass(gate), gate);
        // A call behind it tells nothing before it is dealt with; the gate does.
        log.kill();
        running.result().expect_err("killed").to_string()
    };
    let gate = Gate::new();
    let text = pool
        .submit(kill, (second.clone(), gate.path()))
        .result()
        .expect("runs");
    assert!(text.contains("it was ended on request"), "{text}");
    wait_until("it is gone", || !second.is_alive());

    let third = log();
    let slow = |log: Log, gate: String| {
        let call = |_: &mut Vec<u64>, gate: String| pass(gate);
        let limit = std::time::Duration::from_millis(20);
        log.task(call, gate)
            .timeout(limit)
            .submit()
            .result()
            .expect_err("too long")
    };
    let error = pool.submit(slow, (third, gate.path())).result().expect("runs");
    assert_eq!(error.kind(), TaskErrorKind::TimedOut);
}

/// Keeps handles of other actors.
fn relay(kept: &mut Option<Log>, log: Log) -> usize {
    let log = kept.insert(log);
    log.call(push, 40).result().expect("the other actor answers")
}

#[test]
fn actors_keep_handles_of_actors_and_large_values_and_handles_go_through() {
    let _sweep = LeakSweep::new();
    let inner = log();
    let outer: Actor<Option<Log>> = Actor::spawn(|| None, ()).expect("starts");
    assert_eq!(outer.call(relay, inner.clone()).result().expect("runs"), 1);
    let pid = inner.pid();
    drop(inner);
    let through = outer.call(
        |kept, ()| kept.as_ref().map(|log| log.call(push, 2).result().expect("runs")),
        (),
    );
    assert_eq!(through.result().expect("runs"), Some(2));
    outer
        .call(|kept, ()| drop(kept.take()), ())
        .result()
        .expect("runs");
    wait_until("nobody has the inner one", || is_gone(pid));

    let pool = pool(1);
    let store = log();
    let large = |store: Log, shared: pexec::sync::SharedBytes| {
        let long: Vec<u64> = (0..300_000).collect();
        let sent = store.call(|store, long: Vec<u64>| store.extend(long), long.clone());
        let back = store.call(
            |store, shared: pexec::sync::SharedBytes| (store.clone(), shared),
            shared,
        );
        sent.result().expect("runs");
        let (same, shared) = back.result().expect("runs");
        (same == long, shared)
    };
    let bytes = vec![3u8; 1 << 20];
    let shared = pexec::sync::SharedBytes::from(bytes.clone());
    let (same, shared) = pool.submit(large, (store, shared)).result().expect("runs");
    assert!(same && shared[..] == bytes[..]);
}

/// Has a handle of itself.
#[derive(Default)]
struct Knot {
    itself: Option<Actor<Knot>>,
    calls: u32,
}

#[test]
fn an_actor_that_has_a_handle_of_itself_calls_itself_and_ends_by_shutdown() {
    let _sweep = LeakSweep::new();
    let knot = Actor::spawn(Knot::default, ()).expect("starts");
    let tie = knot.call(|knot: &mut Knot, itself| knot.itself = Some(itself), knot.clone());
    tie.result().expect("runs");
    let later = |knot: &mut Knot, ()| {
        let again = knot
            .itself
            .as_ref()
            .map(|itself| itself.call(|knot, ()| knot.calls += 1, ()));
        // Waiting for it here would wait for itself.
        again.is_some()
    };
    assert!(knot.call(later, ()).result().expect("runs"));
    wait_until("the call of its own is done", || {
        knot.call(|knot, ()| knot.calls, ()).result().expect("runs") == 1
    });
    knot.shutdown();
    assert_eq!(knot.exit(), Some(Exit::Code(0)));
}
