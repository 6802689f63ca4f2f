//! Streams that go to files: whole or not at all.

use std::fs;

use pexec_job::exec::{self, Captured, End};
use pexec_job::work::Work;

use super::Attempt;

fn to_files(script: &str) -> Attempt {
    let attempt = Attempt::shell(script);
    let (out, err) = (attempt.path("deep/er/out"), attempt.path("err"));
    attempt.with(|c| {
        c.stdout = Some(out);
        c.stderr = Some(err);
    })
}

#[test]
fn a_success_puts_its_output_in_place_and_makes_the_parents() {
    let attempt = to_files("echo out; echo err >&2");
    fs::write(attempt.dir.path().join("err"), "old").expect("written");
    let report = attempt.run(&["deep", "err"]);
    assert_eq!(report.fault, None);
    assert_eq!(report.stdout, Captured::Inline(vec![]));
    assert_eq!(
        fs::read(attempt.dir.path().join("deep/er/out")).expect("there"),
        b"out\n"
    );
    assert_eq!(fs::read(attempt.dir.path().join("err")).expect("there"), b"err\n");
    assert_eq!(
        fs::read_dir(attempt.dir.path().join("deep/er"))
            .expect("a directory")
            .count(),
        1
    );
}

#[test]
fn a_failure_leaves_what_was_there() {
    let attempt = to_files("echo new >&2; exit 1");
    fs::write(attempt.dir.path().join("err"), "old").expect("written");
    assert_eq!(attempt.run(&["deep", "err"]).end, End::Exited(1));
    assert_eq!(fs::read(attempt.dir.path().join("err")).expect("there"), b"old");
    assert_eq!(
        fs::read_dir(attempt.dir.path().join("deep/er"))
            .expect("a directory")
            .count(),
        0
    );
}

#[test]
fn one_path_for_both_streams_takes_both_in_order() {
    let attempt = Attempt::shell("echo 1; echo 2 >&2; echo 3");
    let log = attempt.path("log");
    let attempt = attempt.with(|c| {
        c.stdout = Some(log.clone());
        c.stderr = Some(log);
    });
    assert_eq!(attempt.run(&["log"]).end, End::Exited(0));
    assert_eq!(
        fs::read(attempt.dir.path().join("log")).expect("there"),
        b"1\n2\n3\n"
    );
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    let attempt = Attempt::shell("echo gone").with(|c| c.stdout = Some("/dev/null".into()));
    assert_eq!(attempt.run(&[]).fault, None);
    let null = fs::metadata("/dev/null").expect("there");
    assert!(!null.is_file());
}

#[test]
fn a_link_is_written_through() {
    let attempt = Attempt::shell("echo new");
    fs::write(attempt.dir.path().join("real"), "old").expect("written");
    std::os::unix::fs::symlink("real", attempt.dir.path().join("link")).expect("linked");
    let link = attempt.path("link");
    let attempt = attempt.with(|c| c.stdout = Some(link));
    assert_eq!(attempt.run(&["link", "real"]).fault, None);
    assert_eq!(
        fs::read(attempt.dir.path().join("real")).expect("there"),
        b"new\n"
    );
    assert!(
        fs::symlink_metadata(attempt.dir.path().join("link"))
            .expect("there")
            .is_symlink()
    );
}

#[test]
fn a_target_that_cannot_be_written_is_told_before_anything_runs() {
    let attempt = Attempt::shell("echo ran > ran").with(|c| c.stdout = Some("/proc/no/such".into()));
    let report = attempt.run(&[]);
    let End::NotStarted { code: 126, reason } = report.end else {
        panic!("{report:?}")
    };
    assert!(reason.contains("/proc/no/such"), "{reason}");
    let attempt = Attempt::shell("true");
    let dir = attempt.path("");
    let report = attempt.with(|c| c.stdout = Some(dir)).run(&[]);
    assert!(
        matches!(report.end, End::NotStarted { code: 126, .. }),
        "{report:?}"
    );
}

#[test]
fn what_a_dead_worker_left_can_be_removed() {
    let attempt = to_files("true");
    let dir = attempt.dir.path();
    fs::create_dir_all(dir.join("deep/er")).expect("made");
    for left in ["deep/er/.pexec-t.out", ".pexec-t.err", ".pexec-t.out"] {
        fs::write(dir.join(left), "partial").expect("written");
    }
    fs::write(dir.join("err"), "old").expect("written");
    exec::discard(&Work::Command(attempt.command.clone()), &attempt.notes);
    let left: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .map(|e| e.expect("readable").file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(fs::read_dir(dir.join("deep/er")).expect("a directory").count(), 0);
    assert_eq!(fs::read(dir.join("err")).expect("there"), b"old");
}
