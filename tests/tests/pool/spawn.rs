//! A process of its own for one call.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;
use pexec::{BuildError, Execution, Executor, Exit, Failure, Process, TaskError, TaskErrorKind};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, bred, breed, die_by, echo, fail, hang, ignore_sigterm, pid};
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

use crate::pool;

fn is_alive(pid: u32) -> bool {
    processes::is_alive(pid as i32)
}

/// Waits until the process has ended, whoever asks.
fn see_end<R>(process: &Process<R>) -> Exit {
    wait_until("the process has ended", || !process.is_alive());
    process.exit().expect("one that is not alive has an exit")
}

#[test]
fn a_call_runs_in_a_process_of_its_own_and_its_value_comes_back() {
    let _sweep = LeakSweep::new();
    let process = pexec::spawn(pid, ()).expect("starts");
    let child = process.pid();
    assert_ne!(child, std::process::id());
    assert_eq!(process.join().expect("runs"), child);
    assert!(
        !is_alive(child),
        "join waits for the process, not for the value only"
    );
    let sum = pexec::spawn(add, (20, 22)).expect("starts");
    let twice = pexec::spawn(|n: u64| 2 * n, 21).expect("starts");
    assert_eq!((sum.join().expect("runs"), twice.join().expect("runs")), (42, 42));
}

#[test]
fn two_processes_run_at_once_and_each_call_has_its_own() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let pair = [(); 2].map(|()| pexec::spawn(pass, gate.path()).expect("starts"));
    gate.wait_for(2);
    assert!(pair.iter().all(Process::is_alive));
    assert!(pair.iter().all(|process| process.exit().is_none()));
    let pids = [0, 1].map(|i| pair[i].pid());
    gate.open();
    assert_eq!(pair.map(|process| process.join().expect("runs")), pids);
}

#[test]
fn a_hundred_processes_at_once_are_started_joined_and_leave_nothing() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let all: Vec<_> = (0..100)
        .map(|_| pexec::spawn(pass, gate.path()).expect("starts"))
        .collect();
    gate.wait_for(100);
    let pids: BTreeSet<u32> = all.iter().map(Process::pid).collect();
    assert_eq!(pids.len(), 100);
    gate.open();
    let joined: BTreeSet<u32> = all.into_iter().map(|p| p.join().expect("runs")).collect();
    assert_eq!(joined, pids);
}

#[test]
fn a_hundred_processes_are_started_and_terminated_and_none_stays_a_zombie() {
    let _sweep = LeakSweep::new();
    let all: Vec<_> = (0..100)
        .map(|_| pexec::spawn(hang, ()).expect("starts"))
        .collect();
    // Some have begun, most are still on their way: it is all the same.
    all.iter().for_each(Process::terminate);
    for process in all {
        let error = process.join().expect_err("it was ended");
        let autopsy = error.autopsy().expect("an end has one");
        assert_eq!(error.kind(), TaskErrorKind::Killed, "{error}");
        assert_eq!(autopsy.exit, Exit::Signal(Signal::SIGTERM as i32));
        assert!(processes::find(autopsy.pid as i32).is_none(), "reaped");
    }
}

#[test]
fn a_process_is_joined_from_another_thread() {
    let _sweep = LeakSweep::new();
    let process = pexec::spawn(echo, "over there".to_owned()).expect("starts");
    let joined = std::thread::spawn(move || process.join())
        .join()
        .expect("no panic");
    assert_eq!(joined.expect("runs"), "over there");
}

#[test]
fn join_timeout_gives_the_process_back_while_it_runs() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let process = pexec::spawn(pass, gate.path()).expect("starts");
    gate.wait_for(1);
    let process = process
        .join_timeout(Duration::ZERO)
        .expect_err("it is at the gate");
    let process = process
        .join_timeout(Duration::from_millis(20))
        .expect_err("it is at the gate");
    assert!(process.is_alive());
    gate.open();
    let child = process.pid();
    let joined = process
        .join_timeout(Duration::from_secs(60))
        .expect("it ends in time");
    assert_eq!(joined.expect("runs"), child);
}

#[test]
fn a_dropped_process_runs_on_to_its_end_and_is_reaped() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let process = pexec::spawn(pass, gate.path()).expect("starts");
    let child = process.pid();
    drop(process);
    gate.wait_for(1);
    assert!(is_alive(child), "detached, not ended");
    gate.open();
    wait_until("nobody has to wait for it", || {
        processes::find(child as i32).is_none()
    });
}

fn exit_with(code: i32) {
    std::process::exit(code);
}

#[test]
fn every_exit_code_and_signal_is_seen_outside_and_is_a_crash() {
    let _sweep = LeakSweep::new();
    for code in [0, 3, 42, 255] {
        let process = pexec::spawn(exit_with, code).expect("starts");
        assert_eq!(see_end(&process), Exit::Code(code));
        let error = process.join().expect_err("an exit is no return");
        assert_eq!(error.kind(), TaskErrorKind::Crashed);
        assert_eq!(error.execution(), Execution::MayHaveRun);
        assert_eq!(error.autopsy().expect("a crash has one").exit, Exit::Code(code));
    }
    for signal in [Signal::SIGSEGV, Signal::SIGABRT, Signal::SIGTERM, Signal::SIGKILL] {
        let process = pexec::spawn(die_by, signal as i32).expect("starts");
        let pid = process.pid();
        assert_eq!(see_end(&process), Exit::Signal(signal as i32));
        let error = process.join().expect_err("it died");
        assert_eq!(error.kind(), TaskErrorKind::Crashed, "nobody asked us for that");
        let text = error.to_string();
        assert!(
            text.contains(signal.as_str()) && text.contains(&pid.to_string()),
            "{text}"
        );
    }
}

#[test]
fn after_a_call_that_returned_the_exit_code_is_0() {
    let _sweep = LeakSweep::new();
    let process = pexec::spawn(add, (1, 2)).expect("starts");
    assert_eq!(see_end(&process), Exit::Code(0));
    assert_eq!(
        format!("{process:?}"),
        format!("Process({}, exit code 0)", process.pid())
    );
    assert_eq!(process.join().expect("it had answered"), 3);
}

#[test]
fn a_panic_and_an_error_come_back_as_such() {
    let _sweep = LeakSweep::new();
    let panicked = pexec::spawn(fail, "out of cheese".to_owned()).expect("starts");
    let Err(TaskError::Panicked(panic)) = panicked.join() else {
        panic!("it panicked")
    };
    assert_eq!(panic.message, "out of cheese");
    let refuse = |text: String| -> Result<(), Failure> { Err(Failure::msg(text)) };
    let refused = pexec::spawn(refuse, "no".to_owned()).expect("starts");
    assert_eq!(
        refused.join().expect("it returned").expect_err("no").to_string(),
        "no"
    );
}

#[test]
fn kill_and_terminate_end_the_whole_group_and_say_so() {
    let _sweep = LeakSweep::new();
    let dir = tempfile::tempdir().expect("a directory");
    for (index, signal) in [Signal::SIGTERM, Signal::SIGKILL].into_iter().enumerate() {
        let path = dir
            .path()
            .join(index.to_string())
            .to_str()
            .expect("text")
            .to_owned();
        let process = pexec::spawn(breed, path.clone()).expect("starts");
        let grandchild = bred(&path);
        match signal {
            Signal::SIGTERM => process.terminate(),
            _ => process.kill(),
        }
        let Err(TaskError::Killed(autopsy)) = process.join() else {
            panic!("it was killed on request")
        };
        assert_eq!(autopsy.exit, Exit::Signal(signal as i32));
        assert_eq!(autopsy.verdict, "it was ended on request");
        wait_until("its child is gone as well", || !processes::is_alive(grandchild));
    }
}

fn defy(gate: String) -> u32 {
    ignore_sigterm();
    pass(gate)
}

#[test]
fn one_that_ignores_sigterm_goes_on_and_its_value_counts() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let process = pexec::spawn(defy, gate.path()).expect("starts");
    gate.wait_for(1);
    process.terminate();
    let process = process
        .join_timeout(Duration::from_millis(50))
        .expect_err("it goes on");
    gate.open();
    let child = process.pid();
    assert_eq!(process.join().expect("it returned"), child);
}

#[test]
fn a_stopped_process_is_waited_for_and_can_be_ended() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let [stays, ends] = [(); 2].map(|()| pexec::spawn(pass, gate.path()).expect("starts"));
    gate.wait_for(2);
    for process in [&stays, &ends] {
        assert!(processes::send(process.pid() as i32, Signal::SIGSTOP));
    }
    ends.terminate();
    assert_eq!(ends.join().expect_err("ended").kind(), TaskErrorKind::Killed);
    assert!(stays.is_alive());
    gate.open();
    assert!(processes::send(stays.pid() as i32, Signal::SIGCONT));
    stays.join().expect("it goes on where it was");
}

#[test]
fn one_that_somebody_else_kills_before_it_is_ready_is_a_crash_and_is_not_started_again() {
    let _sweep = LeakSweep::new();
    for _ in 0..10 {
        let process = pexec::spawn(hang, ()).expect("starts");
        let child = process.pid();
        assert!(processes::send(child as i32, Signal::SIGKILL));
        let Err(TaskError::Crashed(autopsy)) = process.join() else {
            panic!("nobody asked us for that")
        };
        assert_eq!((autopsy.pid, autopsy.exit), (child, Exit::Signal(9)), "{autopsy}");
    }
}

#[test]
fn signals_to_one_that_has_ended_do_nothing() {
    let _sweep = LeakSweep::new();
    let process = pexec::spawn(add, (1, 1)).expect("starts");
    see_end(&process);
    process.terminate();
    process.kill();
    assert_eq!(process.join().expect("it had answered"), 2);
}

#[test]
fn eight_threads_of_a_program_start_processes_at_once() {
    let _sweep = LeakSweep::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for n in 0..8 {
                    let process = pexec::spawn(add, (thread, n)).expect("starts");
                    assert_eq!(process.join().expect("runs"), thread + n);
                }
            });
        }
    });
}

#[test]
fn every_process_has_the_same_few_descriptors_however_many_there_are() {
    let _sweep = LeakSweep::new();
    let count = || pexec_tests::sweep::descriptors().len();
    let gate = Gate::new();
    let first = pexec::spawn(count, ()).expect("starts").join().expect("runs");
    let others: Vec<_> = (0..20)
        .map(|_| pexec::spawn(pass, gate.path()).expect("starts"))
        .collect();
    gate.wait_for(20);
    let last = pexec::spawn(count, ()).expect("starts").join().expect("runs");
    assert_eq!(last, first, "none of its siblings' is inherited");
    gate.open();
    for process in others {
        process.join().expect("runs");
    }
}

#[test]
fn a_signal_to_the_programs_group_does_not_reach_its_processes_and_actors() {
    let _sweep = LeakSweep::new();
    let group = |pid: u32| {
        let pid = nix::unistd::Pid::from_raw(pid as i32);
        nix::unistd::getpgid(Some(pid)).expect("it lives").as_raw() as u32
    };
    let process = pexec::spawn(hang, ()).expect("starts");
    let actor = pexec::Actor::spawn(|| 0u8, ()).expect("starts");
    assert_eq!(group(process.pid()), process.pid());
    assert_eq!(group(actor.pid()), actor.pid());
    process.kill();
    assert!(process.join().is_err());
}

#[test]
fn a_process_can_be_awaited() {
    let _sweep = LeakSweep::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let sum = runtime.block_on(async { pexec::spawn(add, (2, 3)).expect("starts").await });
    assert_eq!(sum.expect("runs"), 5);
}

fn spawn_and_wait(gate: String) -> u32 {
    let inner = pexec::spawn(pass, gate).expect("a process in a task");
    inner.join().expect("runs")
}

/// Everything that has this name in its title and lives.
fn living(title: &str) -> usize {
    let named = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    processes::all()
        .iter()
        .filter(|p| processes::is_alive(p.pid) && named(p.pid).starts_with(title.as_bytes()))
        .count()
}

#[test]
fn a_process_inside_a_task_ends_with_the_worker_however_that_ends() {
    let _sweep = LeakSweep::new();
    let before = living("pexec-worker:process:");
    for end in 0..3 {
        let pool = pool(1);
        let gate = Gate::new();
        let future = pool.submit(spawn_and_wait, gate.path());
        gate.wait_for(1);
        assert_eq!(living("pexec-worker:process:"), before + 1);
        match end {
            0 => assert!(future.kill()),
            1 => pool.terminate(),
            // The worker is the process's supervisor, and has no chance to do anything.
            _ => assert!(processes::send(pool.workers()[0].pid as i32, Signal::SIGKILL)),
        }
        assert!(future.result().is_err());
        wait_until("the inner process is gone", || {
            living("pexec-worker:process:") == before
        });
    }
    let pool = pool(1);
    let gate = Gate::new();
    gate.open();
    assert_ne!(
        pool.submit(spawn_and_wait, gate.path()).result().expect("runs"),
        pool.workers()[0].pid
    );
}

/// How many processes could be started inside each other from here, and why no more.
fn dig(level: u32) -> (u32, String) {
    match pexec::spawn(dig, level + 1) {
        Ok(process) => process.join().expect("the level below answers"),
        Err(error @ BuildError::TooDeep(_)) => (level, error.to_string()),
        Err(error) => (0, error.to_string()),
    }
}

#[test]
fn processes_inside_processes_are_bounded_and_beyond_the_bound_the_error_says_so() {
    let _sweep = LeakSweep::new();
    let (levels, why) = dig(0);
    assert_eq!(levels, 8, "{why}");
    assert!(why.contains("nested deeper than 8 levels"), "{why}");
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Sour(u8);

/// Refuses to be serialised.
#[derive(serde::Deserialize)]
struct Mute;

impl serde::Serialize for Mute {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it says nothing"))
    }
}

#[test]
fn what_cannot_be_serialised_is_the_outcome_and_leaves_no_process() {
    let _sweep = LeakSweep::new();
    let argument = pexec::spawn(|_: Mute| 1u8, Mute).expect("starts").join();
    assert_eq!(argument.expect_err("not sent").kind(), TaskErrorKind::Encode);
    let result = pexec::spawn(|_: Sour| Mute, Sour(1)).expect("starts").join();
    let error = result.err().expect("not sent");
    assert_eq!(
        (error.kind(), error.execution()),
        (TaskErrorKind::Encode, Execution::Ran)
    );
}
