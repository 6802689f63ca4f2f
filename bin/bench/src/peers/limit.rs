//! The bound without a pool speaks in words: "submit-each w=2 spin=2000: 7.64 M/s", "rtt spin=2000 p50 220ns p99 320ns".

use std::path::Path;
use std::process::{Command, Stdio};

use crate::record::Record;

const PEER: &str = "peers/limit (no pool)";

/// Runs it for a test that it knows.
pub(super) fn run(program: &Path, test: &str, into: &mut Vec<Record>) -> Result<(), String> {
    let words: &[&str] = match test {
        "noop" => &["2", "1000000", "2000", "tp"],
        "rtt" => &["1", "200000", "2000", "rtt"],
        _ => return Ok(()),
    };
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let output = output.map_err(|error| format!("{PEER}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let records = parse(&text);
    if records.is_empty() {
        return Err(format!("{PEER}: {} ({text:?})", output.status));
    }
    into.extend(records);
    Ok(())
}

fn parse(text: &str) -> Vec<Record> {
    let words: Vec<&str> = text.split_whitespace().collect();
    // The number before the unit, which may stand apart.
    let after = |key: &str| {
        let at = words.iter().position(|word| *word == key)?;
        words.get(at + 1)?.trim_end_matches("ns").parse::<f64>().ok()
    };
    let rate = words
        .iter()
        .position(|word| *word == "M/s")
        .and_then(|at| words.get(at.checked_sub(1)?)?.parse::<f64>().ok());
    let figures = [
        ("noop", "tasks_per_s", rate.map(|millions| millions * 1e6)),
        ("rtt", "p50_us", after("p50").map(|ns| ns / 1e3)),
        ("rtt", "p99_us", after("p99").map(|ns| ns / 1e3)),
    ];
    let some = figures
        .into_iter()
        .filter_map(|(test, metric, value)| Some(Record::new(test, PEER, metric, value?)));
    some.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(text: &str) -> Vec<(String, f64)> {
        let records = parse(text);
        records
            .into_iter()
            .map(|record| (record.metric, record.value))
            .collect()
    }

    #[test]
    fn both_kinds_of_line_are_understood() {
        assert_eq!(
            figures("submit-each w=2 spin=2000: 7.5 M/s\n"),
            [("tasks_per_s".to_owned(), 7.5e6)]
        );
        assert_eq!(
            figures("rtt spin=2000 p50 250ns p99 500ns\n"),
            [("p50_us".to_owned(), 0.25), ("p99_us".to_owned(), 0.5)]
        );
        assert_eq!(figures("thread panicked"), []);
    }
}
