//! Many commands and much output.

use crate::support::Test;

#[test]
fn ten_thousand_commands_all_run_and_are_counted() {
    let done = Test::job("[tasks.t]\nforeach = { range = '0..10000' }\ncommand = ['/bin/true']")
        .args(["-j2", "--events", "events"])
        .run()
        .code(0)
        .stdout("")
        .says(["10,000 of 10,000 succeeded"]);
    assert_eq!(
        done.read("events").matches("\"outcome\":\"success\"").count(),
        10_000
    );
}

#[test]
fn every_item_of_thousands_runs_exactly_once() {
    let items: String = (0..5000).map(|n| format!("{n}\n")).collect();
    for mode in ["grouped", "ordered", "line"] {
        let done = Test::new()
            .args(["each", "--output", mode, "--", "echo", "{}"])
            .stdin(&items)
            .run()
            .code(0);
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let mut seen: Vec<u32> = text
            .lines()
            .map(|line| {
                line.rsplit(' ')
                    .next()
                    .expect("a word")
                    .parse()
                    .expect("a number")
            })
            .collect();
        if mode != "ordered" {
            seen.sort_unstable();
        }
        assert!(seen.iter().copied().eq(0..5000), "{mode}");
    }
}

#[test]
fn ten_megabytes_on_both_streams_at_once_come_through() {
    let done = Test::job("[tasks.t]\nshell = \"head -c 10000000 /dev/zero | tr '\\\\0' o & head -c 10000000 /dev/zero | tr '\\\\0' e >&2; wait\"")
        .run()
        .code(0);
    assert_eq!(done.stdout.len(), 10_000_000);
    assert_eq!(done.stderr.matches('e').count() / 1_000_000, 10);
}
