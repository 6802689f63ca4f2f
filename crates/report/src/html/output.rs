//! The second block of the page: what attempts wrote. Failures first, in full up to a limit; of successes the end,
//! as long as there is room.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::safe;
use crate::captured::{Captured, Excerpt, Reader, Streams};
use crate::model::{Attempt, Report};

/// How much of one stream of a failure is shown, and of all together.
const FAILURE: u64 = 32 << 10;
const FAILURES: u64 = 6 << 20;
/// How much of the end of a success's stream is shown, and of all together.
const SUCCESS: u64 = 1 << 10;
const SUCCESSES: u64 = 4 << 20;

/// Writes the block.
pub(super) fn write(report: &Report, output: &dyn Captured, out: &mut dyn Write) -> io::Result<()> {
    let block = Block {
        report,
        failures: RefCell::new(Reader::whole(output, FAILURES, FAILURE)),
        successes: RefCell::new(Reader::ends(output, SUCCESSES, SUCCESS)),
        left_out: Cell::new(0),
    };
    safe::json(out, &block)
}

struct Block<'a> {
    report: &'a Report,
    failures: RefCell<Reader<'a>>,
    successes: RefCell<Reader<'a>>,
    left_out: Cell<u64>,
}

impl Block<'_> {
    /// What is shown of an attempt, if there is anything.
    fn of(&self, attempt: &Attempt) -> Option<Shown<'_>> {
        let reader = match attempt.state.is_success() {
            true => &self.successes,
            false => &self.failures,
        };
        let mut reader = reader.borrow_mut();
        let tail = self.report.text.get(attempt.tail);
        let wrote = attempt.output_at.is_some() && attempt.stdout + attempt.stderr > 0;
        if wrote && reader.is_spent() {
            self.left_out.set(self.left_out.get() + 1);
        }
        let streams = match reader.is_spent() {
            true => Streams::default(),
            false => reader.of(attempt).unwrap_or_default(),
        };
        // The same bytes, unless standard error went to a file or it was the worker that wrote them.
        let shown = &streams.stderr;
        let last = if shown.cut == 0 { &shown.head } else { &shown.rest };
        let tail = if last.ends_with(tail) { "" } else { tail };
        let some = !streams.stdout.is_empty() || !streams.stderr.is_empty() || !tail.is_empty();
        some.then_some(Shown { streams, tail })
    }
}

impl Serialize for Block<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("shown", &Shows(self))?;
        map.serialize_entry("leftOut", &self.left_out.get())?;
        map.serialize_entry("tailsDropped", &self.report.tails_dropped)?;
        map.end()
    }
}

struct Shows<'a, 'b>(&'b Block<'a>);

impl Serialize for Shows<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let attempts = &self.0.report.attempts;
        for place in order(self.0.report) {
            if let Some(shown) = self.0.of(&attempts[place as usize]) {
                map.serialize_entry(&place, &shown)?;
            }
        }
        map.end()
    }
}

/// Who comes first while there is room: the first failure of each cause, then the second of each, so that no cause that
/// is frequent and wordy leaves nothing to the others.
fn order(report: &Report) -> Vec<u32> {
    let mut seen: HashMap<_, u32> = HashMap::new();
    let mut ranked: Vec<(u32, u32)> = Vec::with_capacity(report.attempts.len());
    for (place, attempt) in report.attempts.iter().enumerate() {
        let rank = match attempt.state.is_success() {
            true => 0,
            false => {
                let task = report.instances[attempt.instance as usize].task;
                let rank = seen.entry((task, attempt.why, attempt.retry)).or_default();
                *rank += 1;
                *rank
            }
        };
        ranked.push((rank, place as u32));
    }
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, place)| place).collect()
}

struct Shown<'a> {
    streams: Streams,
    tail: &'a str,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, excerpt) in [("out", &self.streams.stdout), ("err", &self.streams.stderr)] {
            let Excerpt { head, cut, rest } = excerpt;
            if *cut > 0 {
                map.serialize_entry(name, &(head, cut, rest))?;
            } else if !head.is_empty() {
                map.serialize_entry(name, &(head,))?;
            }
        }
        if !self.tail.is_empty() {
            map.serialize_entry("tail", self.tail)?;
        }
        map.end()
    }
}
