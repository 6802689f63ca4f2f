//! Progress: on a terminal, in a log, or not at all.

use crate::support::Test;
use crate::terminal::{shell_on, stderr_on};

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

#[test]
fn a_terminal_shows_one_bar_with_what_runs_under_it() {
    let terminal = stderr_on(Test::job(SLOW).args(["-j2"]), 40, 100);
    let screen = terminal.wait("a bar with two tasks under it", |screen| {
        screen.contains("/6 done") && screen.matches("t(").count() == 2
    });
    let lines: Vec<&str> = screen.lines().collect();
    assert_eq!(lines.len(), 3, "{screen}");
    assert!(lines[0].starts_with('[') && lines[1].contains("t("), "{screen}");
    let shown = terminal.done();
    drop(
        shown
            .done
            .code(0)
            .stdout_lines(["out0", "out1", "out2", "out3", "out4", "out5"]),
    );
    assert!(shown.raw.contains("\x1b[32m6 of 6 succeeded"), "{:?}", shown.raw);
    assert!(!shown.raw.contains("out0"), "{:?}", shown.raw);
}

#[test]
fn the_bar_is_off_the_screen_when_the_summary_comes() {
    let shown = stderr_on(Test::job(SLOW).args(["-j2"]), 40, 100).done();
    assert_eq!(shown.screen.lines().count(), 1, "{}", shown.screen);
    assert!(shown.screen.contains("6 of 6 succeeded"), "{}", shown.screen);
    for mode in ["?25l", "?1049h", "?7l"] {
        assert!(
            !shown.raw.contains(mode),
            "the terminal's state is left alone: {:?}",
            shown.raw
        );
    }
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let shown = stderr_on(Test::job(SLOW).args(["-j2", "--progress", "plain"]), 40, 100).done();
    assert!(
        shown.raw.contains("pexec: ") && shown.raw.contains("/6 done"),
        "{:?}",
        shown.raw
    );
    assert!(
        !shown.raw.contains("\x1b[K"),
        "nothing is redrawn: {:?}",
        shown.raw
    );
    let script = "TERM=dumb exec pexec run job.toml -j2";
    let shown = shell_on(Test::new().file("job.toml", SLOW), script, 40, 100).done();
    assert!(!shown.raw.contains('\x1b'), "{:?}", shown.raw);
}

#[test]
fn the_bar_does_not_wipe_out_a_last_line_without_an_end() {
    let job = "[tasks.t]\nforeach = { range = '0..4' }\nshell = 'sleep 0.3; printf aside{item} >&2'";
    let shown = stderr_on(Test::job(job).args(["-j2"]), 40, 100).done();
    for n in 0..4 {
        assert!(shown.screen.contains(&format!("aside{n}")), "{}", shown.screen);
    }
    assert!(!shown.screen.contains("/4 done"), "{}", shown.screen);
}

#[test]
fn the_bar_keeps_its_place_when_the_window_is_resized() {
    let job = "[tasks.a_task_with_a_rather_long_name]\nforeach = { range = '0..20' }\n\
        shell = 'echo line{item}; until [ -e go ]; do sleep 0.02; done'";
    let test = Test::job(job).args(["-j4"]);
    let dir = test.path().to_owned();
    let terminal = stderr_on(test, 24, 100);
    // Each size, one line high and no size at all included, shows one bar and as much under it as there is room for.
    for (rows, columns) in [
        (24, 100),
        (24, 30),
        (5, 60),
        (2, 40),
        (1, 20),
        (0, 0),
        (10, 8),
        (30, 120),
    ] {
        terminal.resize(rows, columns);
        terminal.wait(&format!("a bar in {rows}x{columns}"), |screen| {
            let lines: Vec<&str> = screen.lines().collect();
            let height = match rows {
                0 => return true,
                1 | 2 => 1,
                3..=5 => rows - 1,
                _ => 5,
            };
            lines.len() == usize::from(height)
                && lines
                    .iter()
                    .all(|line| line.chars().count() < usize::from(columns))
                && (lines[0].starts_with('[') || lines[0].starts_with("0/20"))
                && screen.matches("0/20").count() == 1
        });
    }
    std::fs::write(dir.join("go"), "").expect("written");
    let shown = terminal.done();
    assert!(!shown.screen.contains("/20 done"), "{}", shown.screen);
    drop(shown.done.code(0));
}

#[test]
fn labels_are_cut_by_the_width_that_they_have_and_cannot_move_the_cursor() {
    let script = "printf '%s\\n' '\u{6f22}\u{5b57}\u{6f22}\u{5b57}\u{6f22}\u{5b57}\u{6f22}\u{5b57}\u{6f22}\u{5b57}' \
        'e\u{301}e\u{301}e\u{301}e\u{301}' \"$(printf 'a\\033[2J\\033[5;5Hb')\" '\u{202e}drow' | \
        exec pexec each -j4 -- sh -c 'until [ -e go ]; do sleep 0.02; done' {}";
    let test = Test::new();
    let dir = test.path().to_owned();
    let terminal = shell_on(test, script, 24, 24);
    let screen = terminal.wait("four lines under the bar", |screen| screen.lines().count() == 5);
    assert!(screen.contains("e\u{301}e\u{301}e\u{301}e\u{301}"), "{screen}");
    assert!(screen.contains("\\u{1b}"), "{screen}");
    assert!(
        screen.contains("\\u{202e}") && !screen.contains('\u{202e}'),
        "{screen}"
    );
    assert!(
        screen
            .lines()
            .any(|line| line.contains('\u{6f22}') && line.ends_with("..")),
        "{screen}"
    );
    std::fs::write(dir.join("go"), "").expect("written");
    drop(terminal.done());
}

#[test]
fn what_tasks_print_stands_above_the_bar() {
    let job =
        "[tasks.t]\nforeach = { range = '0..6' }\nshell = 'echo out{item}; echo err{item} >&2; sleep 0.3'";
    let script = "exec pexec run job.toml -j2 --output line";
    let shown = shell_on(Test::new().file("job.toml", job), script, 40, 100).done();
    let lines: Vec<&str> = shown.screen.lines().collect();
    assert_eq!(lines.len(), 13, "{}", shown.screen);
    for n in 0..6 {
        for what in ["out", "err"] {
            let line = format!("t({n}): {what}{n}");
            assert_eq!(
                lines.iter().filter(|l| **l == line).count(),
                1,
                "{line} in\n{}",
                shown.screen
            );
        }
    }
}

#[test]
fn thousands_of_tasks_cost_a_bounded_number_of_redraws() {
    let job = "[tasks.t]\nforeach = { range = '0..3000' }\ncommand = ['true']";
    let terminal = stderr_on(Test::job(job).args(["-j4"]), 24, 80);
    let shown = terminal.done();
    let took: f64 = {
        let text = shown.raw.rsplit(" in ").next().unwrap_or_default();
        let (number, unit) = text.split_at(text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(0));
        let number: f64 = number.parse().expect("a time");
        if unit.starts_with('m') {
            (number + 1.0) * 60.0
        } else {
            number
        }
    };
    let redraws = shown.raw.matches("\x1b[?2026h").count();
    assert!(redraws as f64 <= took * 10.0 + 1.0, "{redraws} in {took} s");
    drop(shown.done.code(0));
}

#[test]
fn enter_lists_what_runs_and_the_bar_goes_on_under_it() {
    let job = "[tasks.t]\nforeach = { values = ['a', 'b'] }\n\
        shell = 'echo busy with {item}; until [ -e go ]; do sleep 0.02; done'";
    let test = Test::new().file("job.toml", job);
    let dir = test.path().to_owned();
    let mut terminal = shell_on(test, "exec pexec run job.toml -j2", 40, 100);
    let bar = |screen: &str| screen.matches("0/2 done").count() == 1;
    terminal.wait("a bar", bar);
    // What was written just now is not seen at once.
    for _ in 0..100 {
        terminal.types("\n");
        std::thread::sleep(std::time::Duration::from_millis(200));
        if terminal.screen().contains("]  busy with b") {
            break;
        }
    }
    let screen = terminal.wait("a list above a bar", |screen| {
        let list = screen.rfind("pexec: 0 of 2 done, 2 running");
        list.zip(screen.find("0/2 done"))
            .is_some_and(|(list, bar)| list < bar)
    });
    assert!(bar(&screen), "{screen}");
    let bars = screen.lines().filter(|line| line.starts_with('[')).count();
    assert_eq!(bars, 1, "{screen}");
    assert!(
        screen.lines().any(|line| line.ends_with("]  busy with b")),
        "{screen}"
    );
    std::fs::write(dir.join("go"), "").expect("written");
    let shown = terminal.done();
    assert!(
        shown.screen.contains("2 of 2 succeeded") && !shown.screen.contains("/2 done"),
        "{}",
        shown.screen
    );
}
