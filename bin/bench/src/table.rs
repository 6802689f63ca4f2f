//! Everything in one run, ours and the peers' in turns: as one table with the goals behind it, or as records.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::child;
use crate::goals;
use crate::load::Load;
use crate::peers::Peers;
use crate::record::{Record, median};
use crate::size::Size;
use crate::suite;

/// All rounds of one figure.
pub(crate) struct Row {
    pub(crate) test: String,
    pub(crate) peer: String,
    pub(crate) metric: String,
    pub(crate) values: Vec<f64>,
}

/// Runs the table's tests, or only some of them; prints the table, or the records as they come.
///
/// # Errors
///
/// Says which of our own tests did not get to their end, after printing what there is.
pub(crate) fn run(
    only: &[String],
    size: Size,
    rounds: u32,
    peers: Option<PathBuf>,
    json: bool,
) -> Result<(), String> {
    let mut peers = if size.is_quick() {
        Peers::none("all peers: figures of a quick run mean nothing")
    } else {
        Peers::find(peers)
    };
    let load = Load::now();
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    let chosen = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
    for test in suite::ALL
        .iter()
        .filter(|test| test.in_table && chosen(test.name))
    {
        for round in 1..=rounds {
            eprintln!("pexec-bench: {}, round {round} of {rounds} ..", test.name);
            let before = all.len();
            peers.run(test.name, &mut all);
            let ours = child::own(test.name, size);
            all.extend(ours.records);
            if let Err(why) = ours.complete {
                failed.push(format!("{}, round {round}: {why}", test.name));
            }
            if json {
                all[before..].iter().for_each(|record| println!("{record}"));
            }
        }
    }
    if !json {
        print!("{}", report(all));
        peers
            .skipped()
            .iter()
            .for_each(|why| println!("\nskipped: {why}"));
        if let Some(cpus) = load.of_others() {
            println!("\nOthers kept {cpus:.2} CPUs busy meanwhile: the less, the more the figures say.");
        }
        println!(
            "\nA peer's payloads begin with warm memory as ours do, but the later sizes of a peer find it colder."
        );
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("not measured to the end: {}", failed.join("; ")))
    }
}

/// The table of all records, and the goals.
pub(crate) fn report(all: Vec<Record>) -> String {
    let rows = rows(all);
    format!("{}{}", table(&rows), goals::report(&rows))
}

/// Gathers the records of the same figure, in the order of their first.
pub(crate) fn rows(all: Vec<Record>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for record in all {
        let known = rows
            .iter_mut()
            .find(|row| (&row.test, &row.peer, &row.metric) == (&record.test, &record.peer, &record.metric));
        match known {
            Some(row) => row.values.push(record.value),
            None => rows.push(Row {
                test: record.test,
                peer: record.peer,
                metric: record.metric,
                values: vec![record.value],
            }),
        }
    }
    rows
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("| test | peer | metric | median (least .. most) |\n|---|---|---|---:|\n");
    for row in rows {
        let most = row.values.iter().copied().fold(f64::MIN, f64::max);
        let least = row.values.iter().copied().fold(f64::MAX, f64::min);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} ({} .. {}) |",
            row.test,
            row.peer,
            row.metric,
            readable(median(&row.values)),
            readable(least),
            readable(most)
        );
    }
    text
}

/// Three significant digits, thousands with separators.
pub(crate) fn readable(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 {
        let digits = format!("{size:.0}");
        let mut text = String::from(if value < 0.0 { "-" } else { "" });
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i) % 3 == 0 {
                text.push(',');
            }
            text.push(digit);
        }
        return text;
    }
    let decimals = match size {
        0.0 => 0,
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// A whole number with its thousands set apart.
pub(crate) fn readable_count(count: f64) -> String {
    if count >= 1000.0 {
        readable(count)
    } else {
        format!("{count:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_a_figure_become_one_row_with_its_median_and_bounds() {
        let record = |peer, value| Record::new("noop", peer, "tasks_per_s", value);
        let rows = rows(vec![
            record("a", 3.0),
            record("b", 1.0),
            record("a", 1234.0),
            record("a", 2.0),
        ]);
        assert_eq!(rows.len(), 2);
        assert!(table(&rows).contains("| noop | a | tasks_per_s | 3.00 (2.00 .. 1,234) |"));
    }

    #[test]
    fn numbers_keep_three_digits_and_thousands_are_set_apart() {
        for (value, text) in [
            (0.0, "0"),
            (0.1234, "0.123"),
            (1.2345, "1.23"),
            (12.345, "12.3"),
            (123.45, "123"),
            (1_234_567.8, "1,234,568"),
            (-123_456.0, "-123,456"),
        ] {
            assert_eq!(readable(value), text);
        }
    }
}
