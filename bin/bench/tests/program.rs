//! The program's forms: records of a test, plots of records, and refusals. Nothing about how fast anything is.

use std::process::{Command, Output};

fn bench(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pexec-bench"))
        .args(words)
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a named test prints, each line understood.
fn records(words: &[&str]) -> Vec<serde_json::Value> {
    let output = bench(words);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a record a line"))
        .collect()
}

#[test]
fn a_named_test_prints_nothing_but_records_with_the_five_fields() {
    let records = records(&["noop", "--quick"]);
    let peers: Vec<&str> = records
        .iter()
        .filter_map(|record| record["peer"].as_str())
        .collect();
    assert_eq!(peers, ["pexec submit", "pexec map", "pexec map_unordered"]);
    for record in &records {
        assert_eq!(record["group"], "rs");
        assert_eq!(record["test"], "noop");
        assert_eq!(record["metric"], "tasks_per_s");
        assert!(record["value"].as_f64().is_some_and(|value| value > 0.0));
    }
}

#[test]
fn several_tests_print_their_records_one_after_the_other() {
    let records = records(&["startup", "upfront", "--quick", "--tasks", "5000"]);
    let mut tests: Vec<&str> = records
        .iter()
        .filter_map(|record| record["test"].as_str())
        .collect();
    tests.dedup();
    assert_eq!(tests, ["startup", "upfront"]);
    let more = records
        .iter()
        .find(|record| record["metric"] == "descriptors_more")
        .expect("the record");
    assert_eq!(more["value"], 0.0, "queued tasks hold no descriptors");
}

#[test]
fn records_of_sweep_and_scale_become_four_pictures() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("records.jsonl");
    let output = bench(&["sweep", "scale", "--quick"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    std::fs::write(&file, &output.stdout).expect("a file");
    let out = folder.path().join("plots");
    let words = [
        "plot",
        file.to_str().expect("a name in UTF-8"),
        "--out",
        out.to_str().expect("a name in UTF-8"),
    ];
    let output = bench(&words);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for name in [
        "payload-throughput.svg",
        "payload-latency.svg",
        "cost-tasks.svg",
        "cost-workers.svg",
    ] {
        let svg = std::fs::read_to_string(out.join(name)).expect("a picture");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{name}");
        assert!(svg.contains("<polyline"), "{name}");
    }
}

#[test]
fn what_cannot_be_done_is_refused_with_a_reason() {
    for (words, reason) in [
        (&["bogus"][..], "bogus"),
        (
            &["plot", "/nonexistent/file", "--out", "/nonexistent/out"],
            "cannot be read",
        ),
        (&["plot", "/dev/null", "--out", "/tmp"], "no plot can be made"),
        (&["--rounds", "0"], "--rounds"),
    ] {
        let output = bench(words);
        assert!(!output.status.success(), "{words:?}");
        assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
    }
}
