//! The summary of runs that are told as events.

use std::time::Duration;

use pexec_job::event::{Ended, Event, Kind, Outcome, Who};
use pexec_job::state::RunState;

use super::render;

fn who(index: u64) -> Who {
    Who {
        id: format!("t/{index}"),
        task: "t".into(),
        index,
        label: format!("t({index})").into(),
        item: None,
        key: None,
    }
}

fn ended(outcome: Outcome, why: &str, tail: &str) -> Box<Ended> {
    Box::new(Ended {
        why: Some(why.to_owned()),
        wall: Duration::from_millis(10),
        user: Duration::from_millis(1500),
        tail: tail.into(),
        ..Ended::new(outcome)
    })
}

/// The fold of these, one a second.
fn fold(kinds: Vec<Kind>) -> RunState {
    let mut state = RunState::new();
    for (seq, kind) in (0u64..).zip(kinds) {
        let at = jiff::Timestamp::from_second(1_000_000 + seq as i64).expect("in range");
        state.apply(&Event::new(seq, at, kind));
    }
    state
}

fn run(total: u64, ends: impl IntoIterator<Item = (u64, Box<Ended>)>) -> Vec<Kind> {
    let mut kinds = vec![
        Kind::RunStarted {
            run: "r".into(),
            job: "j".into(),
            dir: "/".into(),
            jobs: 1,
            pid: 1,
            version: "1".into(),
            resumed: false,
        },
        Kind::Planned {
            task: "t".into(),
            total: Some(total),
        },
    ];
    for (index, end) in ends {
        kinds.push(Kind::Started {
            who: who(index),
            attempt: 1,
            pid: None,
            worker: None,
        });
        kinds.push(Kind::Finished {
            who: who(index),
            attempt: 1,
            end,
        });
    }
    kinds
}

#[test]
fn a_good_run_is_one_line() {
    let state = fold(run(2, (0..2).map(|i| (i, ended(Outcome::Success, "", "")))));
    assert_eq!(
        render(&state, true, false, false),
        "pexec: 2 of 2 succeeded in 5.00s (commands used 3.00s of CPU)\n"
    );
}

#[test]
fn the_slowest_are_named_where_somebody_waited_for_them() {
    let took = |seconds: &[u64]| {
        let ends = seconds.iter().zip(0..).map(|(&seconds, index)| {
            let wall = Duration::from_secs(seconds);
            let end = Ended {
                wall,
                ..*ended(Outcome::Success, "", "")
            };
            (index, Box::new(end))
        });
        super::slowest(&fold(run(seconds.len() as u64, ends)))
    };
    assert_eq!(
        took(&[1, 7, 2, 65, 7, 3]).as_deref(),
        Some("slowest: t(3) 1m 05s, t(1) 7.00s, t(4) 7.00s")
    );
    assert_eq!(took(&[1, 4, 2, 3, 1, 1]), None, "nobody waited for long");
    assert_eq!(took(&[60, 60]), None, "that would be all of them");
}

#[test]
fn failures_are_named_explained_and_quoted_and_the_counts_add_up() {
    let mut kinds = run(
        7,
        [
            (0, ended(Outcome::Success, "", "")),
            (
                1,
                ended(Outcome::Failed, "exit 3", "one\n\ntwo\nthree\n\x1b[2Jfour\n"),
            ),
            (2, ended(Outcome::Timeout, "timed out after 30s", "")),
            (3, ended(Outcome::Killed, "interrupted", "")),
        ],
    );
    kinds.push(Kind::Blocked {
        who: who(4),
        by: "t(1)".into(),
    });
    kinds.push(Kind::Signal {
        signal: 2,
        again: false,
    });
    assert_eq!(
        render(&fold(kinds), true, false, false),
        "pexec: failed t(1): exit 3\n    two\n    three\n    \\u{1b}[2Jfour\n\
         pexec: failed t(2): timed out after 30s\n\
         pexec: 1 was blocked by t(1)\n\
         pexec: interrupted by SIGINT\n\
         pexec: 1 of 7 succeeded, 2 failed, 1 stopped, 1 blocked, 2 not run in 11.0s (commands used 6.00s of CPU)\n"
    );
}

#[test]
fn more_failures_than_anybody_reads_are_counted() {
    let state = fold(run(
        100,
        (0..100).map(|i| (i, ended(Outcome::Failed, "exit 1", ""))),
    ));
    let text = render(&state, true, false, false);
    assert_eq!(text.lines().count(), 23, "{text}");
    assert!(
        text.contains("pexec: and 80 more failures\npexec: why: exit 1 (100)\n"),
        "{text}"
    );
}

#[test]
fn the_one_failure_that_is_different_is_not_hidden_by_a_thousand_alike() {
    let end = |i| match i {
        50 => ended(Outcome::Failed, "signal 11 (SEGV)", "deep down"),
        60..70 => ended(Outcome::Memory, &format!("held {i} MiB of memory"), ""),
        _ => ended(Outcome::Failed, "exit 1", ""),
    };
    let text = render(&fold(run(100, (0..100).map(|i| (i, end(i))))), true, false, false);
    assert!(
        text.contains("pexec: failed t(50): signal 11 (SEGV)\n    deep down\n"),
        "{text}"
    );
    assert!(
        text.contains("pexec: why: exit 1 (89), too much memory (10), signal 11 (SEGV) (1)\n"),
        "{text}"
    );
}

#[test]
fn causes_beyond_those_told_are_counted_and_a_long_one_is_cut() {
    let why = |i| match i {
        0 => "x".repeat(10_000),
        _ => format!("exit {}", i % 10),
    };
    let ends = (0..51).map(|i| (i, ended(Outcome::Failed, &why(i), "")));
    let state = fold(run(51, ends));
    let text = super::causes(&state);
    assert_eq!(
        text,
        "why: exit 1 (5), exit 2 (5), exit 3 (5), exit 4 (5), exit 5 (5), and 26 of other causes"
    );
    let long = fold(run(1, [(0, ended(Outcome::Failed, &why(0), ""))]));
    assert!(super::causes(&long).len() < 120);
}

#[test]
fn a_task_without_an_item_is_named() {
    let mut kinds = run(1, [(0, ended(Outcome::Success, "", ""))]);
    kinds.push(Kind::Planned {
        task: "typo".into(),
        total: Some(0),
    });
    let text = render(&fold(kinds), true, true, false);
    assert!(
        text.starts_with("pexec: no item for `typo`: nothing of it was run\npexec: 1 of 1 succeeded"),
        "{text}"
    );
}

#[test]
fn what_is_left_says_how_to_go_on() {
    let good = run(1, [(0, ended(Outcome::Success, "", ""))]);
    let bad = run(1, [(0, ended(Outcome::Failed, "exit 1", ""))]);
    let part = run(2, [(0, ended(Outcome::Failed, "exit 1", ""))]);
    let advice = |kinds| super::again(&fold(kinds));
    assert_eq!(advice(good), None);
    assert!(advice(bad).is_some_and(|how| how.contains("--rerun-failed")));
    assert!(advice(part).is_some_and(|how| how.contains("--resume")));
}

#[test]
fn an_empty_run_says_so() {
    assert_eq!(
        render(&fold(run(0, [])), true, false, false),
        "pexec: nothing to run: there is no item\n"
    );
}

#[test]
fn colours_change_nothing_but_colours() {
    let state = fold(run(2, [(0, ended(Outcome::Failed, "exit 1", ""))]));
    let (plain, coloured) = (
        render(&state, true, false, false),
        render(&state, true, false, true),
    );
    assert!(coloured.contains("\x1b[1;31mfailed\x1b[0m"), "{coloured:?}");
    let mut stripped = coloured;
    for code in ["\x1b[1;31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}
