//! The first block of the page: everything but the output, in columns, because fifty thousand objects would say each
//! name fifty thousand times.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::safe;
use crate::model::{Attempt, Instance, Line, Report, State, Verdict};

/// Writes the block.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    safe::json(
        out,
        &Page {
            report,
            lines: Lines::of(report),
        },
    )
}

struct Page<'a> {
    report: &'a Report,
    lines: Lines<'a>,
}

/// Reasons and culprits, each once; columns hold their places. The first one is empty.
struct Lines<'a> {
    texts: Vec<&'a str>,
    places: HashMap<Line, u32>,
}

impl<'a> Lines<'a> {
    fn of(report: &'a Report) -> Lines<'a> {
        let mut lines = Lines {
            texts: vec![""],
            places: HashMap::from([(Line::default(), 0)]),
        };
        let whys = report.attempts.iter().map(|attempt| attempt.why);
        for line in whys.chain(report.instances.iter().map(|instance| instance.by)) {
            lines.places.entry(line).or_insert_with(|| {
                lines.texts.push(report.text.get(line));
                (lines.texts.len() - 1) as u32
            });
        }
        lines
    }

    fn place(&self, line: Line) -> u32 {
        self.places.get(&line).copied().unwrap_or(0)
    }
}

impl Serialize for Page<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.report;
        let verdict = Verdict::of(report);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("run", &report.run)?;
        map.serialize_entry("job", &report.job)?;
        map.serialize_entry("dir", &report.dir)?;
        map.serialize_entry("jobs", &report.jobs)?;
        map.serialize_entry("version", &report.version)?;
        map.serialize_entry("elapsed", &report.elapsed)?;
        map.serialize_entry("lanes", &report.lanes)?;
        map.serialize_entry("planned", &report.planned())?;
        map.serialize_entry("notRun", &report.not_run())?;
        map.serialize_entry("tone", verdict.tone.as_str())?;
        map.serialize_entry("verdict", &verdict.text)?;
        map.serialize_entry("more", &verdict.more)?;
        map.serialize_entry("states", &Each(|| State::ALL.iter().map(|state| state.as_str())))?;
        map.serialize_entry("tasks", &Each(|| report.tasks.iter().map(|task| &task.name)))?;
        map.serialize_entry("totals", &Each(|| report.tasks.iter().map(|task| task.total)))?;
        let segments = &report.segments;
        map.serialize_entry("starts", &Each(|| segments.iter().map(|segment| segment.start)))?;
        map.serialize_entry(
            "began",
            &Each(|| segments.iter().map(|segment| segment.began.as_millisecond())),
        )?;
        map.serialize_entry(
            "ended",
            &Each(|| segments.iter().map(|segment| segment.ended.as_millisecond())),
        )?;
        map.serialize_entry(
            "signals",
            &Each(|| segments.iter().flat_map(|segment| &segment.signals)),
        )?;
        map.serialize_entry("lines", &self.lines.texts)?;
        map.serialize_entry("instances", &Instances(self))?;
        map.serialize_entry("attempts", &Attempts(self))?;
        map.end()
    }
}

struct Instances<'a>(&'a Page<'a>);

impl Serialize for Instances<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Page { report, lines } = self.0;
        let mut map = serializer.serialize_map(None)?;
        let mut put = |name: &str, of: &dyn Fn(&Instance) -> u64| {
            map.serialize_entry(name, &Each(|| report.instances.iter().map(of)))
        };
        put("task", &|instance| instance.task.into())?;
        put("index", &|instance| instance.index)?;
        put("state", &|instance| instance.state as u64)?;
        put("attempts", &|instance| instance.attempts.into())?;
        // 0: it was never begun.
        put("last", &|instance| {
            instance.last.map_or(0, |at| u64::from(at) + 1)
        })?;
        put("by", &|instance| lines.place(instance.by).into())?;
        map.serialize_entry(
            "label",
            &Each(|| report.instances.iter().map(|i| report.text.get(i.label))),
        )?;
        map.end()
    }
}

struct Attempts<'a>(&'a Page<'a>);

impl Serialize for Attempts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Page { report, lines } = self.0;
        let mut map = serializer.serialize_map(None)?;
        let mut put = |name: &str, of: &dyn Fn(&Attempt) -> u64| {
            map.serialize_entry(name, &Each(|| report.attempts.iter().map(of)))
        };
        put("instance", &|attempt| attempt.instance.into())?;
        put("number", &|attempt| attempt.number.into())?;
        put("state", &|attempt| attempt.state as u64)?;
        // 0: it ran in none.
        put("lane", &|attempt| {
            attempt.lane.map_or(0, |lane| u64::from(lane) + 1)
        })?;
        put("start", &|attempt| attempt.start)?;
        put("wall", &|attempt| attempt.wall)?;
        put("cpu", &|attempt| attempt.user + attempt.system)?;
        put("rss", &|attempt| attempt.peak_rss)?;
        put("stdout", &|attempt| attempt.stdout)?;
        put("stderr", &|attempt| attempt.stderr)?;
        put("leaky", &|attempt| attempt.leaky.into())?;
        put("why", &|attempt| lines.place(attempt.why).into())?;
        map.end()
    }
}

/// A column that is never held as a whole.
struct Each<F>(F);

impl<F, I> Serialize for Each<F>
where
    F: Fn() -> I,
    I: Iterator,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
