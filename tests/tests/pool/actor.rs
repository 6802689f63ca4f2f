//! A process that owns a state.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Barrier;
use std::time::Duration;

use nix::sys::signal::Signal;
use pexec::{Actor, BuildError, Execution, Executor, Exit, OnPanic, TaskError, TaskErrorKind, TaskFuture};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

use crate::pool;

/// Neither `Send` nor serialisable.
struct Ledger {
    entries: Rc<RefCell<Vec<u64>>>,
    also: Rc<RefCell<Vec<u64>>>,
}

impl Ledger {
    fn new(first: u64) -> Ledger {
        let entries = Rc::new(RefCell::new(vec![first]));
        Ledger {
            also: Rc::clone(&entries),
            entries,
        }
    }
}

fn enter(ledger: &mut Ledger, entry: u64) -> usize {
    ledger.also.borrow_mut().push(entry);
    ledger.entries.borrow().len()
}

fn entries(ledger: &mut Ledger, (): ()) -> Vec<u64> {
    ledger.entries.borrow().clone()
}

fn ledger() -> Actor<Ledger> {
    Actor::spawn(Ledger::new, 0).expect("starts")
}

#[test]
fn a_state_that_is_neither_send_nor_serialisable_lives_in_its_process() {
    let _sweep = LeakSweep::new();
    let ledger = ledger();
    assert_ne!(ledger.pid(), std::process::id());
    assert_eq!(ledger.call(enter, 7).result().expect("runs"), 2);
    let by_closure = ledger.call(|ledger, x| enter(ledger, x + 1), 7);
    assert_eq!(by_closure.result().expect("runs"), 3);
    assert_eq!(ledger.call(entries, ()).result().expect("runs"), [0, 7, 8]);
    let there = ledger.call(|_, ()| std::process::id(), ());
    assert_eq!(there.result().expect("runs"), ledger.pid());
    assert!(ledger.is_alive() && ledger.exit().is_none());
}

#[test]
fn calls_that_nobody_waits_for_are_done_in_their_order() {
    let _sweep = LeakSweep::new();
    let ledger = ledger();
    for n in 1..=5000 {
        drop(ledger.call(enter, n));
    }
    let all = ledger.call(entries, ()).result().expect("runs");
    assert!(all.into_iter().eq(0..=5000));
}

#[test]
fn the_calls_of_each_of_eight_threads_are_done_in_its_order_and_none_is_lost() {
    let _sweep = LeakSweep::new();
    const EACH: u64 = 2000;
    let ledger = ledger();
    let together = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let (ledger, together) = (ledger.clone(), &together);
            scope.spawn(move || {
                together.wait();
                let mut last = None;
                for n in 0..EACH {
                    let future = ledger.call(enter, thread << 32 | n);
                    // Waiting now and then mixes those who lead with those who only submit.
                    last = if n % 64 == 0 {
                        assert!(future.result().expect("runs") > 1);
                        None
                    } else {
                        Some(future)
                    };
                }
                last.map(|last| last.result().expect("runs"));
            });
        }
    });
    let all = ledger.call(entries, ()).result().expect("runs");
    let mut of_each = BTreeMap::<u64, Vec<u64>>::new();
    for entry in &all[1..] {
        of_each.entry(entry >> 32).or_default().push(entry & 0xffff_ffff);
    }
    assert_eq!(of_each.len(), 8);
    assert!(of_each.into_values().all(|one| one.into_iter().eq(0..EACH)));
}

/// Says in a file that it is dropped.
struct Witness {
    path: String,
    calls: u64,
}

impl Drop for Witness {
    fn drop(&mut self) {
        std::fs::write(&self.path, self.calls.to_string()).expect("written");
    }
}

fn witness(path: String) -> Witness {
    Witness { path, calls: 0 }
}

#[test]
fn the_last_handles_drop_finishes_what_was_called_drops_the_state_and_ends_the_process() {
    let _sweep = LeakSweep::new();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("dropped");
    let actor = Actor::spawn(witness, path.to_str().expect("text").to_owned()).expect("starts");
    let pid = actor.pid() as i32;
    let other = actor.clone();
    drop(actor);
    assert_eq!(other.call(|w, ()| w.calls, ()).result().expect("runs"), 0);
    for _ in 0..100 {
        drop(other.call(
            |w, ()| {
                w.calls += 1;
                std::thread::sleep(Duration::from_millis(1));
            },
            (),
        ));
    }
    drop(other);
    assert_eq!(std::fs::read_to_string(path).expect("it was dropped"), "100");
    assert!(processes::find(pid).is_none(), "gone and reaped");
}

#[test]
fn actors_are_started_and_ended_one_after_the_other_and_leave_nothing() {
    let _sweep = LeakSweep::new();
    for n in 0..20 {
        let ledger = ledger();
        assert_eq!(ledger.call(enter, n).result().expect("runs"), 2);
    }
}

#[test]
fn after_shutdown_every_handle_is_refused_and_what_was_called_is_done() {
    let _sweep = LeakSweep::new();
    let ledger = ledger();
    let other = ledger.clone();
    let done = other.call(enter, 5);
    ledger.shutdown();
    ledger.shutdown();
    assert_eq!(done.result().expect("it was called before"), 2);
    assert_eq!(ledger.exit(), Some(Exit::Code(0)));
    let refused = other.call(enter, 6).result().expect_err("too late");
    assert_eq!(refused.kind(), TaskErrorKind::PoolClosed);
}

#[test]
fn a_panic_poisons_the_state_until_somebody_says_that_it_is_good() {
    let _sweep = LeakSweep::new();
    let ledger = ledger();
    let half: TaskFuture<()> = ledger.call(
        |ledger, entry: u64| {
            ledger.entries.borrow_mut().push(entry);
            panic!("half way through");
        },
        1,
    );
    let id = half.id();
    // Sent before anybody knows.
    let behind: Vec<_> = (0..50).map(|n| ledger.call(enter, n)).collect();
    let Err(TaskError::Panicked(panic)) = half.result() else {
        panic!("it panicked")
    };
    assert_eq!(panic.message, "half way through");
    for future in behind {
        let error = future.result().expect_err("the state is in doubt");
        assert_eq!(error.kind(), TaskErrorKind::Poisoned);
        assert_eq!(error.execution(), Execution::NotStarted);
        let text = error.to_string();
        assert!(
            text.contains(&id.to_string()) && text.contains("clear_poison"),
            "{text}"
        );
    }
    assert!(ledger.is_alive());
    drop(ledger.clear_poison());
    assert_eq!(ledger.call(entries, ()).result().expect("runs"), [0, 1]);
}

#[test]
fn a_state_that_is_kept_over_panics_is_not_poisoned() {
    let _sweep = LeakSweep::new();
    let actor = Actor::builder()
        .on_panic(OnPanic::Keep)
        .spawn(Ledger::new, 0)
        .expect("starts");
    let bad: TaskFuture<()> = actor.call(|_, ()| panic!("no harm done"), ());
    let good = actor.call(enter, 1);
    assert_eq!(
        bad.result().expect_err("panicked").kind(),
        TaskErrorKind::Panicked
    );
    assert_eq!(good.result().expect("runs"), 2);
}

fn die(_: &mut Ledger, gate: String) {
    let _ = pass(gate);
    std::process::abort();
}

#[test]
fn the_end_of_the_process_is_told_to_a_thousand_pending_calls_and_to_every_later_one_alike() {
    let _sweep = LeakSweep::new();
    let ledger = ledger();
    let gate = Gate::new();
    let before = ledger.call(enter, 1);
    let fatal = ledger.call(die, gate.path());
    gate.wait_for(1);
    let pending: Vec<_> = (0..1000).map(|n| ledger.call(enter, n)).collect();
    gate.open();
    assert_eq!(before.result().expect("it was done"), 2);
    let fatal = fatal.result().expect_err("it aborted");
    assert_eq!(fatal.kind(), TaskErrorKind::Crashed);
    assert_eq!(fatal.execution(), Execution::MayHaveRun);
    let known = fatal.autopsy().expect("a crash has one").to_string();
    let later: Vec<_> = (0..10).map(|n| ledger.call(enter, n)).collect();
    for future in pending.into_iter().chain(later) {
        let error = future.result().expect_err("there is nobody to do it");
        assert_eq!(error.kind(), TaskErrorKind::Died);
        assert_eq!(error.execution(), Execution::NotStarted);
        assert_eq!(error.autopsy().expect("it has one").to_string(), known);
    }
    assert_eq!(ledger.exit(), Some(Exit::Signal(Signal::SIGABRT as i32)));
    assert!(known.contains("SIGABRT"), "{known}");
}

#[test]
fn one_that_is_killed_between_two_calls_has_an_autopsy_too() {
    let _sweep = LeakSweep::new();
    let ledger = ledger();
    assert!(processes::send(ledger.pid() as i32, Signal::SIGKILL));
    wait_until("it has ended", || !ledger.is_alive());
    let error = ledger.call(enter, 1).result().expect_err("nobody is there");
    assert_eq!(error.kind(), TaskErrorKind::Died);
    let autopsy = error.autopsy().expect("it has one");
    assert_eq!((autopsy.pid, autopsy.exit), (ledger.pid(), Exit::Signal(9)));
}

#[test]
fn kill_ends_the_call_that_runs_and_says_that_it_was_asked_for() {
    let _sweep = LeakSweep::new();
    let ledger = ledger();
    let gate = Gate::new();
    let running = ledger.call(|_, gate| pass(gate), gate.path());
    gate.wait_for(1);
    let behind = ledger.call(enter, 1);
    ledger.kill();
    assert_eq!(
        running.result().expect_err("killed").kind(),
        TaskErrorKind::Killed
    );
    let behind = behind.result().expect_err("nobody is there");
    assert!(behind.to_string().contains("it was ended on request"), "{behind}");
}

#[test]
fn a_call_that_takes_too_long_ends_the_actor() {
    let _sweep = LeakSweep::new();
    let actor = Actor::builder()
        .kill_grace(Duration::from_millis(200))
        .spawn(Ledger::new, 0)
        .expect("starts");
    let gate = Gate::new();
    let slow = actor
        .task(|_, gate| pass(gate), gate.path())
        .timeout(Duration::from_millis(20))
        .label("slow")
        .submit();
    assert_eq!(slow.label(), Some("slow"));
    let behind = actor.call(enter, 1);
    assert_eq!(
        slow.result().expect_err("timed out").kind(),
        TaskErrorKind::TimedOut
    );
    let behind = behind.result().expect_err("nobody is there");
    assert_eq!(behind.kind(), TaskErrorKind::Died);
    assert!(behind.to_string().contains("slow"), "{behind}");
}

#[test]
fn a_call_that_is_cancelled_before_it_starts_leaves_no_trace() {
    let _sweep = LeakSweep::new();
    let ledger = ledger();
    let gate = Gate::new();
    let first = ledger.call(|_, gate| pass(gate), gate.path());
    gate.wait_for(1);
    let futures: Vec<_> = (1..=100).map(|n| ledger.call(enter, n)).collect();
    let cancelled: Vec<bool> = futures.iter().map(|f| f.id().0 % 2 == 0 && f.cancel()).collect();
    gate.open();
    assert_eq!(first.result().expect("runs"), ledger.pid());
    let expected = std::iter::once(0).chain((1..=100).filter(|&n| !cancelled[n as usize - 1]));
    let all = ledger.call(entries, ()).result().expect("runs");
    assert!(all.into_iter().eq(expected));
    assert_eq!(cancelled.iter().filter(|&&c| c).count(), 50);
}

#[test]
fn a_constructor_that_panics_fails_or_ends_its_process_fails_the_spawn_with_what_is_known() {
    let _sweep = LeakSweep::new();
    let why = |result: Result<Actor<u64>, BuildError>| match result {
        Err(BuildError::Constructor(why)) => why,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("there is no state"),
    };
    let panics = why(Actor::spawn(|n: u64| -> u64 { panic!("no {n} today") }, 7));
    assert!(
        panics.contains("no 7 today") && panics.contains("actor.rs"),
        "{panics}"
    );
    let fails = why(Actor::try_spawn(|n: u64| Err::<u64, _>(format!("{n} is odd")), 7));
    assert!(fails.contains("7 is odd"), "{fails}");
    let exits = why(Actor::spawn(|code: i32| -> u64 { std::process::exit(code) }, 5));
    assert!(exits.contains("exit code 5"), "{exits}");
    let fine = Actor::try_spawn(|n: u64| Ok::<u64, String>(n), 8).expect("starts");
    assert_eq!(fine.call(|n, ()| *n, ()).result().expect("runs"), 8);
}

#[test]
fn a_stopped_actor_is_waited_for() {
    let _sweep = LeakSweep::new();
    let ledger = ledger();
    assert!(processes::send(ledger.pid() as i32, Signal::SIGSTOP));
    wait_until("it is stopped", || {
        processes::find(ledger.pid() as i32).is_some_and(|p| p.state == 'T')
    });
    let future = ledger.call(enter, 1);
    // Longer than a pool bears with a worker that does not come to its task.
    assert!(!future.wait_timeout(Duration::from_secs(6)));
    assert!(ledger.is_alive());
    assert!(processes::send(ledger.pid() as i32, Signal::SIGCONT));
    assert_eq!(future.result().expect("runs"), 2);
}

fn host(gate: String) {
    let ledger = ledger();
    let inner = ledger.call(|_, gate| pass(gate), gate.clone());
    let process = pexec::spawn(pass, gate.clone()).expect("a process in a task");
    arrive(&gate);
    let _ = (inner.result(), process.join());
}

#[test]
fn the_supervisors_sigkill_ends_its_actors_and_processes() {
    let _sweep = LeakSweep::new();
    let children = || {
        let title = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let ours = |pid: i32| {
            title(pid).starts_with(b"pexec-worker:actor:") || title(pid).starts_with(b"pexec-worker:process:")
        };
        let all = processes::all();
        all.iter()
            .filter(|p| processes::is_alive(p.pid) && ours(p.pid))
            .count()
    };
    let before = children();
    let pool = pool(1);
    let gate = Gate::new();
    let future = pool.submit(host, gate.path());
    gate.wait_for(3);
    assert_eq!(children(), before + 2);
    assert!(processes::send(pool.workers()[0].pid as i32, Signal::SIGKILL));
    assert_eq!(
        future.result().expect_err("crashed").kind(),
        TaskErrorKind::Crashed
    );
    wait_until("they are gone", || children() == before);
}

#[test]
fn large_arguments_results_and_shared_bytes_go_through_calls() {
    let _sweep = LeakSweep::new();
    let store: Actor<Vec<u8>> = Actor::spawn(Vec::new, ()).expect("starts");
    let long = vec![7u8; 3 << 20];
    let kept = store.call(
        |store, bytes: Vec<u8>| {
            *store = bytes;
            store.len()
        },
        long.clone(),
    );
    assert_eq!(kept.result().expect("runs"), long.len());
    assert_eq!(
        store.call(|store, ()| store.clone(), ()).result().expect("runs"),
        long
    );
    let shared = pexec::sync::SharedBytes::from(long);
    let sum = store.call(
        |store, shared: pexec::sync::SharedBytes| store.iter().eq(shared.iter()),
        shared,
    );
    assert!(sum.result().expect("runs"));
}
