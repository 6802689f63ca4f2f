//! What is aimed at, as figures and ratios within one run, and how far it is met.

use std::fmt::Write as _;

use crate::record::median;
use crate::table::{Row, readable};

const POOL: &str = "multiprocessing.Pool";

/// Which side of the aim is the good one.
#[derive(Clone, Copy)]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

/// One line of the report.
struct Goal {
    what: String,
    ours: Option<f64>,
    /// What ours is compared with, where the aim is a ratio.
    other: Option<Option<f64>>,
    aim: Aim,
    /// Less is better, so that the ratio is the other's over ours.
    inverse: bool,
}

impl Goal {
    /// A figure of our own.
    fn plain(what: &str, ours: Option<f64>, aim: Aim) -> Goal {
        Goal {
            what: what.to_owned(),
            ours,
            other: None,
            aim,
            inverse: false,
        }
    }

    /// Ours over another's.
    fn ratio(what: &str, ours: Option<f64>, other: Option<f64>, aim: Aim) -> Goal {
        Goal {
            other: Some(other),
            ..Goal::plain(what, ours, aim)
        }
    }

    /// Another's over ours.
    fn inverse(what: &str, ours: Option<f64>, other: Option<f64>, aim: Aim) -> Goal {
        Goal {
            inverse: true,
            ..Goal::ratio(what, ours, other, aim)
        }
    }

    fn value(&self) -> Option<f64> {
        match self.other {
            None => self.ours,
            Some(other) if self.inverse => Some(other? / self.ours?),
            Some(other) => Some(self.ours? / other?),
        }
    }

    fn line(&self) -> String {
        let show = |value: Option<f64>| value.map_or("-".to_owned(), readable);
        let aim = match self.aim {
            Aim::AtLeast(aim) => format!("at least {}", readable(aim)),
            Aim::AtMost(aim) => format!("at most {}", readable(aim)),
        };
        let verdict = match (self.value(), self.aim) {
            (None, _) => "not measured",
            (Some(value), Aim::AtLeast(aim)) if value >= aim => "met",
            (Some(value), Aim::AtMost(aim)) if value <= aim => "met",
            _ => "not met",
        };
        format!(
            "| {} | {} | {} | {} | {aim} | {verdict} |",
            self.what,
            show(self.ours),
            self.other.map_or(String::new(), show),
            show(self.value()),
        )
    }
}

/// The medians of a run.
struct Medians<'a>(&'a [Row]);

impl Medians<'_> {
    fn of(&self, test: &str, peer: &str, metric: &str) -> Option<f64> {
        self.all(test, metric, |p| p == peer).next()
    }

    fn all(&self, test: &str, metric: &str, peer: impl Fn(&str) -> bool) -> impl Iterator<Item = f64> {
        self.0
            .iter()
            .filter(move |row| row.test == test && row.metric == metric && peer(&row.peer))
            .map(|row| median(&row.values))
    }
}

fn best(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    values.into_iter().flatten().reduce(f64::max)
}

fn least(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    values.into_iter().reduce(f64::min)
}

/// The goals as a table.
pub(crate) fn report(rows: &[Row]) -> String {
    let m = Medians(rows);
    let mut goals = Vec::new();
    dispatch(&m, &mut goals);
    round_trip(&m, &mut goals);
    payload(&m, &mut goals);
    start_and_memory(&m, &mut goals);
    scaling(&m, &mut goals);
    let mut text =
        String::from("\n| goal | pexec | other | ratio or figure | aim | |\n|---|---:|---:|---:|---:|---|\n");
    for goal in goals {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", goal.line());
    }
    text
}

fn dispatch(m: &Medians<'_>, goals: &mut Vec<Goal>) {
    let submit = m.of("noop", "pexec submit", "tasks_per_s");
    let modes = ["submit_each_per_s", "map_chunk1_per_s", "imap_unordered_per_s"];
    let procspawn = m
        .all("noop", "tasks_per_s", |p| p.starts_with("procspawn"))
        .map(Some);
    let peer = best(
        modes
            .map(|mode| m.of("noop", POOL, mode))
            .into_iter()
            .chain(procspawn),
    );
    let rayon = m.of("noop", "rayon spawn each + mpsc (threads)", "tasks_per_s");
    let limit = m.of("noop", "peers/limit (no pool)", "tasks_per_s");
    let map = m.of("noop", "pexec map", "tasks_per_s");
    let chunks = ["map_best_chunk_per_s", "map_default_chunk_per_s"];
    let by_hand = best(chunks.map(|mode| m.of("noop", POOL, mode)));
    goals.extend([
        Goal::plain("no-op submit, tasks/s", submit, Aim::AtLeast(4e6)),
        Goal::ratio(
            "no-op submit / best process pool",
            submit,
            peer,
            Aim::AtLeast(50.0),
        ),
        Goal::ratio(
            "no-op submit / rayon spawn + channel",
            submit,
            rayon,
            Aim::AtLeast(0.9),
        ),
        Goal::ratio(
            "no-op submit / bound without a pool",
            submit,
            limit,
            Aim::AtLeast(0.5),
        ),
        Goal::ratio("no-op map / Pool's best chunk", map, by_hand, Aim::AtLeast(2.0)),
    ]);
}

fn round_trip(m: &Medians<'_>, goals: &mut Vec<Goal>) {
    let ours = m.of("rtt", "pexec [free]", "p50_us");
    let peer = least(m.all("rtt", "p50_us", |p| p == POOL || p == "procspawn Pool"));
    goals.push(Goal::inverse(
        "best peer's round trip / ours",
        ours,
        peer,
        Aim::AtLeast(50.0),
    ));
    for place in ["same", "split", "free"] {
        goals.push(Goal::ratio(
            &format!("round trip / raw socket [{place}]"),
            m.of("rtt", &format!("pexec [{place}]"), "p50_us"),
            m.of(
                "rtt",
                &format!("unix stream socket, 64 bytes [{place}]"),
                "p50_us",
            ),
            Aim::AtMost(1.3),
        ));
    }
    let p99 = m.of("rtt", "pexec [free]", "p99_us");
    goals.push(Goal::ratio("round trip, p99 / p50", p99, ours, Aim::AtMost(5.0)));
    let idle = m.of("scale", "pexec 2 workers", "idle_pool_cpu_us");
    goals.push(Goal::plain(
        "CPU of an idle pool, us in a second",
        idle,
        Aim::AtMost(0.0),
    ));
}

fn payload(m: &Medians<'_>, goals: &mut Vec<Goal>) {
    for (size, words, factor) in [
        ("1KiB", "1 KiB", 5.0),
        ("1MiB", "1 MiB", 3.0),
        ("64MiB", "64 MiB", 3.0),
    ] {
        for (way, metric) in [("to", "to_worker_GBps"), ("from", "from_worker_GBps")] {
            // Both ordinary types are to be fast.
            let ours = least(m.all("payload", metric, |p| {
                [format!("pexec Vec<u8> {size}"), format!("pexec ByteBuf {size}")].contains(&p.to_owned())
            }));
            let theirs = |p: &str| !p.starts_with("pexec") && p.ends_with(&format!(" {size}"));
            let peer = best(m.all("payload", metric, theirs).map(Some));
            let what = format!("{words} {way} a worker / best peer, GB/s");
            goals.push(Goal::ratio(&what, ours, peer, Aim::AtLeast(factor)));
            if size != "1KiB" {
                let ours = m.of("payload", &format!("pexec SharedBytes {size}"), metric);
                let copy = m.of("payload", &format!("memcpy {size}"), "GBps");
                let what = format!("{words} {way} a worker as SharedBytes / memcpy, GB/s");
                goals.push(Goal::ratio(&what, ours, copy, Aim::AtLeast(0.6)));
            }
        }
    }
}

fn start_and_memory(m: &Medians<'_>, goals: &mut Vec<Goal>) {
    for (what, metric) in [
        ("start to first result", "first_result_ms"),
        ("both workers up", "both_workers_ms"),
    ] {
        let peer = least(m.all("startup", metric, |p| p == "procspawn" || p == POOL));
        let what = format!("best peer's {what} / ours, ms");
        goals.push(Goal::inverse(
            &what,
            m.of("startup", "pexec", metric),
            peer,
            Aim::AtLeast(2.0),
        ));
    }
    let up_front = |metric| m.all("upfront", metric, |p| p.starts_with("pexec")).next();
    goals.extend([
        Goal::plain(
            "bytes a task, up front",
            up_front("bytes_per_task"),
            Aim::AtMost(200.0),
        ),
        Goal::plain(
            "descriptors more, up front",
            up_front("descriptors_more"),
            Aim::AtMost(0.0),
        ),
        Goal::plain(
            "worker memory, MiB (PSS)",
            m.of("startup", "pexec", "worker_pss_mib"),
            Aim::AtMost(1.0),
        ),
        Goal::plain(
            "one more worker, forked, ms",
            m.of("startup", "pexec zygote", "one_more_worker_ms"),
            Aim::AtMost(1.0),
        ),
        Goal::plain(
            "one more worker that has 1 GiB, ms",
            m.of("startup", "pexec zygote 1GiB", "one_more_worker_ms"),
            Aim::AtMost(1.0),
        ),
    ]);
}

fn scaling(m: &Medians<'_>, goals: &mut Vec<Goal>) {
    let mixed = m.of("mixed", "pexec submit", "over_ideal");
    goals.push(Goal::plain(
        "mixed tasks, makespan / ideal",
        mixed,
        Aim::AtMost(1.05),
    ));
    let wall = |workers| m.of("scale", &format!("pexec {workers} workers"), "wall_s");
    goals.push(Goal::inverse(
        "CPU-bound work, one worker's time / two's",
        wall(2),
        wall(1),
        Aim::AtLeast(1.95),
    ));
    // "Flat": within a half of the least.
    for (what, unit) in [("10^3 to 10^7 tasks", " tasks"), ("1 to 64 workers", " workers")] {
        let costs = || {
            m.all("scale", "us_per_task", |p| {
                p.starts_with("pexec") && p.ends_with(unit)
            })
        };
        goals.push(Goal::ratio(
            &format!("cost a task, {what}, most / least, us"),
            best(costs().map(Some)),
            least(costs()),
            Aim::AtMost(1.5),
        ));
    }
    let idle = m.of("scale", "pexec 64 workers", "idle_workers_cpu_us");
    goals.push(Goal::plain(
        "CPU of 62 idle workers beside two busy ones, us in a second",
        idle,
        Aim::AtMost(0.0),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::table::rows;

    fn line(report: &str, start: &str) -> String {
        let lines = report.lines();
        let found: Vec<&str> = lines.filter(|line| line.starts_with(start)).collect();
        assert_eq!(found.len(), 1, "{start}: {report}");
        found[0].to_owned()
    }

    #[test]
    fn a_goal_is_met_on_the_right_side_of_its_aim_only() {
        let report = report(&rows(vec![
            Record::new("noop", "pexec submit", "tasks_per_s", 5e6),
            Record::new("noop", POOL, "imap_unordered_per_s", 80_000.0),
            Record::new("noop", POOL, "submit_each_per_s", 40_000.0),
            Record::new("noop", "peers/limit (no pool)", "tasks_per_s", 12e6),
            Record::new("rtt", "pexec [free]", "p50_us", 1.0),
            Record::new("rtt", "procspawn Pool", "p50_us", 49.0),
            Record::new("startup", "pexec", "worker_pss_mib", 0.9),
        ]));
        let ends = |start: &str, end: &str| {
            let line = line(&report, start);
            assert!(line.ends_with(end), "{line}");
        };
        ends("| no-op submit, tasks/s", "| met |");
        ends("| no-op submit / best", "| 62.5 | at least 50.0 | met |");
        ends("| no-op submit / bound", "| not met |");
        ends("| no-op submit / rayon", "| not measured |");
        ends("| best peer's round trip", "| 49.0 | at least 50.0 | not met |");
        ends("| worker memory", "| 0.900 | at most 1.00 | met |");
    }

    #[test]
    fn the_slower_of_the_ordinary_types_counts_against_the_fastest_peer_of_that_size() {
        let report = report(&rows(vec![
            Record::new("payload", "pexec Vec<u8> 1MiB", "to_worker_GBps", 6.0),
            Record::new("payload", "pexec ByteBuf 1MiB", "to_worker_GBps", 9.0),
            Record::new("payload", "procspawn ByteBuf 1MiB", "to_worker_GBps", 1.0),
            Record::new("payload", "multiprocessing.Pool 1MiB", "to_worker_GBps", 1.5),
            Record::new("payload", "multiprocessing.Pool 1KiB", "to_worker_GBps", 7.0),
        ]));
        let line = line(&report, "| 1 MiB to a worker / best peer");
        assert!(
            line.contains("| 6.00 | 1.50 | 4.00 | at least 3.00 | met |"),
            "{line}"
        );
    }
}
