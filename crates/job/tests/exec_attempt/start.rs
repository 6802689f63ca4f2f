//! Commands that cannot be started, in a shell's codes, with what is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pexec_job::command::Stdin;
use pexec_job::exec::End;

use super::Attempt;

fn refused(attempt: &Attempt, leaves: &[&str]) -> (i32, String) {
    let report = attempt.run(leaves);
    assert_eq!(report.pid, None);
    match report.end {
        End::NotStarted { code, reason } => (code, reason),
        other => panic!("{other:?}"),
    }
}

fn file(attempt: &Attempt, name: &str, content: &str, mode: u32) {
    let path = attempt.dir.path().join(name);
    fs::write(&path, content).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
}

#[test]
fn a_command_that_does_not_exist_is_127() {
    for program in ["no-such-program-here", "/no/such/program", "./none"] {
        let (code, reason) = refused(&Attempt::of(&[program]), &[]);
        assert_eq!(code, 127, "{reason}");
        assert!(
            reason.starts_with(&format!("command not found: {program}")),
            "{reason}"
        );
    }
}

#[test]
fn a_file_that_may_not_be_run_is_126() {
    let attempt = Attempt::of(&["./plain"]);
    file(&attempt, "plain", "#!/bin/sh\n", 0o644);
    let (code, reason) = refused(&attempt, &["plain"]);
    assert_eq!(code, 126, "{reason}");
    assert!(
        reason.contains("permission denied") || reason.contains("Permission denied"),
        "{reason}"
    );
    let (code, reason) = refused(&Attempt::of(&["/tmp"]), &[]);
    assert_eq!((code, reason.as_str()), (126, "/tmp is a directory"));
}

#[test]
fn a_file_that_is_no_program_is_126() {
    let attempt = Attempt::of(&["./garbage"]);
    file(&attempt, "garbage", "neither a script nor a binary\n", 0o755);
    let (code, reason) = refused(&attempt, &["garbage"]);
    assert_eq!(code, 126, "{reason}");
    assert!(reason.contains("not a program"), "{reason}");
}

#[test]
fn a_script_whose_interpreter_is_missing_says_so() {
    let attempt = Attempt::of(&["./script"]);
    file(&attempt, "script", "#!/no/such/interpreter\n", 0o755);
    let (code, reason) = refused(&attempt, &["script"]);
    assert_eq!(code, 127, "{reason}");
    assert!(reason.contains("interpreter"), "{reason}");
}

#[test]
fn a_missing_working_directory_is_not_taken_for_a_missing_command() {
    for cwd in ["/no/such/directory", "/etc/passwd"] {
        let attempt = Attempt::of(&["true"]).with(|c| c.cwd = cwd.into());
        let (code, reason) = refused(&attempt, &[]);
        assert_eq!(code, 126, "{reason}");
        assert!(
            reason.starts_with(&format!("its working directory {cwd}")),
            "{reason}"
        );
    }
}

#[test]
fn a_missing_standard_input_is_named() {
    let attempt = Attempt::of(&["cat"]).with(|c| c.stdin = Stdin::File("/no/such/input".into()));
    let (code, reason) = refused(&attempt, &[]);
    assert_eq!(code, 126, "{reason}");
    assert!(reason.contains("/no/such/input"), "{reason}");
}

#[test]
fn arguments_beyond_the_kernels_limit_are_126() {
    let attempt = Attempt::of(&["true"]).with(|c| c.argv.push(vec![b'x'; 8 << 20].into()));
    let (code, reason) = refused(&attempt, &[]);
    assert_eq!(code, 126, "{reason}");
    assert!(reason.contains("too long"), "{reason}");
}

#[test]
fn a_program_is_found_relative_to_the_working_directory() {
    let attempt = Attempt::of(&["./here"]);
    file(&attempt, "here", "#!/bin/sh\nexit 9\n", 0o755);
    assert_eq!(attempt.run(&["here"]).end, End::Exited(9));
}
