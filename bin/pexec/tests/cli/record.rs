//! The record that a run leaves: where it is, what is in it, and what happens when it cannot be.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::support::{Done, Test};

/// The only record in `.pexec/runs`.
#[track_caller]
pub(crate) fn record(done: &Done) -> PathBuf {
    let mut all = records(done, ".pexec/runs");
    assert_eq!(all.len(), 1, "{all:?}\n{done}");
    all.remove(0)
}

pub(crate) fn records(done: &Done, runs: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(done.path(runs)).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    all.sort();
    all
}

const TWO: &str = "[tasks.a]\nforeach = { values = ['x', 'y'] }\nshell = 'echo {item}; echo {item} >> ran'";

#[test]
fn a_run_leaves_its_job_file_its_events_and_what_was_written() {
    let done = Test::job(TWO)
        .args(["-j1", "--events", "same"])
        .run()
        .code(0)
        .stdout("x\ny\n");
    let record = record(&done);
    let text = |name: &str| fs::read_to_string(record.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(text("job.toml"), TWO);
    assert_eq!(text("output"), "x\ny\n");
    assert_eq!(text("events.ndjson"), done.read("same"));
    assert_eq!(done.read(".pexec/.gitignore"), "*\n");
    let first = text("events.ndjson")
        .lines()
        .next()
        .map(str::to_owned)
        .unwrap_or_default();
    let id = record.file_name().and_then(|id| id.to_str()).expect("an id");
    assert!(first.contains(&format!("\"run\":\"{id}\"")), "{first}");
}

#[test]
fn every_run_has_a_record_of_its_own_in_the_order_of_time() {
    let done = Test::new()
        .file("job.toml", TWO)
        .shell("for i in 1 2 3 4 5; do pexec run job.toml --set x=$i; done; pexec run job.toml")
        .code(0);
    let records = records(&done, ".pexec/runs");
    assert_eq!(records.len(), 1, "a flag that is wrong leaves none\n{done}");
    let done = Test::new()
        .file("job.toml", TWO)
        .shell("for i in 1 2 3 4 5; do pexec run job.toml; pexec run job.toml --no-record; done")
        .code(0);
    let times: Vec<String> = self::records(&done, ".pexec/runs")
        .iter()
        .map(|record| {
            let events = fs::read_to_string(record.join("events.ndjson")).expect("there");
            let (_, time) = events.split_once("\"t\":\"").expect("a time");
            time[..24].to_owned()
        })
        .collect();
    assert_eq!(times.len(), 5, "{done}");
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn the_record_can_be_elsewhere_or_nowhere() {
    let done = Test::job(TWO).args(["--run-dir", "a/b"]).run().code(0);
    assert_eq!(records(&done, "a/b").len(), 1, "{done}");
    assert!(!done.path(".pexec").exists(), "{done}");
    let done = Test::job(TWO).args(["--no-record"]).run().code(0);
    assert!(!done.path(".pexec").exists(), "{done}");
    let each = ["each", "--", "echo", "{}", ":::", "x"];
    let done = Test::new().args(each).run().code(0);
    assert!(!done.path(".pexec").exists(), "each leaves none\n{done}");
    let done = Test::new()
        .args(["each", "--run-dir", "runs", "--", "echo", "{}", ":::", "x"])
        .run()
        .code(0);
    let job = fs::read_to_string(records(&done, "runs")[0].join("job.toml")).expect("there");
    assert!(
        job.contains("values = [\"x\"]") && job.contains("[\"echo\", \"{item}\"]"),
        "{job}"
    );
}

#[test]
fn large_output_is_recorded_whole() {
    let done = Test::job("[tasks.t]\nshell = \"head -c 3000000 /dev/zero | tr '\\\\0' o; echo e >&2\"")
        .run()
        .code(0);
    let output = fs::read(record(&done).join("output")).expect("there");
    assert_eq!(output.len(), 3_000_002);
    assert!(output.ends_with(b"oe\n"));
    assert_eq!(done.stdout.len(), 3_000_000);
}

#[test]
fn a_record_that_cannot_be_made_starts_nothing_and_says_what_to_do() {
    let done = Test::job(TWO).file(".pexec", "a file").run().code(5);
    assert!(!done.path("ran").exists(), "{done}");
    done.says(["nothing was started", "--no-record", "--run-dir"]);
    let done = Test::job(TWO).args(["--run-dir", "/proc/nowhere"]).run().code(5);
    assert!(!done.path("ran").exists(), "{done}");
    done.says(["/proc/nowhere"]);
}

#[test]
fn a_directory_that_may_not_be_written_leaves_nothing() {
    let done = Test::new().file("sub/job.toml", TWO).shell(
        "chmod 555 sub; if touch sub/x 2>/dev/null; then exec su nobody -s /bin/sh -c 'exec pexec run sub/job.toml' \
         2>&1; fi; exec pexec run sub/job.toml 2>&1",
    );
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        !done.path("sub/.pexec").exists() && !done.path("sub/ran").exists(),
        "{done}"
    );
    if !said.contains("ermission denied") {
        eprintln!("skipped: nobody to be here: {said}");
        return;
    }
    // Whoever `su` cannot make says something else.
    if done.status.code() == Some(5) {
        assert!(said.contains("--no-record"), "{said}");
    }
}

#[test]
fn no_link_is_followed_to_where_a_record_is_to_be() {
    for place in [".pexec", ".pexec/runs"] {
        let test = Test::job(TWO).file("elsewhere/kept", "");
        let path = test.path().join(place);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        symlink(test.path().join("elsewhere"), &path).expect("made");
        let done = test.run().code(5);
        assert!(!done.path("ran").exists(), "{done}");
        let left: Vec<_> = fs::read_dir(done.path("elsewhere"))
            .expect("there")
            .flatten()
            .collect();
        assert_eq!(left.len(), 1, "{left:?}");
        done.says(["symbolic link"]);
    }
}

#[test]
fn a_full_disk_ends_the_run_when_what_runs_has_ended() {
    // A limit on the size of files stands for the disk: the record hits it, the tasks do not.
    let done = Test::new()
        .file(
            "job.toml",
            "[tasks.a]\nforeach = { range = '0..300' }\nshell = 'echo {item} >> ran; head -c 200000 /dev/zero'",
        )
        .shell("trap '' XFSZ; ulimit -f 32768; exec pexec run job.toml -j2 --output none")
        .code(5);
    let ran = done.read("ran").lines().count();
    assert!((1..300).contains(&ran), "{ran}\n{done}");
    // What was recorded before is whole, and the run can be gone on with.
    let done = done.again("run job.toml -j2 --output none --resume").code(0);
    record(&done);
    let mut names: Vec<String> = done.read("ran").lines().map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 300);
}

#[test]
fn a_record_that_could_not_be_begun_leaves_no_part_of_it() {
    let test = Test::new().file("job.toml", "[tasks.a]\nshell = 'echo a'");
    // No file may hold a byte: what a full disk does, with the system's own leave.
    let done = test
        .shell("trap '' XFSZ; ulimit -f 0; pexec run job.toml 2>&1 | cat >&2")
        .says(["cannot make ./.pexec", "nothing was started"]);
    assert!(!done.path(".pexec").exists(), "{done}");
    let done = done.again("run job.toml").code(0);
    assert_eq!(done.read(".pexec/.gitignore"), "*\n");
}
