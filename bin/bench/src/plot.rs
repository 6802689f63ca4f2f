//! Plots of records: which figures make which picture.

mod chart;

use std::path::Path;

use chart::{Chart, Hue, Series};

use crate::record::{Record, median};
use crate::table::{Row, rows};

/// Draws what the records allow into a folder; says which pictures.
///
/// # Errors
///
/// Says which file cannot be written, or that the records are for no picture.
pub(crate) fn draw(records: Vec<Record>, out: &Path) -> Result<(), String> {
    let rows = rows(records);
    let charts = [
        ("payload-throughput.svg", throughput(&rows)),
        ("payload-latency.svg", latency(&rows)),
        ("cost-tasks.svg", tasks(&rows)),
        ("cost-workers.svg", workers(&rows)),
    ];
    std::fs::create_dir_all(out).map_err(|error| format!("{} cannot be made: {error}", out.display()))?;
    let mut drawn = 0;
    for (name, chart) in charts {
        let file = out.join(name);
        match chart.svg() {
            None => eprintln!("pexec-bench: no records for {name}"),
            Some(svg) => {
                std::fs::write(&file, svg)
                    .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
                println!("{}", file.display());
                drawn += 1;
            }
        }
    }
    if drawn == 0 {
        return Err("no plot can be made of these records: run `pexec-bench sweep scale`".to_owned());
    }
    Ok(())
}

fn throughput(rows: &[Row]) -> Chart {
    let ways = [
        ("to_worker_GBps", "to a worker", false),
        ("from_worker_GBps", "from a worker", true),
    ];
    let peers = [
        ("pexec", "sweep", "pexec Vec<u8> ", Hue::Ours),
        ("procspawn", "payload", "procspawn ByteBuf ", Hue::First),
        (
            "multiprocessing.Pool",
            "payload",
            "multiprocessing.Pool ",
            Hue::Second,
        ),
    ];
    let mut series = Vec::new();
    for (name, test, peer, hue) in peers {
        for (metric, way, dashed) in ways {
            series.push(Series {
                name: format!("{name}, {way}"),
                hue,
                dashed,
                points: points(rows, test, metric, |p| bytes(p.strip_prefix(peer)?)),
            });
        }
    }
    series.push(Series {
        name: "memcpy, one process".to_owned(),
        hue: Hue::Bound,
        dashed: false,
        points: points(rows, "sweep", "GBps", |p| bytes(p.strip_prefix("memcpy ")?)),
    });
    Chart {
        title: "Throughput against payload, 2 workers",
        x: "payload",
        y: "GB/s (more is better)",
        x_tick: size_tick,
        x_base: 16.0,
        series,
    }
}

fn latency(rows: &[Row]) -> Chart {
    let series = [
        ("p50_us", "pexec, median", false),
        ("p99_us", "pexec, 99th percentile", true),
    ];
    Chart {
        title: "One task at a time, submit to result, against payload",
        x: "payload",
        y: "µs (less is better)",
        x_tick: size_tick,
        x_base: 16.0,
        series: series
            .map(|(metric, name, dashed)| Series {
                name: name.to_owned(),
                hue: Hue::Ours,
                dashed,
                points: points(rows, "sweep", metric, |p| {
                    bytes(p.strip_prefix("pexec Vec<u8> ")?)
                }),
            })
            .into(),
    }
}

fn tasks(rows: &[Row]) -> Chart {
    cost(
        rows,
        "Cost of a no-op task against the number of tasks, 2 workers",
        "tasks",
        |p| {
            p.strip_prefix("pexec submit ")?
                .strip_suffix(" tasks")?
                .parse()
                .ok()
        },
    )
}

fn workers(rows: &[Row]) -> Chart {
    let mut chart = cost(
        rows,
        "Cost of a no-op task against the number of workers",
        "workers",
        |p| p.strip_prefix("pexec ")?.strip_suffix(" workers")?.parse().ok(),
    );
    chart.x_base = 2.0;
    chart
}

fn cost(rows: &[Row], title: &'static str, x: &'static str, at: impl Fn(&str) -> Option<f64>) -> Chart {
    Chart {
        title,
        x,
        y: "µs a task (less is better)",
        x_tick: crate::table::readable_count,
        x_base: 10.0,
        series: vec![Series {
            name: "pexec, one submit each".to_owned(),
            hue: Hue::Ours,
            dashed: false,
            points: points(rows, "scale", "us_per_task", at),
        }],
    }
}

/// The medians of a metric, by what `at` reads from the peer's name.
fn points(rows: &[Row], test: &str, metric: &str, at: impl Fn(&str) -> Option<f64>) -> Vec<(f64, f64)> {
    let of_metric = rows.iter().filter(|row| row.test == test && row.metric == metric);
    let mut points: Vec<(f64, f64)> = of_metric
        .filter_map(|row| Some((at(&row.peer)?, median(&row.values))))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// "4KiB" in bytes.
fn bytes(size: &str) -> Option<f64> {
    let (digits, unit) = size.split_at(size.find(|c: char| !c.is_ascii_digit())?);
    let unit = match unit {
        "B" => 1u64,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    Some((digits.parse::<u64>().ok()? * unit) as f64)
}

fn size_tick(bytes: f64) -> String {
    match bytes {
        b if b >= (1 << 20) as f64 => format!("{} MiB", b / (1 << 20) as f64),
        b if b >= 1024.0 => format!("{} KiB", b / 1024.0),
        b => format!("{b} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_back_and_other_names_are_not() {
        assert_eq!(bytes("64B"), Some(64.0));
        assert_eq!(bytes("4KiB"), Some(4096.0));
        assert_eq!(bytes("64MiB"), Some(67_108_864.0));
        for other in ["", "64", "KiB", "4GiB", "Vec<u8> 4KiB"] {
            assert_eq!(bytes(other), None, "{other}");
        }
    }

    #[test]
    fn points_are_medians_in_order_and_other_rows_stay_out() {
        let record = |peer: &str, value| Record::new("scale", peer, "us_per_task", value);
        let rows = rows(vec![
            record("pexec submit 10000 tasks", 3.0),
            record("pexec submit 1000 tasks", 1.0),
            record("pexec 4 workers", 9.0),
            record("pexec submit 1000 tasks", 2.0),
            record("pexec submit 1000 tasks", 5.0),
        ]);
        assert_eq!(tasks(&rows).series[0].points, [(1000.0, 2.0), (10_000.0, 3.0)]);
        assert_eq!(workers(&rows).series[0].points, [(4.0, 9.0)]);
    }
}
