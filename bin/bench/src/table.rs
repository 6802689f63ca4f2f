//! Everything in one run, ours and the peers' in turns, as one table; then the goals.

use std::path::PathBuf;

use crate::peers::Peers;
use crate::record::{Record, Records};
use crate::{Size, TESTS};

/// Median, least and most of what was measured of one thing.
struct Row {
    test: String,
    peer: String,
    metric: String,
    values: Vec<f64>,
}

impl Row {
    fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

pub(crate) fn print(size: Size, rounds: u32, peers: Option<PathBuf>) {
    let mut peers = if size.is_quick() {
        None
    } else {
        Some(Peers::find(peers))
    };
    let mut all = Vec::new();
    for (name, run) in TESTS {
        for round in 0..rounds {
            eprintln!("pexec-bench: {name}, round {} of {rounds} ..", round + 1);
            if let Some(peers) = &mut peers {
                peers.run(name, &mut all);
            }
            let mut records = Records::default();
            records.begin(name);
            run(&mut records, size);
            all.append(&mut records.all);
        }
    }
    let rows = rows(all);
    println!("| test | peer | metric | median (least .. most) |\n|---|---|---|---:|");
    for row in &rows {
        let most = row.values.iter().copied().fold(f64::MIN, f64::max);
        let least = row.values.iter().copied().fold(f64::MAX, f64::min);
        println!(
            "| {} | {} | {} | {} ({} .. {}) |",
            row.test,
            row.peer,
            row.metric,
            readable(row.median()),
            readable(least),
            readable(most)
        );
    }
    goals(&rows);
    for skipped in peers.iter().flat_map(|peers| &peers.skipped) {
        println!("\nskipped: {skipped}");
    }
}

fn rows(all: Vec<Record>) -> Vec<Row> {
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

/// What is aimed at, as ratios within this run.
fn goals(rows: &[Row]) {
    let find = |test: &str, peer: &str, metric: &str| {
        rows.iter()
            .find(|row| row.test == test && row.peer == peer && row.metric == metric)
            .map(Row::median)
    };
    let pool = "multiprocessing.Pool";
    let pool_best = ["submit_each_per_s", "imap_unordered_per_s"]
        .iter()
        .filter_map(|metric| find("noop", pool, metric))
        .reduce(f64::max);
    let submit = find("noop", "pexec submit", "tasks_per_s");
    let rtt = |place: &str| find("rtt", &format!("pexec [{place}]"), "p50_us");
    let best_rtt = [
        find("rtt", pool, "p50_us"),
        find("rtt", "procspawn Pool", "p50_us"),
    ]
    .into_iter()
    .flatten()
    .reduce(f64::min);
    let ratio = |ours: Option<f64>, theirs: Option<f64>| Some(ours? / theirs?);
    let payload = |size: &str, way: &str| find("payload", &format!("pexec Vec<u8> {size}"), way);
    let theirs = |size: &str, way: &str| {
        let rows = rows
            .iter()
            .filter(|row| row.test == "payload" && row.metric == way);
        rows.filter(|row| !row.peer.starts_with("pexec") && row.peer.contains(size))
            .map(Row::median)
            .reduce(f64::max)
    };
    let mut list = vec![
        (
            "no-op submit over the best process pool",
            ratio(submit, pool_best),
            50.0,
            true,
        ),
        (
            "no-op submit over rayon's spawn and channel",
            ratio(
                submit,
                find("noop", "rayon spawn each + mpsc (threads)", "tasks_per_s"),
            ),
            0.9,
            true,
        ),
        (
            "no-op submit over the bound without a pool",
            ratio(submit, find("noop", "peers/limit (no pool)", "tasks_per_s")),
            0.5,
            true,
        ),
        (
            "no-op map over the Pool's best chunk",
            ratio(
                find("noop", "pexec map", "tasks_per_s"),
                find("noop", pool, "map_best_chunk_per_s"),
            ),
            2.0,
            true,
        ),
        (
            "round trip of the best peer over ours",
            ratio(best_rtt, rtt("free")),
            50.0,
            true,
        ),
        (
            "round trip over a raw socket, split",
            find("rtt", "pexec over the socket [split]", "ratio_p50"),
            1.3,
            false,
        ),
        (
            "round trip over a raw socket, same CPU",
            find("rtt", "pexec over the socket [same]", "ratio_p50"),
            1.3,
            false,
        ),
        (
            "round trip p99 over p50",
            ratio(find("rtt", "pexec [free]", "p99_us"), rtt("free")),
            5.0,
            false,
        ),
        (
            "start to first result: procspawn over ours",
            ratio(
                find("startup", "procspawn", "first_result_ms"),
                find("startup", "pexec", "first_result_ms"),
            ),
            2.0,
            true,
        ),
        (
            "both workers up: procspawn over ours",
            ratio(
                find("startup", "procspawn", "both_workers_ms"),
                find("startup", "pexec", "both_workers_ms"),
            ),
            2.0,
            true,
        ),
        (
            "bytes a task, a million up front",
            find("upfront", "pexec submit 1000000 up front", "bytes_per_task"),
            200.0,
            false,
        ),
        (
            "worker memory, MiB (PSS)",
            find("startup", "pexec", "worker_pss_mib"),
            1.0,
            false,
        ),
        (
            "CPU-bound work, one worker over two",
            ratio(
                find("scale", "pexec 1 workers", "wall_s"),
                find("scale", "pexec 2 workers", "wall_s"),
            ),
            1.95,
            true,
        ),
        (
            "mixed tasks over the ideal",
            find("mixed", "pexec submit", "over_ideal"),
            1.05,
            false,
        ),
    ];
    for (size, factor) in [("1KiB", 5.0), ("1MiB", 3.0), ("64MiB", 3.0)] {
        for (name, way) in [
            ("to a worker", "to_worker_GBps"),
            ("from a worker", "from_worker_GBps"),
        ] {
            let label: &str = match (size, name) {
                ("1KiB", "to a worker") => "1 KiB to a worker over the best peer",
                ("1KiB", _) => "1 KiB from a worker over the best peer",
                ("1MiB", "to a worker") => "1 MiB to a worker over the best peer",
                ("1MiB", _) => "1 MiB from a worker over the best peer",
                (_, "to a worker") => "64 MiB to a worker over the best peer",
                _ => "64 MiB from a worker over the best peer",
            };
            list.push((label, ratio(payload(size, way), theirs(size, way)), factor, true));
        }
    }
    println!("\n| goal | here | aimed at | |\n|---|---:|---:|---|");
    for (name, here, goal, at_least) in list {
        let aim = format!(
            "{} {}",
            if at_least { "at least" } else { "at most" },
            readable(goal)
        );
        let (here, verdict) = match here {
            None => ("-".to_owned(), "not measured"),
            Some(x) if (x >= goal) == at_least || x == goal => (readable(x), "met"),
            Some(x) => (readable(x), "not met"),
        };
        println!("| {name} | {here} | {aim} | {verdict} |");
    }
}

/// Three significant digits, thousands with separators.
fn readable(value: f64) -> String {
    if value.abs() >= 1000.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (i, c) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i) % 3 == 0 {
                text.push(',');
            }
            text.push(c);
        }
        return text;
    }
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else if value.abs() >= 1.0 {
        2
    } else {
        3
    };
    format!("{value:.decimals$}")
}
