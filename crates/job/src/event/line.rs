//! An event's line: keys in a fixed order, the checksum last, so that a line can be checked before it is parsed.

use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Counts, Ended, Event, Kind, VERSION, Who};
use crate::text::Text;

/// What stands before the eight digits of the checksum, and what stands after them.
pub(super) const CRC_KEY: &str = ",\"crc\":\"";
pub(super) const CRC_END: &str = "\"}";

pub(super) fn write(event: &Event) -> String {
    let mut line = Line(String::with_capacity(256));
    let _ = write!(
        line.0,
        "{{\"v\":{VERSION},\"seq\":{},\"t\":\"{:.3}\"",
        event.seq, event.at
    );
    match &event.kind {
        Kind::RunStarted {
            run,
            job,
            dir,
            jobs,
            pid,
            version,
            resumed,
        } => {
            line.kind("run_started")
                .str("run", run)
                .str("job", job)
                .text("dir", dir);
            line.num("jobs", *jobs).num("pid", *pid).str("version", version);
            line.flag("resumed", *resumed);
        }
        Kind::Planned { task, total } => {
            line.kind("planned").str("task", task);
            match total {
                Some(total) => line.num("total", *total),
                None => line.raw("total", "null"),
            };
        }
        Kind::Kept { task, count, since } => {
            line.kind("kept").str("task", task).num("count", *count);
            for (key, n) in [
                ("changed", since.changed),
                ("new", since.new),
                ("gone", since.gone),
            ] {
                line.some(key, (n > 0).then_some(n));
            }
        }
        Kind::Started {
            who,
            attempt,
            pid,
            worker,
        } => {
            line.kind("started").who(who).num("attempt", *attempt);
            line.some("pid", *pid).some("worker", *worker);
        }
        Kind::Finished { who, attempt, end } => {
            line.kind("finished").who(who).num("attempt", *attempt).ended(end);
        }
        Kind::Retried { who, attempt } => {
            line.kind("retried").who(who).num("attempt", *attempt);
        }
        Kind::Blocked { who, by } => {
            line.kind("blocked").who(who).text("by", by);
        }
        Kind::Signal { signal, again } => {
            line.kind("signal").num("signal", *signal).flag("again", *again);
        }
        Kind::RunFinished {
            counts,
            signal,
            broken,
            halted,
        } => {
            line.kind("run_finished").counts(counts).some("signal", *signal);
            for (key, why) in [("broken", broken), ("halted", halted)] {
                if let Some(why) = why {
                    line.str(key, why);
                }
            }
        }
    }
    if let Some(salt) = event.salt {
        line.0.push_str(&salted(salt));
    }
    let crc = crc32c::crc32c(line.0.as_bytes());
    let _ = write!(line.0, "{CRC_KEY}{crc:08x}{CRC_END}");
    line.0
}

/// The salt as it stands before the checksum.
pub(crate) fn salted(salt: u32) -> String {
    format!(",\"salt\":\"{salt:08x}\"")
}

struct Line(String);

impl Line {
    fn kind(&mut self, name: &str) -> &mut Line {
        self.str("type", name)
    }

    fn raw(&mut self, key: &str, json: &str) -> &mut Line {
        let _ = write!(self.0, ",\"{key}\":{json}");
        self
    }

    fn num(&mut self, key: &str, n: impl Into<i128>) -> &mut Line {
        let _ = write!(self.0, ",\"{key}\":{}", n.into());
        self
    }

    fn some(&mut self, key: &str, n: Option<impl Into<i128>>) -> &mut Line {
        match n {
            Some(n) => self.num(key, n),
            None => self,
        }
    }

    /// Present only where true.
    fn flag(&mut self, key: &str, on: bool) -> &mut Line {
        if on { self.raw(key, "true") } else { self }
    }

    fn micros(&mut self, key: &str, d: Duration) -> &mut Line {
        self.num(key, u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
    }

    fn str(&mut self, key: &str, s: &str) -> &mut Line {
        let _ = write!(self.0, ",\"{key}\":");
        self.push_string(s);
        self
    }

    fn text(&mut self, key: &str, text: &Text) -> &mut Line {
        match std::str::from_utf8(text.as_bytes()) {
            Ok(s) => self.str(key, s),
            Err(_) => {
                let _ = write!(
                    self.0,
                    ",\"{key}\":{{\"base64\":\"{}\"}}",
                    STANDARD.encode(text.as_bytes())
                );
                self
            }
        }
    }

    fn who(&mut self, who: &Who) -> &mut Line {
        self.str("id", &who.id)
            .str("task", &who.task)
            .num("index", who.index)
            .text("label", &who.label);
        if let Some(item) = &who.item {
            self.text("item", item);
        }
        match &who.key {
            Some(key) => self.str("key", key.hex().as_str()),
            None => self,
        }
    }

    fn ended(&mut self, end: &Ended) -> &mut Line {
        self.str("outcome", end.outcome.as_str())
            .some("exit", end.exit)
            .some("signal", end.signal);
        if let Some(why) = &end.why {
            self.str("why", why);
        }
        self.flag("retry", end.retry).flag("leaky", end.leaky);
        self.micros("wall_us", end.wall)
            .micros("user_us", end.user)
            .micros("system_us", end.system);
        self.num("peak_rss", end.peak_rss)
            .num("stdout", end.stdout)
            .num("stderr", end.stderr);
        if !end.tail.as_bytes().is_empty() {
            self.text("tail", &end.tail);
        }
        if let Some(by) = end.memory_by {
            self.str("memory_by", by.as_str());
        }
        self.some("memory_peak", end.memory_peak);
        self.some("output_at", end.output_at);
        match &end.content {
            Some(content) => self.str("content", content),
            None => self,
        }
    }

    fn counts(&mut self, counts: &Counts) -> &mut Line {
        self.num("planned", counts.planned)
            .num("succeeded", counts.succeeded)
            .num("failed", counts.failed);
        self.num("killed", counts.killed)
            .num("blocked", counts.blocked)
            .num("not_run", counts.not_run());
        self.num("retried", counts.retried).num("leaky", counts.leaky);
        let told = |n: u64| (n > 0).then_some(n);
        self.some("up_to_date", told(counts.up_to_date))
            .some("kept", told(counts.kept))
    }

    fn push_string(&mut self, s: &str) {
        self.0.push('"');
        for c in s.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                // DEL and the C1 controls need no escape in JSON, but they move a terminal's cursor.
                c if c.is_control() => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(c));
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }
}
