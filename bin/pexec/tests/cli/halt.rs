//! Policies that end a run before its time: which instances still run, and the exit code.

use crate::support::Test;

/// Two at once of ten. The first runs all along: where the policy is `soon` until the one that meets it has been told
/// of, where it is `now` until it is ended. The others go one by one, each to the end that `how` gives it.
fn ten(when: &str, how: &str, last: u64) -> String {
    let stays = match when {
        "soon" => format!("until grep -q '\"finished\",\"id\":\"t/{last}\"' events; do sleep 0.01; done"),
        _ => "exec sleep 1000".to_owned(),
    };
    format!(
        "[tasks.t]\nforeach = {{ range = '0..10' }}\nshell = '''\nif test {{item}} = 0; then {stays}; exit 0; fi\n\
         echo x >> ran; n={{item}}; {how}'''\n"
    )
}

#[test]
fn every_policy_ends_the_run_at_its_number_and_no_other() {
    for when in ["soon", "now"] {
        for (what, how, code) in [
            ("fail", "exit 3", 3),
            ("success", "exit 0", 0),
            ("done", "exit $((n % 2))", 3),
        ] {
            for (enough, n) in [("1", 1), ("2", 2), ("30%", 3), ("70%", 7)] {
                let policy = format!("{when},{what}={enough}");
                let done = Test::job(&ten(when, how, n))
                    .args(["-j2", "--events", "events", "--halt", &policy])
                    .run();
                let done = done.code(code);
                assert_eq!(done.read("ran").lines().count() as u64, n, "{policy}\n{done}");
                let rest = format!("{} not run", 9 - n);
                let done = done.says([format!("halted by {policy}").as_str(), &rest]);
                let first = match when {
                    "soon" => "\"outcome\":\"success\"",
                    _ => "\"outcome\":\"killed\"",
                };
                let events = done.read("events");
                let end = events
                    .lines()
                    .find(|line| line.contains("\"finished\",\"id\":\"t/0\""));
                assert!(end.is_some_and(|line| line.contains(first)), "{policy}\n{done}");
                assert!(
                    events.contains(&format!("\"halted\":\"{policy}\"")),
                    "{policy}\n{events}"
                );
            }
        }
    }
}

#[test]
fn none_of_a_number_is_a_mistake() {
    for when in ["soon", "now"] {
        for what in ["fail", "success", "done"] {
            for enough in ["0", "0%"] {
                let policy = format!("{when},{what}={enough}");
                let done = Test::job("[tasks.t]\ncommand = ['touch', 'ran']")
                    .args(["--halt", &policy])
                    .run()
                    .code(2)
                    .says(["--halt", &policy, "before it began"]);
                assert!(!done.path("ran").exists(), "{policy}");
            }
        }
    }
}

#[test]
fn a_job_file_has_a_policy_and_the_flag_stands_over_it() {
    let job = "[run]\nhalt = 'soon,fail=1'\n[tasks.t]\nforeach = { values = [1, 2] }\ncommand = ['false']";
    Test::job(job)
        .args(["-j1"])
        .run()
        .code(3)
        .says(["halted by soon,fail=1", "1 failed, 1 not run"]);
    Test::job(job)
        .args(["-j1", "--halt", "never"])
        .run()
        .code(1)
        .says(["2 failed"])
        .does_not_say(["halted"]);
}

#[test]
fn a_wrong_policy_is_shown_at_its_place() {
    Test::job("[run]\nhalt = 'now,fial=1'\n[tasks.t]\ncommand = ['true']")
        .run()
        .code(2)
        .says(["job.toml:2:8", "now,fial=1", "soon,fail=1"]);
}

#[test]
fn each_halts_too() {
    Test::new()
        .args([
            "each",
            "-j1",
            "--halt",
            "now,fail=1",
            "--",
            "test",
            "2",
            "-ne",
            "{}",
            ":::",
            "1",
            "2",
            "3",
        ])
        .run()
        .code(3)
        .says(["1 of 3 succeeded, 1 failed, 1 not run"]);
    Test::new()
        .args([
            "each",
            "-j1",
            "--halt",
            "now,success=1",
            "--",
            "test",
            "2",
            "-eq",
            "{}",
            ":::",
            "1",
            "2",
            "3",
        ])
        .run()
        .code(0)
        .says(["halted by now,success=1"]);
}

#[test]
fn what_a_resumed_run_keeps_counts_for_its_policy() {
    let job =
        "[tasks.t]\nforeach = { values = [1, 2, 3, 4] }\nshell = 'echo {item} >> ran; test {item} -le 2'";
    let done = Test::job(job)
        .shell("pexec run job.toml -j1; pexec run job.toml -j1 --resume --halt now,success=2")
        .code(0)
        .says([
            "halted by now,success=2",
            "2 of 4 succeeded (2 kept from before), 2 not run",
        ]);
    assert_eq!(done.read("ran"), "1\n2\n3\n4\n");
}
