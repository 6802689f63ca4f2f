//! A trace in Chrome's format, which Perfetto and `chrome://tracing` open: a lane for each worker, a slice for each
//! attempt, and curves of how many ran and of what they used.
//!
//! Slices of a lane never overlap (the model sees to that): viewers would nest or drop them.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::model::{Attempt, Report, Verdict};

/// The process that all lanes belong to.
const PID: u32 = 1;

/// Writes the trace.
///
/// # Errors
///
/// What `out` says.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut events = Events { out, first: true };
    events
        .out
        .write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
    events.add(&meta(
        "process_name",
        0,
        json!({ "name": format!("pexec: {}", report.job) }),
    ))?;
    for lane in 0..report.lanes {
        events.add(&meta(
            "thread_name",
            lane + 1,
            json!({ "name": format!("worker {lane}") }),
        ))?;
        events.add(&meta(
            "thread_sort_index",
            lane + 1,
            json!({ "sort_index": lane }),
        ))?;
    }
    for (place, segment) in report.segments.iter().enumerate() {
        if place > 0 {
            events.add(&mark("resumed", segment.start))?;
        }
        for (at, signal) in &segment.signals {
            events.add(&mark(&format!("signal {signal}"), *at))?;
        }
    }
    for attempt in &report.attempts {
        if let Some(lane) = attempt.lane {
            events.add(&slice(report, attempt, lane))?;
        }
    }
    counters(report, &mut events)?;
    let about = json!({
        "run": report.run,
        "job": report.job,
        "version": report.version,
        "began": report.began().map(|t| t.to_string()),
        "ended": Verdict::of(report).text,
    });
    writeln!(events.out, "\n],\"otherData\":{about}}}")
}

struct Events<'a> {
    out: &'a mut dyn Write,
    first: bool,
}

impl Events<'_> {
    fn add(&mut self, event: &Value) -> io::Result<()> {
        if !std::mem::take(&mut self.first) {
            self.out.write_all(b",\n")?;
        }
        serde_json::to_writer(&mut *self.out, event).map_err(io::Error::from)
    }
}

fn meta(name: &str, tid: u32, args: Value) -> Value {
    json!({ "ph": "M", "name": name, "pid": PID, "tid": tid, "ts": 0, "args": args })
}

fn mark(name: &str, ts: u64) -> Value {
    json!({ "ph": "i", "s": "g", "name": name, "pid": PID, "tid": 0, "ts": ts })
}

fn slice(report: &Report, attempt: &Attempt, lane: u32) -> Value {
    let instance = &report.instances[attempt.instance as usize];
    let label = report.text.get(instance.label);
    let mut args = json!({
        "outcome": attempt.state.as_str(),
        "attempt": attempt.number,
        "cpu_ms": (attempt.user + attempt.system) as f64 / 1e3,
        "peak_rss_bytes": attempt.peak_rss,
        "stdout_bytes": attempt.stdout,
        "stderr_bytes": attempt.stderr,
    });
    let why = report.text.get(attempt.why);
    if !why.is_empty() {
        args["why"] = why.into();
    }
    let mut slice = json!({
        "ph": "X",
        "name": if label.is_empty() { report.task_of(instance) } else { label },
        "cat": report.task_of(instance),
        "pid": PID,
        "tid": lane + 1,
        "ts": attempt.start,
        "dur": attempt.wall,
        "args": args,
    });
    // Names of the viewers' palette.
    if attempt.state.is_failure() {
        slice["cname"] = "terrible".into();
    } else if !attempt.state.is_success() {
        slice["cname"] = "grey".into();
    }
    slice
}

/// How many ran and what they used, whenever that changed. Memory is the sum of the peaks of those that ran.
fn counters(report: &Report, events: &mut Events<'_>) -> io::Result<()> {
    let mut changes: Vec<(u64, i64, i64)> = Vec::with_capacity(report.attempts.len() * 2);
    for attempt in report.attempts.iter().filter(|attempt| attempt.lane.is_some()) {
        let rss = i64::try_from(attempt.peak_rss).unwrap_or(i64::MAX);
        changes.push((attempt.start, 1, rss));
        changes.push((attempt.start + attempt.wall, -1, -rss));
    }
    changes.sort_unstable();
    let (mut running, mut memory) = (0i64, 0i64);
    for now in changes.chunk_by(|a, b| a.0 == b.0) {
        let before = (running, memory);
        for (_, one, rss) in now {
            running += one;
            memory = memory.saturating_add(*rss);
        }
        if (running, memory) == before {
            continue;
        }
        for (name, value) in [("running", running), ("memory", memory)] {
            events.add(
                &json!({ "ph": "C", "name": name, "pid": PID, "ts": now[0].0, "args": { name: value } }),
            )?;
        }
    }
    Ok(())
}
