//! `pexec doctor`: on a machine on which these tests run, what pexec needs holds; where something is taken away, it says so.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Done, Test};

/// The findings, by `--format json`.
fn findings(done: &Done) -> (bool, Vec<Value>) {
    let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}\n{done}"));
    let checks = told["checks"].as_array().expect("a list").clone();
    (told["ok"].as_bool().expect("told"), checks)
}

#[track_caller]
fn finding<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {checks:?}"))
}

/// What needs no privilege and no delegation holds wherever pexec is built.
const EVERYWHERE: [&str; 14] = [
    "workers",
    "rings",
    "sockets",
    "crash",
    "timeout",
    "kill",
    "lifeline",
    "pidfd",
    "process-group",
    "sealed-memory",
    "open-files",
    "nice",
    "cpu-affinity",
    "temporary-files",
];

#[test]
fn everything_that_pexec_needs_is_tried_and_holds_where_tests_run() {
    let done = Test::new().args(["doctor", "--format", "json"]).run().code(0);
    let (ok, checks) = findings(&done);
    assert!(ok, "{done}");
    for name in EVERYWHERE {
        assert_eq!(finding(&checks, name)["ok"], true, "{done}");
    }
    for check in &checks {
        assert!(
            check["seen"].as_str().is_some_and(|seen| !seen.is_empty()),
            "{check}"
        );
        // What does not hold says what that means and what to do.
        let explained = check["means"].is_string() && check["advice"].is_string();
        assert_eq!(check["ok"] != true, explained, "{check}");
    }
    done.says(["all that pexec needs holds here"]);
}

#[test]
fn a_line_says_what_is_missing_what_that_means_and_what_to_do() {
    let done = Test::new()
        .env("TMPDIR", "/nonexistent")
        .args(["doctor"])
        .run()
        .code(1)
        .says(["needs what does not hold here: temporary-files"]);
    let text = String::from_utf8_lossy(&done.stdout);
    let line = text.lines().find(|line| line.contains("temporary-files"));
    let line = line.unwrap_or_else(|| panic!("{done}"));
    assert!(line.starts_with("no "), "{line}");
    for part in ["/nonexistent", "nowhere to go", "TMPDIR"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(
        text.lines()
            .all(|line| line.starts_with("ok ") || line.starts_with("no ")),
        "{done}"
    );
}

#[test]
fn too_few_descriptors_are_told_first_and_not_taken_for_something_else() {
    let done = Test::new()
        .shell("ulimit -n 16; exec pexec doctor --format json")
        .code(1);
    let (ok, checks) = findings(&done);
    assert!(!ok, "{done}");
    let few = finding(&checks, "descriptors");
    assert_eq!(few["ok"], false, "{done}");
    assert!(
        few["advice"]
            .as_str()
            .is_some_and(|advice| advice.contains("ulimit -n")),
        "{few}"
    );
    let kill = finding(&checks, "kill");
    assert!(
        kill["ok"] == true
            || kill["seen"]
                .as_str()
                .is_some_and(|seen| seen.starts_with("could not be tried")),
        "{kill}"
    );
}

#[test]
fn a_user_without_privileges_and_with_few_processes_is_told_so() {
    let test = Test::new();
    // A directory that somebody else may look into, and the command where anybody may start it.
    for dir in [test.path().to_owned(), test.path().join("tmp")] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o1777)).expect("ours");
    }
    fs::copy(env!("CARGO_BIN_EXE_pexec"), test.path().join("pexec")).expect("copied");
    let away = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let able = |script: &str| {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let drop_privileges = match nix::unistd::geteuid().is_root() {
        false => "",
        true if able(&format!("{away} true")) => away,
        true => {
            println!("skipped: no setpriv to give privileges up with");
            return;
        }
    };
    if !able("prlimit --version") {
        println!("skipped: no prlimit");
        return;
    }
    let done = test.shell(&format!(
        "{drop_privileges} ./pexec doctor --format json; code=$?; \
         {drop_privileges} prlimit --nproc=1 ./pexec doctor >&2; echo $code $?"
    ));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let (json, codes) = text.trim_end().rsplit_once('\n').expect("two parts");
    assert_eq!(codes, "0 1", "{done}");
    let told: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}\n{done}"));
    assert_eq!(told["ok"], true, "{done}");
    done.says(["processes", "Resource temporarily unavailable"])
        .does_not_say(["panicked"]);
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    Test::new()
        .shell("{ pexec doctor; echo $? >code; } | head -n 1 >/dev/null; cat code")
        .code(0)
        .stdout("141\n")
        .does_not_say(["panicked", "cannot write"]);
}
