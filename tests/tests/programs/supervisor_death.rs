//! Whatever ends the supervisor, and whatever its workers do at that moment: nothing of its tree is left.
//! The limit of the wait is a watchdog; how long it really takes is printed.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pexec_tests::processes;
use pexec_tests::{Gate, LeakSweep, Program, wait_until};

use crate::MISBEHAVE;

/// A supervisor with a busy, an idle, a stopped, a breeding, a blocked and a deaf worker; eight descendants.
fn doomed(end: Option<&str>) -> (Program, std::path::PathBuf) {
    let go = std::env::temp_dir().join(format!("misbehave-go-{}", std::process::id()));
    let args: Vec<&str> = ["supervise"].into_iter().chain(end).collect();
    let mut program = Program::start(MISBEHAVE, &args, &[("MISBEHAVE_GO", go.to_str().expect("text"))]);
    let mut stopped = 0;
    for _ in 0..5 {
        let line = program.line();
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["stopping", pid] => stopped = pid.parse().expect("a pid"),
            ["bred", near, far] => {
                for pid in [near, far] {
                    assert!(processes::is_alive(pid.parse().expect("a pid")), "{line}");
                }
            }
            ["busy" | "deaf" | "flooded"] => {}
            _ => panic!("unexpected line {line:?}"),
        }
    }
    wait_until("the worker is stopped", || {
        processes::find(stopped).is_some_and(|p| p.state == 'T')
    });
    // A process in the middle of its exec has no environment to be known by.
    wait_until("the supervisor, six workers and two sleepers are there", || {
        program.tree().len() == 9
    });
    (program, go)
}

fn ends_by_itself(end: &str) -> pexec_tests::program::Ended {
    let (mut program, go) = doomed(Some(end));
    std::fs::write(&go, b"").expect("written");
    let ended = program.wait();
    std::fs::remove_file(&go).expect("removed");
    program.assert_nothing_left();
    assert_eq!(ended.stdout, "", "nothing went on");
    ended
}

#[test]
fn sigkill_of_the_supervisor_leaves_nothing_of_its_tree() {
    let _sweep = LeakSweep::new();
    let (mut program, _) = doomed(None);
    let start = Instant::now();
    program.signal(Signal::SIGKILL);
    program.assert_nothing_left();
    let took = start.elapsed();
    assert_eq!(program.wait().status.signal(), Some(9));
    eprintln!("a killed supervisor's tree was gone after {took:?}");
}

#[test]
fn sigterm_of_the_supervisor_leaves_nothing_of_its_tree() {
    let _sweep = LeakSweep::new();
    let (mut program, _) = doomed(None);
    program.signal(Signal::SIGTERM);
    assert_eq!(program.wait().status.signal(), Some(15));
    program.assert_nothing_left();
}

#[test]
fn a_supervisor_that_aborts_leaves_nothing_of_its_tree() {
    let _sweep = LeakSweep::new();
    assert_eq!(ends_by_itself("abort").status.signal(), Some(6));
}

#[test]
fn a_supervisor_that_exits_with_its_pool_alive_leaves_nothing_of_its_tree() {
    let _sweep = LeakSweep::new();
    let ended = ends_by_itself("exit");
    assert_eq!(
        (ended.status.code(), ended.stderr.as_str()),
        (Some(5), ""),
        "and no noise"
    );
}

#[test]
fn a_supervisor_whose_other_thread_exits_leaves_nothing_of_its_tree() {
    let _sweep = LeakSweep::new();
    let ended = ends_by_itself("exit-in-a-thread");
    assert_eq!(
        (ended.status.code(), ended.stderr.as_str()),
        (Some(5), ""),
        "and no noise"
    );
}

#[test]
fn a_main_that_returns_with_a_forgotten_pool_leaves_nothing_of_its_tree() {
    let _sweep = LeakSweep::new();
    let ended = ends_by_itself("return");
    assert_eq!(
        (ended.status.code(), ended.stderr.as_str()),
        (Some(0), ""),
        "and no noise"
    );
}

#[test]
fn a_supervisor_that_is_killed_while_its_workers_start_leaves_nothing() {
    let _sweep = LeakSweep::new();
    // At one moment after the other, from before the first worker to after the last one.
    for after in (0..24).map(Duration::from_millis) {
        let mut program = Program::start(MISBEHAVE, &["supervise-at-work"], &[]);
        std::thread::sleep(after);
        program.signal(Signal::SIGKILL);
        program.wait();
        program.assert_nothing_left();
    }
}

/// A stopped supervisor whose workers wait for it at their rings: two for room, one for a task.
fn waited_for() -> Program {
    let gate = Gate::new();
    let mut program = Program::start(MISBEHAVE, &["on-rings"], &[("MISBEHAVE_GO", &gate.path())]);
    let line = program.line();
    let workers: Vec<i32> = line.split(' ').map(|pid| pid.parse().expect("a pid")).collect();
    gate.wait_for(2);
    wait_until("the idle worker sleeps", || {
        processes::waits_in_a_futex(workers[2])
    });
    program.signal(Signal::SIGSTOP);
    wait_until("the supervisor is stopped", || {
        processes::find(program.pid()).is_some_and(|p| p.state == 'T')
    });
    gate.open();
    wait_until("the others sleep as well", || {
        workers.iter().all(|&pid| processes::waits_in_a_futex(pid))
    });
    program
}

#[test]
fn a_supervisor_that_is_killed_while_its_workers_sleep_at_their_rings_leaves_nothing() {
    let _sweep = LeakSweep::new();
    let mut program = waited_for();
    program.signal(Signal::SIGKILL);
    assert_eq!(program.wait().status.signal(), Some(9));
    program.assert_nothing_left();
}

#[test]
fn workers_that_wait_for_room_go_on_when_their_supervisor_does() {
    let _sweep = LeakSweep::new();
    let mut program = waited_for();
    program.signal(Signal::SIGCONT);
    let ended = program.wait();
    assert_eq!(ended.stdout, "8388608\n8388608\n", "{}", ended.stderr);
    program.assert_nothing_left();
}
