//! A library is a guest: it leaves signals, descriptors and files of its host alone, and it works where the host does.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use pexec_tests::program::Ended;
use pexec_tests::{LeakSweep, Program};
use tempfile::TempDir;

use crate::MISBEHAVE;

/// Runs the program to its end, which must be a good one.
#[track_caller]
fn run(command: Command) -> Ended {
    let mut program = Program::start_command(command);
    let ended = program.wait();
    assert!(ended.status.success(), "{ended:?}");
    program.assert_nothing_left();
    ended
}

fn misbehave(what: &str) -> Command {
    let mut command = Command::new(MISBEHAVE);
    command.arg(what);
    command
}

/// A copy of the program that any user may run.
fn copy() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("it is ours");
    let path = directory.path().join("program");
    fs::copy(MISBEHAVE, &path).expect("a copy");
    (directory, path)
}

#[test]
fn no_signal_has_another_disposition_than_before() {
    let _sweep = LeakSweep::new();
    let ended = run(misbehave("dispositions"));
    assert!(ended.stdout.starts_with("true\n"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("SigCgt:"),
        "the kernel tells: {}",
        ended.stdout
    );
}

/// Starts a copy of the program, does `change` with its file, and has the program go on.
#[track_caller]
fn while_it_runs(change: impl FnOnce(&PathBuf)) {
    let (_directory, path) = copy();
    // The program reads a line, and `Program` leaves standard input empty: the shell waits for a file instead.
    let gate = tempfile::tempdir().expect("a directory");
    let go = gate.path().join("go");
    let mut command = Command::new("sh");
    let wait = "while ! test -e \"$1\"; do sleep 0.01; done; echo go";
    command
        .args(["-c", &format!("({wait}) | \"$2\" replaced"), "sh"])
        .args([&go, &path]);
    let mut program = Program::start_command(command);
    assert_eq!(program.line(), "Some(3)");
    change(&path);
    fs::write(&go, b"").expect("there is room");
    let ended = program.wait();
    assert_eq!(ended.stdout, "Ok(true)\nSome(42)\n", "{}", ended.stderr);
    program.assert_nothing_left();
}

#[test]
fn new_workers_start_after_the_programs_file_was_deleted() {
    let _sweep = LeakSweep::new();
    while_it_runs(|path| fs::remove_file(path).expect("it is ours"));
}

#[test]
fn new_workers_start_after_the_programs_file_was_replaced_by_another_program() {
    let _sweep = LeakSweep::new();
    while_it_runs(|path| {
        let other = path.with_extension("new");
        fs::copy("/bin/false", &other).expect("a copy");
        fs::rename(other, path).expect("it takes its place");
    });
}

#[test]
fn a_program_with_a_hundred_busy_threads_uses_a_pool_from_all_of_them() {
    let _sweep = LeakSweep::new();
    let ended = run(misbehave("hundred-threads"));
    let sum: u64 = (0..100).map(|n| n + 1).sum();
    assert_eq!(ended.stdout, format!("{sum}\n"), "{}", ended.stderr);
}

#[test]
fn neither_umask_nor_a_directory_that_is_gone_matter() {
    let _sweep = LeakSweep::new();
    let ended = run(misbehave("nowhere"));
    assert_eq!(ended.stdout, "true\n777\n", "{}", ended.stderr);
}

#[test]
fn another_user_can_use_a_pool() {
    let _sweep = LeakSweep::new();
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let (_directory, path) = copy();
    let mut command = Command::new(path);
    command.arg("anywhere").uid(65534).gid(65534).current_dir("/");
    assert_eq!(run(command).stdout, "pid 1: false\nuid 65534\ndone\n");
}

#[test]
fn a_user_without_processes_left_gets_an_error() {
    let _sweep = LeakSweep::new();
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can become a user that nothing else counts against");
        return;
    }
    let (_directory, path) = copy();
    let mut command = Command::new(path);
    command.arg("no-processes").uid(65533).gid(65533).current_dir("/");
    let ended = run(command);
    let mut lines = ended.stdout.lines();
    let error = lines.next().unwrap_or_default();
    assert!(error.contains("Resource temporarily unavailable"), "{ended:?}");
    assert_eq!(lines.next(), Some("children: 0"), "{ended:?}");
}

#[test]
fn a_program_that_is_pid_1_has_working_pools() {
    let _sweep = LeakSweep::new();
    let namespace = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let probe = Command::new("unshare")
        .args(namespace)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a process namespace of one's own is not allowed here");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(namespace).args([MISBEHAVE, "anywhere"]);
    let ended = run(command);
    assert!(ended.stdout.starts_with("pid 1: true\n"), "{ended:?}");
    assert!(ended.stdout.ends_with("\ndone\n"), "{ended:?}");
}

#[test]
fn the_default_size_is_that_of_the_affinity_mask() {
    let _sweep = LeakSweep::new();
    let mut command = Command::new("taskset");
    command.args(["-c", "0", MISBEHAVE, "default-size"]);
    if Command::new("taskset")
        .args(["-c", "0", "true"])
        .output()
        .is_ok_and(|o| o.status.success())
    {
        assert_eq!(run(command).stdout, "1\n");
    } else {
        eprintln!("skipped: there is no taskset, or CPU 0 is not ours");
    }
}

#[test]
fn a_program_with_few_descriptors_gets_a_pool_or_an_error_and_goes_on() {
    let _sweep = LeakSweep::new();
    let ended = run(misbehave("few-descriptors"));
    assert_eq!(ended.stdout, "done\n", "{ended:?}");
    // With the fewest there can be none, and the error says why.
    assert!(
        ended.stderr.contains("with 10: ") && ended.stderr.contains("Too many open files"),
        "{ended:?}"
    );
}
