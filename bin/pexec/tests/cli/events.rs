//! `--events FILE`: what the run's record will hold, line by line.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Done, Test};

#[track_caller]
fn events(done: &Done, name: &str) -> Vec<Value> {
    done.read(name)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

#[test]
fn every_step_of_a_run_is_a_line_in_order() {
    let done = Test::job(
        "name = 'steps'\n[tasks.a]\nretries = 1\nforeach = { values = ['x', 'y'] }\nshell = 'test {item} = x'\n\
         [tasks.b]\nneeds = ['a']\ncommand = ['true']",
    )
    .args(["--events", "events.ndjson", "-j1"])
    .run()
    .code(1);
    let events = events(&done, "events.ndjson");
    for (seq, event) in events.iter().enumerate() {
        assert_eq!(event["v"], 1);
        assert_eq!(event["seq"], seq);
        assert_eq!(event["crc"].as_str().map(str::len), Some(8), "{event}");
    }
    let types: Vec<&str> = events.iter().filter_map(|e| e["type"].as_str()).collect();
    assert_eq!(
        (types[0], *types.last().expect("some")),
        ("run_started", "run_finished"),
        "{done}"
    );
    let mut counted = BTreeMap::new();
    for name in types {
        *counted.entry(name).or_insert(0) += 1;
    }
    let expected = [
        ("blocked", 1),
        ("finished", 3),
        ("planned", 2),
        ("retried", 1),
        ("run_finished", 1),
        ("run_started", 1),
        ("started", 3),
    ];
    assert_eq!(counted, BTreeMap::from(expected), "{done}");
    let last = events.last().expect("some");
    for (key, n) in [
        ("planned", 3),
        ("succeeded", 1),
        ("failed", 1),
        ("blocked", 1),
        ("not_run", 0),
        ("retried", 1),
    ] {
        assert_eq!(last[key], n, "{key} in {last}");
    }
}

#[test]
fn an_item_that_is_no_text_is_base64() {
    let done = Test::new()
        .args(["each", "-0", "--events", "events", "--", "true", "{}"])
        .stdin(b"\xff\0")
        .run()
        .code(0);
    let events = events(&done, "events");
    let started = events
        .iter()
        .find(|e| e["type"] == "started")
        .expect("one started");
    assert_eq!(started["item"]["base64"], "/w==");
}

#[test]
fn a_file_that_cannot_be_opened_starts_nothing() {
    let done = Test::job("[tasks.a]\ncommand = ['touch', 'ran']")
        .args(["--events", "no/such/dir/events"])
        .run()
        .code(5);
    assert!(!done.path("ran").exists(), "{done}");
    done.says(["no/such/dir/events", "nothing was started"]);
}

#[test]
fn a_file_that_cannot_be_written_ends_the_run() {
    Test::job("[tasks.a]\ncommand = ['touch', 'ran']")
        .args(["--events", "/dev/full"])
        .run()
        .code(5)
        .says(["events", "space"]);
}

#[test]
fn a_named_pipe_can_be_followed() {
    Test::new()
        .file("job.toml", "[tasks.a]\ncommand = ['true']")
        .shell("mkfifo pipe; pexec run job.toml --events pipe & cat pipe | grep -c '\"v\":1'; wait $!")
        .code(0)
        .stdout("5\n");
}
