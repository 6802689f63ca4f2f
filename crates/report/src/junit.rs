//! JUnit XML, as CI systems read it: a suite for each task, a case for each instance.
//!
//! There are many dialects and no owner. This keeps to the elements and attributes that Jenkins' schema (`junit-10`)
//! has, with `flakyFailure` and `rerunFailure` for earlier attempts, which others ignore. Cases are written one by
//! one: nothing but the counts is held.

use std::collections::HashSet;
use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::captured::{Captured, Reader};
use crate::model::{Attempt, End, Instance, Report, State};

/// How much of one stream of a failure is written, and of all together.
const EACH: u64 = 64 << 10;
const TOTAL: u64 = 16 << 20;

/// Writes the suites.
///
/// # Errors
///
/// What `out` says.
pub fn write(report: &Report, output: &dyn Captured, out: &mut dyn Write) -> io::Result<()> {
    let mut order: Vec<u32> = (0..report.instances.len() as u32).collect();
    order.sort_by_key(|at| {
        let instance = &report.instances[*at as usize];
        (instance.task, instance.index)
    });
    let mut file = File {
        xml: Writer::new_with_indent(out, b' ', 1),
        report,
        output: Reader::whole(output, TOTAL, EACH),
    };
    file.xml
        .write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let unheard: Vec<u64> = report.tasks.iter().map(|task| report.unheard(task)).collect();
    let all = Tally::of(report, report.instances.iter(), unheard.iter().sum());
    let mut root = BytesStart::new("testsuites");
    root.push_attribute(("name", clean(&report.job).as_str()));
    root.push_attribute(("time", seconds(report.elapsed).as_str()));
    all.put(&mut root);
    file.xml.write_event(Event::Start(root))?;
    let mut rest = order.as_slice();
    for (task, unheard) in (0..).zip(unheard) {
        let of = |at: &u32| report.instances[*at as usize].task == task;
        let (suite, others) = rest.split_at(rest.partition_point(of));
        file.suite(&report.tasks[task as usize].name, suite, unheard)?;
        rest = others;
    }
    file.xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
    file.xml.get_mut().write_all(b"\n")
}

#[derive(Default)]
struct Tally {
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
    micros: u64,
}

impl Tally {
    fn of<'a>(report: &Report, instances: impl Iterator<Item = &'a Instance>, unheard: u64) -> Tally {
        let mut tally = Tally {
            tests: unheard,
            skipped: unheard,
            ..Tally::default()
        };
        for instance in instances {
            tally.tests += 1;
            match verdict(instance.state) {
                Some("failure") => tally.failures += 1,
                Some("error") => tally.errors += 1,
                Some(_) => tally.skipped += 1,
                None => {}
            }
            let last = instance.last.map(|at| &report.attempts[at as usize]);
            tally.micros += last.map_or(0, |attempt| attempt.wall);
        }
        tally
    }

    fn put(&self, element: &mut BytesStart<'_>) {
        let values = [
            ("tests", self.tests),
            ("failures", self.failures),
            ("errors", self.errors),
        ];
        for (name, value) in values {
            element.push_attribute((name, value.to_string().as_str()));
        }
    }
}

/// The element that tells of a state, if it takes one. A failure is what the command said; an error, what came from
/// outside.
fn verdict(state: State) -> Option<&'static str> {
    match state {
        State::Success | State::UpToDate => None,
        State::Failed => Some("failure"),
        State::Timeout | State::Memory | State::Killed => Some("error"),
        State::Blocked | State::Unfinished => Some("skipped"),
    }
}

struct File<'a> {
    xml: Writer<&'a mut dyn Write>,
    report: &'a Report,
    output: Reader<'a>,
}

impl File<'_> {
    fn suite(&mut self, task: &str, places: &[u32], unheard: u64) -> io::Result<()> {
        let report = self.report;
        let instances = || places.iter().map(|at| &report.instances[*at as usize]);
        let tally = Tally::of(report, instances(), unheard);
        if tally.tests == 0 {
            return Ok(());
        }
        let mut suite = BytesStart::new("testsuite");
        suite.push_attribute(("name", clean(task).as_str()));
        tally.put(&mut suite);
        suite.push_attribute(("skipped", tally.skipped.to_string().as_str()));
        suite.push_attribute(("time", seconds(tally.micros).as_str()));
        if let Some(began) = report.began() {
            suite.push_attribute((
                "timestamp",
                began.strftime("%Y-%m-%dT%H:%M:%S").to_string().as_str(),
            ));
        }
        self.xml.write_event(Event::Start(suite))?;
        for instance in instances() {
            self.case(instance)?;
        }
        self.unheard(task, places, unheard)?;
        self.xml.write_event(Event::End(BytesEnd::new("testsuite")))
    }

    /// Cases for as many instances as were never heard of, by the places where none was.
    fn unheard(&mut self, task: &str, places: &[u32], many: u64) -> io::Result<()> {
        let message = format!("not started: {}", self.why_unheard());
        let heard = places.iter().map(|at| self.report.instances[*at as usize].index);
        let heard: HashSet<u64> = heard.collect();
        for index in (0..).filter(|index| !heard.contains(index)).take(many as usize) {
            let mut case = BytesStart::new("testcase");
            case.push_attribute(("name", clean(&format!("{task}/{index}")).as_str()));
            case.push_attribute(("classname", clean(task).as_str()));
            case.push_attribute(("time", seconds(0).as_str()));
            self.xml.write_event(Event::Start(case))?;
            self.skip(&message)?;
            self.xml.write_event(Event::End(BytesEnd::new("testcase")))?;
        }
        Ok(())
    }

    fn why_unheard(&self) -> String {
        match self.report.segments.last().map(|segment| &segment.end) {
            Some(Some(End {
                broken: Some(why), ..
            })) => format!("the pool broke: {why}"),
            Some(Some(End { signal: Some(n), .. })) => format!("the run was interrupted by signal {n}"),
            Some(Some(End {
                halted: Some(policy), ..
            })) => format!("the run was halted by {policy}"),
            Some(Some(_)) => "it was not among those that were asked for".to_owned(),
            Some(None) | None => "the run has no last word".to_owned(),
        }
    }

    fn case(&mut self, instance: &Instance) -> io::Result<()> {
        let report = self.report;
        let last = instance.last.map(|at| &report.attempts[at as usize]);
        let mut case = BytesStart::new("testcase");
        case.push_attribute(("name", clean(report.text.get(instance.label)).as_str()));
        case.push_attribute(("classname", clean(report.task_of(instance)).as_str()));
        case.push_attribute(("time", seconds(last.map_or(0, |attempt| attempt.wall)).as_str()));
        let attempts = report.attempts_of(instance);
        let told = verdict(instance.state);
        if told.is_none() && attempts.len() < 2 {
            return self.xml.write_event(Event::Empty(case));
        }
        self.xml.write_event(Event::Start(case))?;
        let rerun = match told {
            None => "flakyFailure",
            Some(_) => "rerunFailure",
        };
        match (told, last) {
            (Some("skipped"), _) => self.skipped(instance)?,
            (Some(element), Some(attempt)) => {
                let tail = clean(report.text.get(attempt.tail));
                let mut element = BytesStart::new(element);
                element.push_attribute(("message", clean(report.text.get(attempt.why)).as_str()));
                element.push_attribute(("type", attempt.state.as_str()));
                self.element(element, &tail)?;
            }
            _ => {}
        }
        let earlier = attempts.len().saturating_sub(1);
        for at in &attempts[..earlier] {
            let attempt = &report.attempts[*at as usize];
            if attempt.state.is_failure() {
                self.earlier(rerun, attempt)?;
            }
        }
        if let Some(attempt) = last.filter(|_| told.is_some()) {
            self.streams(attempt)?;
        }
        self.xml.write_event(Event::End(BytesEnd::new("testcase")))
    }

    fn skipped(&mut self, instance: &Instance) -> io::Result<()> {
        let message = match instance.state {
            State::Blocked => format!("blocked: {} failed", self.report.text.get(instance.by)),
            _ => "it did not come to an end".to_owned(),
        };
        self.skip(&message)
    }

    fn skip(&mut self, message: &str) -> io::Result<()> {
        let mut element = BytesStart::new("skipped");
        element.push_attribute(("message", clean(message).as_str()));
        self.xml.write_event(Event::Empty(element))
    }

    fn earlier(&mut self, name: &str, attempt: &Attempt) -> io::Result<()> {
        let mut element = BytesStart::new(name);
        element.push_attribute(("message", clean(self.report.text.get(attempt.why)).as_str()));
        element.push_attribute(("type", attempt.state.as_str()));
        self.xml.write_event(Event::Start(element))?;
        self.streams(attempt)?;
        self.xml.write_event(Event::End(BytesEnd::new(name)))
    }

    fn streams(&mut self, attempt: &Attempt) -> io::Result<()> {
        let Some(streams) = self.output.of(attempt) else {
            return Ok(());
        };
        for (name, excerpt) in [("system-out", streams.stdout), ("system-err", streams.stderr)] {
            if !excerpt.is_empty() {
                self.element(BytesStart::new(name), &clean(&excerpt.to_text()))?;
            }
        }
        Ok(())
    }

    fn element(&mut self, start: BytesStart<'_>, text: &str) -> io::Result<()> {
        let end = start.to_end().into_owned();
        self.xml.write_event(Event::Start(start))?;
        self.xml.write_event(Event::Text(BytesText::new(text)))?;
        self.xml.write_event(Event::End(end))
    }
}

/// What XML may hold; names of tasks and jobs have not been looked at yet.
fn clean(text: &str) -> String {
    crate::plain::text(text.as_bytes())
}

/// Seconds with a point, and no separators: what every reader takes.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
