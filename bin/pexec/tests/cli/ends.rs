//! How instances end, and what the summary and the exit code make of it.

use crate::support::Test;

#[test]
fn all_succeeded_is_0_and_the_counts_add_up() {
    Test::job("[tasks.a]\nforeach = { range = '0..5' }\ncommand = ['true']")
        .run()
        .code(0)
        .stdout("")
        .says(["5 of 5 succeeded"])
        .does_not_say(["failed"]);
}

#[test]
fn a_failure_is_1_named_and_explained() {
    Test::job("[tasks.bad]\nforeach = { values = ['x', 'y'] }\nshell = 'echo about {item} >&2; test {item} = y || exit 3'")
        .run()
        .code(1)
        .says(["bad(x)", "exit 3", "about x", "1 of 2 succeeded", "1 failed"]);
}

#[test]
fn a_signal_is_told_by_name() {
    Test::job("[tasks.a]\nshell = 'kill -SEGV $$'")
        .run()
        .code(1)
        .says(["SEGV", "1 failed"]);
}

#[test]
fn what_needs_a_failure_is_blocked_and_the_rest_runs() {
    Test::job(
        "[tasks.a]\nforeach = { values = [1, 2] }\nshell = 'test {item} = 1'\n\
         [tasks.b]\nneeds = ['a']\nforeach = { values = [1, 2, 3] }\ncommand = ['touch', 'ran']\n\
         [tasks.c]\ncommand = ['echo', 'c']",
    )
    .run()
    .code(1)
    .stdout("c\n")
    .says(["2 of 6 succeeded", "1 failed", "3 blocked", "a(2)"]);
}

#[test]
fn a_task_runs_after_all_of_what_it_needs() {
    let done = Test::job(
        "[tasks.last]\nneeds = ['first']\nshell = 'wc -l < log'\n\
         [tasks.first]\nforeach = { range = '0..20' }\nshell = 'sleep 0.01; echo x >> log'",
    )
    .args(["-j4"])
    .run()
    .code(0);
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "20", "{done}");
}

#[test]
fn attempts_are_exact_and_a_late_success_is_a_success_that_is_told() {
    let job = "[tasks.a]\nretries = 2\nshell = 'echo {attempt} >> tries; test {attempt} = 3'";
    let done = Test::job(job)
        .run()
        .code(0)
        .says(["1 of 1 succeeded", "retried", "a"]);
    assert_eq!(done.read("tries"), "1\n2\n3\n");
    let done = Test::job(job)
        .args(["--retries", "1"])
        .run()
        .code(1)
        .says(["1 failed"]);
    assert_eq!(done.read("tries"), "1\n2\n");
}

#[test]
fn ok_exit_counts_as_success() {
    Test::job("[tasks.a]\nok_exit = [0, 7]\nshell = 'exit 7'")
        .run()
        .code(0);
    Test::job("[tasks.a]\nok_exit = [7]\nshell = 'exit 0'")
        .run()
        .code(1)
        .says(["exit 0"]);
}

#[test]
fn a_timeout_ends_the_whole_group_and_is_told() {
    Test::job("[tasks.a]\ntimeout = '200ms'\nshell = 'sleep 600 & sleep 600'")
        .run()
        .code(1)
        .says(["timed out after 200ms"]);
}

#[test]
fn a_command_that_ignores_the_polite_signal_is_killed() {
    Test::job("[tasks.a]\ntimeout = '200ms'\nkill = ['TERM 200ms', 'KILL']\nshell = \"trap '' TERM; while :; do sleep 0.05; done\"")
        .run()
        .code(1)
        .says(["timed out"]);
}

#[test]
fn a_grandchild_that_keeps_the_output_open_is_ended_and_told() {
    Test::job("[tasks.a]\nshell = 'sleep 600 & echo done'")
        .run()
        .code(0)
        .stdout("done\n")
        .says(["leaky"]);
}

#[test]
fn only_runs_a_task_alone() {
    Test::job("[tasks.a]\ncommand = ['touch', 'ran']\n[tasks.b]\nneeds = ['a']\ncommand = ['echo', 'b']")
        .args(["--only", "b"])
        .run()
        .code(0)
        .stdout("b\n")
        .says(["1 of 1 succeeded"]);
}

#[test]
fn a_killed_worker_costs_its_own_instance_and_no_other() {
    let job = "[tasks.t]\nforeach = { range = '0..20' }\nshell = 'test {item} != 3 || kill -KILL $PPID; sleep 0.02; echo {item}'";
    let done =
        Test::job(job)
            .args(["-j2"])
            .run()
            .code(1)
            .says(["t(3)", "worker crashed", "19 of 20 succeeded"]);
    assert_eq!(done.sorted_lines().len(), 19, "{done}");
    let job =
        "[tasks.t]\nretries = 1\nshell = 'test {attempt} = 2 || kill -KILL $PPID; sleep 0.02; echo done'";
    Test::job(job)
        .run()
        .code(0)
        .stdout("done\n")
        .says(["retried 1 time"]);
}

#[test]
fn many_failures_are_counted_but_not_all_listed() {
    let done = Test::job("[tasks.a]\nforeach = { range = '0..300' }\ncommand = ['false']")
        .run()
        .code(1);
    let done = done.says(["300 failed", "more"]);
    assert!(done.stderr.lines().count() < 100, "{done}");
}

#[test]
fn check_tells_what_it_found_and_runs_nothing() {
    let job = "[tasks.a]\nforeach = { range = '0..5' }\ncommand = ['touch', 'ran']\n[tasks.b]\nforeach = { lines = '-' }\ncommand = ['true']";
    let done = Test::new()
        .file("job.toml", job)
        .args(["check", "job.toml"])
        .run()
        .code(0)
        .stdout("");
    assert!(!done.path("ran").exists());
    done.says(["2 tasks"]);
}

#[test]
fn a_command_may_run_pexec_itself() {
    Test::job("[tasks.a]\ncommand = ['pexec', 'run', 'inner.toml']")
        .file(
            "inner.toml",
            "[tasks.b]\nforeach = { values = [1, 2] }\ncommand = ['echo', '{item}']",
        )
        .run()
        .code(0)
        .stdout_lines(["1", "2"]);
}
