//! Progress: on a terminal, in a log, or not at all.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};

use crate::support::Test;

const SLOW: &str = "[tasks.t]\nforeach = { range = '0..6' }\nshell = 'sleep 0.5; echo out{item}'";

#[test]
fn a_short_run_in_a_log_shows_no_progress() {
    let done = Test::job("[tasks.a]\ncommand = ['true']").run().code(0);
    assert_eq!(done.stderr.lines().count(), 1, "only the summary\n{done}");
}

#[test]
fn a_longer_run_in_a_log_shows_a_line_now_and_then() {
    let done = Test::job(SLOW)
        .args(["-j2"])
        .run()
        .code(0)
        .says(["/6 done", "running"]);
    assert!(
        !done.stderr.contains('\x1b') && !done.stderr.contains('\r'),
        "{done}"
    );
    assert!(done.stderr.lines().count() <= 5, "{done}");
}

#[test]
fn none_shows_none() {
    let done = Test::job(SLOW).args(["-j2", "--progress", "none"]).run().code(0);
    assert_eq!(done.stderr.lines().count(), 1, "only the summary\n{done}");
}

#[test]
fn colours_follow_the_environment() {
    let job = "[tasks.a]\ncommand = ['false']";
    assert!(!Test::job(job).run().code(1).stderr.contains('\x1b'));
    assert!(
        Test::job(job)
            .env("CLICOLOR_FORCE", "1")
            .run()
            .code(1)
            .stderr
            .contains("\x1b[1;31m")
    );
    let both = Test::job(job)
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .run()
        .code(1);
    assert!(!both.stderr.contains('\x1b'));
}

/// What a terminal of 100 columns gets on standard error, and what a pipe gets on standard output.
fn on_a_terminal(test: Test) -> (String, String) {
    let size = Winsize {
        ws_row: 40,
        ws_col: 100,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size, None).expect("a terminal");
    let test = test.env("TERM", "xterm");
    let mut command = test.command();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(pty.slave));
    let mut child = command.spawn().expect("the command starts");
    // The builder holds the terminal's end too; nothing would ever end while it does.
    drop(command);
    let screen = std::thread::spawn(move || {
        let mut text = Vec::new();
        let mut master = File::from(pty.master);
        let mut chunk = [0; 4096];
        // The kernel says EIO when the last one has closed the terminal.
        while let Ok(n @ 1..) = master.read(&mut chunk) {
            text.extend_from_slice(&chunk[..n]);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut stdout = String::new();
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_to_string(&mut stdout)
        .expect("text");
    assert!(child.wait().expect("ours").success());
    (screen.join().expect("read"), stdout)
}

#[test]
fn a_terminal_shows_one_bar_with_what_runs_under_it() {
    let (screen, stdout) = on_a_terminal(Test::job(SLOW).args(["-j2"]));
    for part in ["/6 done", "t(0)", "[", "6 of 6 succeeded", "\x1b[32m"] {
        assert!(screen.contains(part), "no `{part}` in {screen:?}");
    }
    assert!(!screen.contains("out0"), "{screen:?}");
    let mut lines: Vec<&str> = stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["out0", "out1", "out2", "out3", "out4", "out5"]);
}

#[test]
fn a_bar_is_off_the_screen_when_the_summary_comes() {
    let (screen, _) = on_a_terminal(Test::job(SLOW).args(["-j2"]));
    let summary = screen.find("6 of 6 succeeded").expect("a summary");
    assert!(!screen[summary..].contains("done,"), "{screen:?}");
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let (screen, _) = on_a_terminal(Test::job(SLOW).args(["-j2", "--progress", "plain"]));
    assert!(
        screen.contains("pexec: ") && screen.contains("/6 done"),
        "{screen:?}"
    );
    assert!(!screen.contains("[2K"), "nothing is redrawn: {screen:?}");
}

#[test]
fn a_bar_does_not_wipe_out_a_last_line_without_an_end() {
    let job = "[tasks.t]\nforeach = { range = '0..4' }\nshell = 'sleep 0.3; printf aside{item} >&2'";
    let (screen, _) = on_a_terminal(Test::job(job).args(["-j2"]));
    for n in 0..4 {
        let after = screen.split(&format!("aside{n}")).nth(1).expect("shown");
        assert!(
            after.starts_with("\r\n") || after.starts_with("aside"),
            "{screen:?}"
        );
    }
}
