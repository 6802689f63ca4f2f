//! After attempts of every kind the process is as it was: no child, no descriptor, no file. Alone in its test
//! binary, because other tests would have children and descriptors of their own.

use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use pexec_job::command::{Command, KillStep, Stdin};
use pexec_job::exec::{Captured, Notes, Report, execute};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("proc is mounted")
        .count()
}

fn children() -> String {
    let tasks = std::fs::read_dir("/proc/self/task")
        .expect("proc is mounted")
        .flatten();
    tasks
        .filter_map(|t| std::fs::read_to_string(t.path().join("children")).ok())
        .collect()
}

#[test]
fn attempts_of_every_kind_leave_no_child_no_descriptor_and_no_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path: pexec_job::text::Text = dir.path().as_os_str().as_bytes().to_vec().into();
    let attempt = |n: usize, script: &str, to_file: bool, stdin: Stdin| -> Report {
        let program = if script.is_empty() {
            "/no/such/program"
        } else {
            "sh"
        };
        let file = dir.path().join(format!("out{n}")).as_os_str().as_bytes().to_vec();
        let command = Command {
            stdin,
            stdout: to_file.then(|| file.into()),
            timeout: Some(Duration::from_millis(300)),
            kill: vec![KillStep {
                signal: 9,
                wait: Duration::ZERO,
            }],
            ..Command::new([program, "-c", script], path.clone())
        };
        let notes = Notes {
            stream: true,
            spill_dir: path.clone(),
            inline_limit: 10,
            token: format!("t-{n}"),
            making: None,
            cgroup: None,
        };
        execute(command, notes)
    };
    // What is opened once for all attempts is opened by the first.
    attempt(30, "true", false, Stdin::Empty);
    // What an earlier process left is no hindrance.
    std::fs::write(dir.path().join(".pexec-t-2.out"), "stale").expect("written");
    let before = descriptors();
    for n in 0..30 {
        let (script, to_file, stdin) = match n % 6 {
            0 => ("true", false, Stdin::Empty),
            1 => ("exit 3", true, Stdin::Text("some text".into())),
            2 => ("seq 10000; seq 10000 >&2", false, Stdin::Empty),
            3 => ("sleep 1000 & echo leaky", false, Stdin::File("/dev/null".into())),
            4 => ("exec sleep 1000", true, Stdin::Empty),
            _ => ("", true, Stdin::Text("never read".into())),
        };
        let report = attempt(n, script, to_file, stdin);
        if n % 6 == 2 {
            assert!(matches!(report.stdout, Captured::Spilled { .. }), "{report:?}");
        }
        report.stdout.discard();
        report.stderr.discard();
    }
    assert_eq!(descriptors(), before);
    assert_eq!(children(), "");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
}
