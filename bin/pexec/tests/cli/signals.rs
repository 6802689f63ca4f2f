//! Signals: an orderly end the first time, a quick one the second, and nothing left behind whatever happens.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Started, Test};
use crate::terminal::{shell_on, stderr_on};

/// Three at once of five that run until told to stop, and say so.
const POLITE: &str = "[tasks.t]\nforeach = { range = '0..5' }\n\
    shell = \"trap 'echo x >> stopped; exit 0' TERM; echo x >> begun; while :; do sleep 0.05; done\"";

/// The same, deaf to TERM.
const DEAF: &str = "[tasks.t]\nforeach = { range = '0..5' }\nkill = ['TERM 600s', 'KILL']\n\
    shell = \"trap '' TERM; echo x >> begun; while :; do sleep 0.05; done\"";

fn three_running(job: &str) -> Started {
    let mut started = Test::job(job).args(["-j3", "--events", "events"]).start();
    started.wait_for_lines("begun", 3);
    // run_started, planned, three times started: until then pexec knows of fewer.
    started.wait_for_lines("events", 5);
    started
}

#[test]
fn the_first_signal_gives_what_runs_its_ladder_and_starts_nothing_more() {
    for (signal, code) in [
        (Signal::SIGINT, 130),
        (Signal::SIGTERM, 143),
        (Signal::SIGHUP, 129),
    ] {
        let started = three_running(POLITE);
        started.signal(signal);
        let done = started.done().code(code).says([
            "stopping: 3 running commands",
            "interrupted by",
            signal.as_str(),
            "0 of 5 succeeded",
            "3 stopped",
            "2 not run",
        ]);
        assert_eq!(done.read("stopped").lines().count(), 3, "{done}");
        assert_eq!(done.read("begun").lines().count(), 3, "{done}");
        assert_eq!(
            done.read("events").matches("\"type\":\"signal\"").count(),
            1,
            "{done}"
        );
    }
}

#[test]
fn the_second_signal_kills() {
    let mut started = three_running(DEAF);
    started.signal(Signal::SIGINT);
    // run_started, planned, three times started, signal
    started.wait_for_lines("events", 6);
    std::thread::sleep(Duration::from_millis(1100));
    started.signal(Signal::SIGINT);
    let done = started.done().code(130).says(["3 stopped", "2 not run"]);
    assert_eq!(
        done.read("events").matches("\"type\":\"signal\"").count(),
        2,
        "{done}"
    );
}

#[test]
fn repeats_within_a_second_count_as_one() {
    let started = three_running(
        "[tasks.t]\nforeach = { range = '0..5' }\nkill = ['TERM 2s', 'KILL']\n\
        shell = \"trap 'sleep 0.3; echo x >> stopped; exit 0' TERM; echo x >> begun; while :; do sleep 0.05; done\"",
    );
    for _ in 0..5 {
        started.signal(Signal::SIGINT);
    }
    let done = started.done().code(130);
    assert_eq!(
        done.read("stopped").lines().count(),
        3,
        "nobody was killed\n{done}"
    );
    assert_eq!(
        done.read("events").matches("\"type\":\"signal\"").count(),
        1,
        "{done}"
    );
}

#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
    let done = Test::new()
        .file(
            "job.toml",
            "[tasks.a]\nshell = 'kill -HUP $PPID; kill -HUP $OUTER; sleep 0.1; echo done'",
        )
        .shell("trap '' HUP; OUTER=$$ exec pexec run job.toml")
        .code(0);
    drop(done.stdout("done\n"));
}

#[test]
fn a_signal_while_items_are_awaited_ends_the_wait() {
    let mut started = Test::new()
        .args(["each", "--events", "events", "--", "true", "{}"])
        .stdin_open()
        .start();
    started.wait_for_lines("events", 2);
    started.signal(Signal::SIGTERM);
    started.wait_for_end();
    started.done().code(143);
}

#[test]
fn a_signal_while_nobody_reads_the_output_ends_the_run() {
    let mut started = Test::job(
        "[tasks.t]\nforeach = { range = '0..1000' }\nshell = 'echo x >> begun; head -c 1000000 /dev/zero'",
    )
    .args(["-j2"])
    .start();
    started.wait_for_lines("begun", 3);
    // The pipe holds 64 KiB and pexec a megabyte: by now it waits, or will.
    std::thread::sleep(Duration::from_millis(300));
    started.signal(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(1100));
    started.signal(Signal::SIGTERM);
    started.wait_for_end();
    started.done().code(143);
}

#[test]
fn killing_pexec_leaves_no_process() {
    let started = three_running(DEAF);
    started.signal(Signal::SIGKILL);
    // That nothing of it is left is checked for every test.
    drop(started.done());
}

#[test]
fn usr1_lists_what_runs_with_its_last_line() {
    let job = "[tasks.t]\nforeach = { values = ['a', 'b'] }\n\
        shell = 'echo x >> begun; echo first; echo step 2 of {item} >&2; until [ -e go ]; do sleep 0.02; done'";
    let test = Test::job(job).args(["-j2", "--progress", "none"]);
    let dir = test.path().to_owned();
    let mut terminal = stderr_on(test, 40, 100);
    terminal.started.wait_for_lines("begun", 2);
    // A line that was written just now is not seen at once.
    terminal.wait("a list with both lines", |screen| {
        terminal.started.signal(Signal::SIGUSR1);
        std::thread::sleep(Duration::from_millis(100));
        let listed = |line: &str| line.contains("  t(a)  [") && line.ends_with("]  step 2 of a");
        screen.contains("pexec: 0 of 2 done, 2 running") && screen.lines().any(listed)
    });
    std::fs::write(dir.join("go"), "").expect("written");
    drop(terminal.done().done.code(0));
}

#[test]
fn a_signal_for_the_whole_group_counts_once_and_reaches_the_commands_once() {
    let test = Test::new().file("job.toml", POLITE);
    let script = "set -m; pexec run job.toml -j3 --events events & until [ \"$(cat begun 2>/dev/null | wc -l)\" = 3 ] && \
        [ \"$(cat events | wc -l)\" -ge 5 ]; do sleep 0.02; done; kill -TERM -$!; wait $!; echo ended $?";
    let shown = shell_on(test, script, 24, 100).done();
    assert!(shown.screen.contains("ended 143"), "{}", shown.screen);
    assert_eq!(shown.done.read("stopped").lines().count(), 3);
    let signals = shown.done.read("events").matches("\"type\":\"signal\"").count();
    assert_eq!(signals, 1);
}

#[test]
fn ctrl_c_on_a_terminal_ends_the_run_and_the_second_one_kills_and_the_screen_is_clean() {
    // The shell ignores the key; what it starts does not.
    let script = "trap : INT; pexec run job.toml -j3; echo ended $?";
    let mut terminal = shell_on(Test::new().file("job.toml", DEAF), script, 24, 100);
    terminal.wait("a bar", |screen| {
        screen.contains("0/5 done") && screen.matches("t(").count() == 3
    });
    terminal.types("\x03");
    terminal.wait("word of the first", |screen| screen.contains("told to end"));
    std::thread::sleep(Duration::from_millis(1100));
    terminal.types("\x03");
    let shown = terminal.done();
    for part in ["interrupted by SIGINT", "3 stopped, 2 not run", "ended 130"] {
        assert!(shown.screen.contains(part), "no `{part}` in\n{}", shown.screen);
    }
    assert!(!shown.screen.contains("/5 done"), "{}", shown.screen);
}
