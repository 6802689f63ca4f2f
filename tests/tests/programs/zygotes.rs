//! Programs whose workers are forks of a template: however they end, nothing of their tree is left.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use pexec_tests::processes::{self, Process};
use pexec_tests::{LeakSweep, Program, wait_until};

use crate::MISBEHAVE;

/// A program with so many processes, the first `n` of which have said that they are there.
fn started(what: &str, said: usize, processes: usize) -> Program {
    let mut program = Program::start(MISBEHAVE, &[what], &[]);
    for _ in 0..said {
        let line = program.line();
        assert!(line.starts_with("ready "), "{line:?}");
    }
    wait_until("all of its processes are there", || {
        program.tree().len() == processes
    });
    program
}

fn template(program: &Program) -> Process {
    let title = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut tree = program.tree().into_iter();
    tree.find(|process| title(process.pid).ends_with(b":template\0"))
        .expect("it has a template")
}

fn stop(process: &Process) {
    assert!(processes::send(process.pid, Signal::SIGSTOP));
    wait_until("it is stopped", || {
        processes::find(process.pid).is_some_and(|p| p.state == 'T')
    });
}

fn kill(mut program: Program) {
    program.signal(Signal::SIGKILL);
    assert_eq!(program.wait().status.signal(), Some(9));
    program.assert_nothing_left();
}

#[test]
fn sigkill_of_the_supervisor_leaves_neither_template_nor_forks() {
    let _sweep = LeakSweep::new();
    kill(started("forks-at-work", 3, 6));
}

#[test]
fn a_stopped_template_and_a_stopped_fork_end_with_their_supervisor() {
    let _sweep = LeakSweep::new();
    let program = started("forks-at-work", 3, 6);
    for process in program.tree() {
        if process.pid != program.pid() {
            stop(&process);
        }
    }
    kill(program);
}

#[test]
fn forks_end_with_their_supervisor_when_their_template_is_gone() {
    let _sweep = LeakSweep::new();
    let program = started("forks-at-work", 3, 6);
    assert!(processes::send(template(&program).pid, Signal::SIGKILL));
    wait_until("the forks are there without it", || program.tree().len() == 5);
    kill(program);
}

#[test]
fn a_template_in_its_initializer_ends_with_its_supervisor_and_so_do_its_children() {
    let _sweep = LeakSweep::new();
    kill(started("template-at-work", 1, 3));
    let program = started("template-at-work", 1, 3);
    stop(&template(&program));
    kill(program);
}

#[test]
fn a_supervisor_that_is_killed_while_its_template_forks_leaves_nothing() {
    let _sweep = LeakSweep::new();
    for after in (0..24).map(Duration::from_millis) {
        let mut program = Program::start(MISBEHAVE, &["forks-at-work"], &[]);
        std::thread::sleep(after);
        program.signal(Signal::SIGKILL);
        program.wait();
        program.assert_nothing_left();
    }
}

#[test]
fn a_template_outlives_the_thread_that_has_built_its_pool() {
    let _sweep = LeakSweep::new();
    let mut program = Program::start(MISBEHAVE, &["template-of-a-thread"], &[]);
    let (first, second) = (program.line(), program.line());
    assert!(first.starts_with("Some("), "{first}");
    assert_eq!(first, second, "both are forks of one template");
    program.wait();
    program.assert_nothing_left();
}
