//! Many commands and much output.

use crate::record;
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

#[test]
fn ten_times_the_instances_take_no_more_memory_and_ten_times_the_record() {
    let measure = |n: u64| {
        let job = format!(
            "[tasks.many]\nforeach = {{ range = '0..{n}' }}\ncommand = ['true']\n\
             [tasks.look]\nneeds = ['many']\nshell = 'grep VmHWM /proc/$(cat pid)/status > peak'\n"
        );
        let done = Test::new()
            .file("job.toml", job)
            .shell("echo $$ > pid; exec pexec run job.toml -j2")
            .code(0);
        let peak: u64 = done
            .read("peak")
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .expect("a number of KiB");
        let events = record::record(&done).join("events.ndjson");
        (
            peak,
            std::fs::metadata(events).expect("there").len() as f64 / n as f64,
        )
    };
    let (few, many) = (measure(300), measure(3000));
    assert!(many.0 < few.0 + 2048, "{} KiB, and {} KiB for 300", many.0, few.0);
    // Numbers get a digit longer, and what a run has once counts less.
    assert!(
        (0.8..1.1).contains(&(many.1 / few.1)),
        "{} bytes each, and {}",
        many.1,
        few.1
    );
}
