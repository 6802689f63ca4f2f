//! `foreach = { command = .. }`: the lines that a command writes.

use crate::{Job, assert_says};

fn job(command: &str) -> Job {
    Job::new(format!(
        "[vars]\ndir = 'sub dir'\n[tasks.a]\nforeach = {{ command = {command} }}\ncommand = ['{{item}}']"
    ))
}

#[test]
fn the_lines_of_a_command_are_items() {
    let job = job("['ls', '{dir}']")
        .file("sub dir/b", "")
        .file("sub dir/a c", "");
    assert_eq!(job.lines(), ["a c", "b"]);
    assert_eq!(job.plan().tasks[0].total, Some(2));
    let job = self::job("['printf', ' x \\n\\n\\377']");
    assert_eq!(job.lines(), [" x ", "", "\\xff"]);
    assert_eq!(self::job("['true']").plan().tasks[0].total, Some(0));
}

#[test]
fn it_runs_in_the_jobs_directory_with_nothing_to_read() {
    let job = job("['sh', '-c', 'cat; pwd']");
    let dir = job.path("").canonicalize().expect("there");
    assert_eq!(job.lines(), [dir.to_str().expect("utf-8")]);
}

#[test]
fn one_that_fails_is_an_error_of_the_job_file_with_what_it_said() {
    let text = job("['sh', '-c', 'echo half; echo no such disk >&2; exit 3']").refused();
    assert_says(
        &text,
        [
            "the command `sh` failed with exit 3",
            "it said:",
            "no such disk",
            "job.toml:4:23",
        ],
    );
    assert_says(
        &job("['sh', '-c', 'kill -9 $$']").refused(),
        ["the command `sh` was ended by signal 9"],
    );
    assert_says(
        &job("['no-such-lister']").refused(),
        [
            "the command `no-such-lister` could not be started",
            "No such file",
        ],
    );
    assert_says(
        &job("['printf', 'a\\0b']").refused(),
        ["line 1 of the output of `printf` holds a NUL byte"],
    );
}

#[test]
fn what_it_says_fills_no_pipe() {
    let said = "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789 >&2; i=$((i+1)); done; echo x";
    assert_eq!(job(&format!("['sh', '-c', '{said}']")).lines(), ["x"]);
}

#[test]
fn a_check_runs_no_command() {
    let mut job = job("['touch', 'ran']");
    job.overrides.dry = true;
    assert_eq!(job.plan().tasks[0].total, None);
    assert!(!job.path("ran").exists());
    job.overrides.dry = false;
    assert_eq!(job.plan().tasks[0].total, Some(0));
    assert!(job.path("ran").exists());
}

#[test]
fn a_command_that_is_none_is_refused_at_its_place() {
    for wrong in ["[]", "['']"] {
        assert_says(
            &job(wrong).refused(),
            ["names no program that could list the items", "job.toml:4:23"],
        );
    }
    assert_says(
        &job("'ls'").refused(),
        ["expected an array of strings", "[\"program\""],
    );
}
