//! Ctrl-Z and `fg`, on a terminal with a shell that has job control.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::Test;
use crate::terminal::{Shown, Terminal, shell_on};

/// Starts the command in a shell with job control, and types Ctrl-Z when it is ready; the shell then does `between`, and
/// brings it back.
fn pausing(job: &str, args: &str, ready: impl Fn(&Path) -> bool, between: &str) -> Shown {
    let test = Test::new().file("job.toml", job);
    let dir = test.path().to_owned();
    let script = format!(
        "set -m; pexec run job.toml {args}; echo code-of-the-stop $?; {between}; touch resumed; fg; echo code-of-the-end $?"
    );
    let mut terminal = shell_on(test, &script, 24, 100);
    wait_until(&terminal, || ready(&dir));
    terminal.types("\x1a");
    let shown = terminal.done();
    assert!(shown.screen.contains("code-of-the-stop 148"), "{}", shown.screen);
    shown
}

fn wait_until(terminal: &Terminal, ready: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(Instant::now() < until, "never ready:\n{}", terminal.screen());
        thread::sleep(Duration::from_millis(5));
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn a_pause_longer_than_the_timeout_is_not_charged_to_a_command() {
    // It ticks until it is told to end. Its time limit would have ended it in the pause, which lasts until the
    // clock is past that.
    let job = "[tasks.t]\ntimeout = '2s'\nretries = 0\n\
        shell = 'while [ ! -e resumed ]; do echo x >> ticks; sleep 0.02; done; echo through'";
    let between = "a=$(wc -l < ticks); sleep 3; b=$(wc -l < ticks); echo ticked $((b - a)) meanwhile";
    let shown = pausing(job, "", |dir| lines(&dir.join("ticks")) >= 3, between);
    for part in [
        "ticked 0 meanwhile",
        "through",
        "1 of 1 succeeded",
        "code-of-the-end 0",
    ] {
        assert!(shown.screen.contains(part), "no `{part}` in\n{}", shown.screen);
    }
}

#[test]
fn what_is_killed_gets_its_whole_grace_in_spite_of_a_pause() {
    // The ladder has begun when the pause does, and KILL would be due in it.
    let job = "[tasks.t]\ntimeout = '100ms'\nkill = ['TERM 2s', 'KILL']\n\
        shell = \"trap 'touch told; while [ ! -e resumed ]; do sleep 0.02; done; echo tidied up; exit 3' TERM; \
        while :; do sleep 0.02; done\"";
    let shown = pausing(job, "", |dir| dir.join("told").exists(), "sleep 3");
    for part in ["tidied up", "timed out", "code-of-the-end 1"] {
        assert!(shown.screen.contains(part), "no `{part}` in\n{}", shown.screen);
    }
}

#[test]
fn nothing_starts_while_everything_is_paused_and_the_rest_runs_afterwards() {
    let job = "[tasks.t]\nforeach = { range = '0..60' }\nshell = 'echo {index} >> begun; sleep 0.05'";
    let between =
        "sleep 0.3; a=$(wc -l < begun); sleep 1; b=$(wc -l < begun); echo began $((b - a)) meanwhile";
    let shown = pausing(job, "-j3", |dir| lines(&dir.join("begun")) >= 10, between);
    for part in ["began 0 meanwhile", "60 of 60 succeeded", "code-of-the-end 0"] {
        assert!(shown.screen.contains(part), "no `{part}` in\n{}", shown.screen);
    }
}

#[test]
fn the_bar_leaves_the_screen_for_the_pause_and_comes_back() {
    let job = "[tasks.t]\nforeach = { range = '0..3' }\nshell = 'until [ -e go ]; do sleep 0.02; done'";
    let test = Test::new().file("job.toml", job);
    let dir = test.path().to_owned();
    let script = "set -m; pexec run job.toml -j3; echo stopped $?; until [ -e fg ]; do sleep 0.02; done; fg";
    let mut terminal = shell_on(test, script, 24, 100);
    terminal.wait("a bar", |screen| {
        screen.contains("0/3 done") && screen.contains("t(2)")
    });
    terminal.types("\x1a");
    let screen = terminal.wait("the shell", |screen| screen.contains("stopped 148"));
    assert!(!screen.contains("done") && !screen.contains("t("), "{screen}");
    fs::write(dir.join("fg"), "").expect("written");
    terminal.wait("the bar again", |screen| {
        screen.contains("0/3 done") && screen.contains("t(2)")
    });
    fs::write(dir.join("go"), "").expect("written");
    let shown = terminal.done();
    assert!(
        shown.screen.contains("3 of 3 succeeded") && !shown.screen.contains("/3 done"),
        "{}",
        shown.screen
    );
}

#[test]
fn a_paused_run_that_is_told_to_end_ends_when_it_goes_on() {
    let job =
        "[tasks.t]\nshell = \"trap 'echo told; exit 0' TERM; touch begun; while :; do sleep 0.02; done\"";
    // A stopped process takes the signal when it goes on.
    let test = Test::new().file("job.toml", job);
    let dir = test.path().to_owned();
    let script = "set -m; pexec run job.toml; echo stopped $?; kill -TERM %1; fg; echo ended $?";
    let mut terminal = shell_on(test, script, 24, 100);
    wait_until(&terminal, || dir.join("begun").exists());
    terminal.types("\x1a");
    let shown = terminal.done();
    for part in ["stopped 148", "told", "1 stopped", "ended 143"] {
        assert!(shown.screen.contains(part), "no `{part}` in\n{}", shown.screen);
    }
}

#[test]
fn killing_a_paused_run_leaves_nothing_behind() {
    let job = "[tasks.t]\nforeach = { range = '0..2' }\nshell = 'echo x >> begun; sleep 600'";
    let test = Test::new().file("job.toml", job);
    let dir = test.path().to_owned();
    let script = "set -m; pexec run job.toml -j2; echo stopped $?; kill -KILL %1; rm -rf tmp/*";
    let mut terminal = shell_on(test, script, 24, 100);
    wait_until(&terminal, || lines(&dir.join("begun")) == 2);
    terminal.types("\x1a");
    // That no process is left is checked for every test.
    assert!(terminal.done().screen.contains("stopped 148"));
}

#[test]
fn a_pause_nobody_could_end_is_none() {
    // Its group is an orphan: the shell is its session's leader and ignores the signal with it.
    let job = "[tasks.t]\nshell = 'kill -TSTP $PPID_OF_ALL; sleep 0.3; echo through'";
    let test = Test::new().file("job.toml", job);
    let script = "export PPID_OF_ALL=$$; exec pexec run job.toml";
    let shown = shell_on(test, script, 24, 100).done();
    assert!(
        shown.screen.contains("through") && shown.screen.contains("1 of 1 succeeded"),
        "{}",
        shown.screen
    );
}

#[test]
fn memory_that_does_not_fit_together_does_not_run_together_before_or_after_a_pause() {
    // Whoever runs beside another one fails.
    let job = "[run]\nmemory = '1GiB'\n[tasks.t]\nforeach = { range = '0..16' }\nmemory = '600MiB'\n\
        shell = 'mkdir busy && echo {index} >> begun && sleep 0.1 && rmdir busy'\n\
        [tasks.small]\nforeach = { range = '0..3' }\nmemory = '100MiB'\ncommand = ['true']";
    let between =
        "sleep 0.3; a=$(wc -l < begun); sleep 1; b=$(wc -l < begun); echo began $((b - a)) meanwhile";
    let shown = pausing(job, "-j4", |dir| lines(&dir.join("begun")) >= 3, between);
    for part in ["began 0 meanwhile", "19 of 19 succeeded", "code-of-the-end 0"] {
        assert!(shown.screen.contains(part), "no `{part}` in\n{}", shown.screen);
    }
}

#[test]
fn a_limit_of_memory_holds_after_a_pause_as_before_and_is_not_met_by_waiting() {
    // It asks for its memory only when it goes on; the other one holds what it may through the pause.
    let take = |bytes: u32| format!("head -c {bytes} /dev/zero | tail -c {bytes}");
    let wait = "until [ -e resumed ]; do sleep 0.02; done";
    let job = format!(
        "[defaults]\nmemory = '96MiB'\n\
         [tasks.grows]\nshell = 'echo x >> begun; {wait}; {} > /dev/null'\n\
         [tasks.stays]\nshell = '({}; {wait}) | (echo x >> begun; tail -c 30000000) | wc -c'\n",
        take(400_000_000),
        take(30_000_000),
    );
    let shown = pausing(&job, "-j2", |dir| lines(&dir.join("begun")) >= 2, "sleep 1.5");
    for part in [
        "30000000",
        "failed grows: ",
        "96 MiB",
        "1 of 2 succeeded, 1 failed",
        "code-of-the-end 1",
    ] {
        assert!(shown.screen.contains(part), "no `{part}` in\n{}", shown.screen);
    }
}
