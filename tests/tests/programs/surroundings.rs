//! Programs whose surroundings are unusual, and how a program with a pool ends.

use std::os::unix::process::CommandExt;
use std::process::Command;

use pexec_tests::{LeakSweep, Program};

use crate::MISBEHAVE;

#[test]
fn a_pool_dropped_at_the_end_of_main_finishes_everything_and_the_exit_code_is_mains() {
    let _sweep = LeakSweep::new();
    let mut program = Program::start(MISBEHAVE, &["drain"], &[]);
    let ended = program.wait();
    let mut lines: Vec<&str> = ended.stdout.lines().collect();
    lines.sort_unstable();
    let wanted: Vec<String> = (0..10).map(|i| format!("{i} true")).collect();
    assert_eq!(lines, wanted);
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(3), ""));
    program.assert_nothing_left();
}

#[test]
fn a_pools_life_with_crashes_kills_and_a_termination_leaves_no_file_and_no_process() {
    let _sweep = LeakSweep::new();
    let mut program = Program::start(MISBEHAVE, &["churn"], &[]);
    let ended = program.wait();
    assert_eq!(
        (ended.stdout.as_str(), ended.status.code()),
        ("done\n", Some(0)),
        "{}",
        ended.stderr
    );
    program.assert_nothing_left();
}

#[test]
fn a_program_that_ignores_sigchld_gets_an_unknown_exit_and_its_tasks_can_wait_for_children() {
    let _sweep = LeakSweep::new();
    for method in ["spawn", "zygote"] {
        let mut program = Program::start(MISBEHAVE, &["sigchld-ignored"], &[("MISBEHAVE_START", method)]);
        let ended = program.wait();
        assert_eq!(
            ended.stdout, "Unknown\nSome(true)\nSome(42)\ndown\n",
            "{method}: {}",
            ended.stderr
        );
        program.assert_nothing_left();
    }
}

/// Runs one task under a shell that has closed or redirected some of its descriptors; gives the program's output
/// and what its task read from standard input.
fn one_task_with(redirections: &str) -> (pexec_tests::program::Ended, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let report = directory.path().join("report");
    let mut command = Command::new("sh");
    command
        .arg0("sh")
        .args(["-c", &format!("exec {MISBEHAVE} one-task {redirections}")])
        .env("MISBEHAVE_REPORT", &report);
    let mut program = Program::start_command(command);
    let ended = program.wait();
    program.assert_nothing_left();
    (ended, std::fs::read_to_string(report).expect("a report"))
}

#[test]
fn what_a_task_prints_goes_where_the_programs_output_goes_and_its_standard_input_is_empty() {
    let _sweep = LeakSweep::new();
    let (ended, read) = one_task_with("");
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("from the task\n", "aside\n")
    );
    assert_eq!(read, "Ok(0)");
    let (_, read) = one_task_with("< /etc/passwd");
    assert_eq!(
        read, "Ok(0)",
        "the program's own standard input is not the task's"
    );
}

#[test]
fn a_program_whose_standard_descriptors_are_closed_works() {
    let _sweep = LeakSweep::new();
    for redirections in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let (ended, read) = one_task_with(redirections);
        assert_eq!(
            (read.as_str(), ended.status.code()),
            ("Ok(0)", Some(0)),
            "{redirections}: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_pool_lives_on_when_the_thread_that_built_it_ends() {
    let _sweep = LeakSweep::new();
    let mut program = Program::start(MISBEHAVE, &["thread-that-ends"], &[]);
    let ended = program.wait();
    assert_eq!(ended.stdout, "Some(3)\ntrue\n", "{}", ended.stderr);
    program.assert_nothing_left();
}

#[test]
fn a_stack_overflow_is_told_apart_from_other_aborts() {
    let _sweep = LeakSweep::new();
    let mut program = Program::start(MISBEHAVE, &["crash"], &[]);
    let ended = program.wait();
    let crashes: Vec<&str> = ended.stdout.lines().filter(|l| l.contains("SIGABRT")).collect();
    assert_eq!(crashes.len(), 2, "{ended:?}");
    assert!(
        crashes[0].contains("stack overflow: the task recursed too deeply"),
        "{ended:?}"
    );
    assert!(crashes[1].contains("the process aborted (abort()"), "{ended:?}");
    assert!(
        ended.stdout.contains("has overflowed its stack"),
        "the worker's last words are quoted: {ended:?}"
    );
    program.assert_nothing_left();
}

#[test]
fn a_finalizer_that_panics_hurts_nobody_and_is_told() {
    let _sweep = LeakSweep::new();
    let mut program = Program::start(MISBEHAVE, &["failing-finalizer"], &[]);
    let ended = program.wait();
    assert_eq!((ended.stdout.as_str(), ended.status.code()), ("3\n", Some(0)));
    let told = ended.stderr.matches("the finalizer panicked: it is over").count();
    assert_eq!(told, 1, "{}", ended.stderr);
    program.assert_nothing_left();
}
