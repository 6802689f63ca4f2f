//! Events become a [`Report`].
//!
//! The fold believes the order of the events and nothing more: an attempt that ends without having begun, an instance
//! that is heard of in two segments and a stream that just stops all have their place.

use std::collections::HashMap;

use pexec_job::event::{Ended, Event, Kind, Who};

use super::clock::Clock;
use super::lanes::Lanes;
use super::resumed::Earlier;
use super::{Attempt, End, Instance, Line, Report, Segment, State, Task};
use crate::plain;

/// How many bytes of ends of error output are kept.
const TAILS: usize = 16 << 20;
/// The longest label that is kept, in bytes.
const LABEL: usize = 1024;

/// Takes events in, and gives the report.
#[derive(Debug, Default)]
pub struct Fold {
    report: Report,
    clock: Clock,
    lanes: Lanes,
    earlier: Earlier,
    tasks: HashMap<String, u32>,
    /// Instances whose last word in this segment is not told yet, by their id.
    open: HashMap<String, Open>,
    tails: usize,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    instance: u32,
    running: Option<u32>,
}

impl Fold {
    /// Before the first event.
    pub fn new() -> Fold {
        Fold::default()
    }

    /// Takes the next event in.
    pub fn apply(&mut self, event: &Event) {
        if let Kind::RunStarted { .. } = event.kind {
            self.begin(event);
            return;
        }
        let now = self.clock.advance(event.at);
        match &event.kind {
            Kind::RunStarted { .. } => {}
            Kind::Planned { task, total } => {
                let task = self.task(task);
                self.report.tasks[task as usize].total = *total;
            }
            Kind::Kept { task, count, .. } if *count > 0 => {
                let task = self.task(task);
                self.report.tasks[task as usize].kept += count;
                if let Some(segment) = self.report.segments.last_mut() {
                    segment.kept += count;
                }
            }
            Kind::Started {
                who,
                attempt,
                pid,
                worker,
            } => {
                // One that waited too long, say, was never at a worker.
                let (lane, start) = match (worker, pid) {
                    (None, None) => (None, now),
                    _ => {
                        let (lane, start) = self.lanes.take(*worker, now);
                        (Some(lane), start)
                    }
                };
                self.start(who, *attempt, lane, start);
            }
            Kind::Finished { who, attempt, end } => self.end(who, *attempt, end, now),
            Kind::Kept { .. } | Kind::Retried { .. } => {}
            Kind::Blocked { who, by } => {
                let instance = self.instance(who);
                let by = self.report.text.put_once(&plain::line(by.as_bytes()));
                let blocked = &mut self.report.instances[instance as usize];
                blocked.state = State::Blocked;
                blocked.by = by;
                self.open.remove(&who.id);
            }
            Kind::Signal { signal, .. } => {
                if let Some(segment) = self.report.segments.last_mut() {
                    segment.signals.push((now, *signal));
                }
            }
            Kind::RunFinished {
                counts,
                signal,
                halted,
                broken,
            } => {
                if let Some(segment) = self.report.segments.last_mut() {
                    segment.end = Some(End {
                        counts: *counts,
                        signal: *signal,
                        halted: halted.clone(),
                        broken: broken.clone(),
                    });
                }
            }
        }
        if let Some(segment) = self.report.segments.last_mut() {
            segment.ended = segment.ended.max(event.at);
        }
    }

    /// What it all came to.
    pub fn finish(mut self) -> Report {
        self.interrupt();
        let places = self.lanes.places();
        for attempt in &mut self.report.attempts {
            attempt.lane = attempt.lane.map(|lane| places[lane as usize]);
        }
        self.report.lanes = self.lanes.count();
        self.report.elapsed = self.latest();
        self.report
    }

    fn begin(&mut self, event: &Event) {
        let Kind::RunStarted {
            run,
            job,
            dir,
            jobs,
            version,
            ..
        } = &event.kind
        else {
            return;
        };
        let start = match self.report.segments.is_empty() {
            true => self.clock.advance(event.at),
            false => {
                self.interrupt();
                self.earlier = Earlier::of(&self.report.instances);
                for task in &mut self.report.tasks {
                    // A task that is no longer in the job is not planned again.
                    (task.total, task.kept, task.heard) = (None, 0, 0);
                }
                let least = self.latest();
                self.clock.resume(event.at, least)
            }
        };
        self.report.run.clone_from(run);
        self.report.job.clone_from(job);
        self.report.dir = plain::line(dir.as_bytes());
        self.report.jobs = *jobs;
        self.report.version.clone_from(version);
        self.report.segments.push(Segment {
            began: event.at,
            ended: event.at,
            start,
            kept: 0,
            signals: Vec::new(),
            end: None,
        });
    }

    /// What still runs is heard of no more: its pexec is gone, or has not ended yet.
    fn interrupt(&mut self) {
        let now = self.clock.now();
        for (_, open) in std::mem::take(&mut self.open) {
            let Some(at) = open.running else { continue };
            let attempt = &mut self.report.attempts[at as usize];
            attempt.wall = now.saturating_sub(attempt.start);
            if let Some(lane) = attempt.lane {
                self.lanes.leave(lane, attempt.start + attempt.wall);
            }
        }
    }

    fn latest(&self) -> u64 {
        // Attempts that ended last may be put a little behind the last stamp, which is cut to the millisecond.
        let lanes = self.lanes.latest();
        self.clock.now().max(lanes)
    }

    fn task(&mut self, name: &str) -> u32 {
        if let Some(task) = self.tasks.get(name) {
            return *task;
        }
        let task = self.report.tasks.len() as u32;
        self.report.tasks.push(Task {
            name: name.to_owned(),
            total: None,
            kept: 0,
            heard: 0,
        });
        self.tasks.insert(name.to_owned(), task);
        task
    }

    /// The instance of this name, which may be known already.
    fn instance(&mut self, who: &Who) -> u32 {
        if let Some(open) = self.open.get(&who.id) {
            return open.instance;
        }
        let task = self.task(&who.task);
        let segment = self.report.segments.len().saturating_sub(1) as u16;
        let key = who.key.map_or(0, |key| u128::from_be_bytes(key.0));
        let known = self.earlier.take(key, task, who.index);
        self.report.tasks[task as usize].heard += 1;
        let instance = known.unwrap_or_else(|| {
            let mut label = plain::line(who.label.as_bytes());
            if label.len() > LABEL {
                label.truncate(label.floor_char_boundary(LABEL));
                label.push('…');
            }
            self.report.instances.push(Instance {
                task,
                index: who.index,
                label: self.report.text.put(&label),
                state: State::Unfinished,
                last: None,
                attempts: 0,
                by: Line::default(),
                key,
                segment,
            });
            (self.report.instances.len() - 1) as u32
        });
        let named = &mut self.report.instances[instance as usize];
        (named.segment, named.state, named.by) = (segment, State::Unfinished, Line::default());
        let open = Open {
            instance,
            running: None,
        };
        self.open.insert(who.id.clone(), open);
        instance
    }

    fn start(&mut self, who: &Who, number: u32, lane: Option<u32>, start: u64) -> u32 {
        let instance = self.instance(who);
        let at = self.report.attempts.len() as u32;
        let of = &mut self.report.instances[instance as usize];
        let previous = of.last.replace(at);
        of.attempts += 1;
        self.report.attempts.push(Attempt {
            instance,
            previous,
            number,
            segment: of.segment,
            lane,
            start,
            wall: 0,
            user: 0,
            system: 0,
            peak_rss: 0,
            stdout: 0,
            stderr: 0,
            output_at: None,
            state: State::Unfinished,
            retry: false,
            leaky: false,
            exit: None,
            signal: None,
            why: Line::default(),
            tail: Line::default(),
        });
        self.open.insert(
            who.id.clone(),
            Open {
                instance,
                running: Some(at),
            },
        );
        at
    }

    fn end(&mut self, who: &Who, number: u32, end: &Ended, now: u64) {
        let wall = micros(end.wall);
        let running = self.open.get(&who.id).and_then(|open| open.running);
        // One that was up to date may end without having begun.
        let at = running.unwrap_or_else(|| self.start(who, number, None, now.saturating_sub(wall)));
        let why = match &end.why {
            Some(why) => self.report.text.put_once(&plain::line(why.as_bytes())),
            None => Line::default(),
        };
        let tail = self.tail(end);
        let attempt = &mut self.report.attempts[at as usize];
        attempt.wall = wall;
        attempt.user = micros(end.user);
        attempt.system = micros(end.system);
        attempt.peak_rss = end.peak_rss;
        attempt.stdout = end.stdout;
        attempt.stderr = end.stderr;
        attempt.output_at = end.output_at;
        attempt.state = end.outcome.into();
        attempt.retry = end.retry;
        attempt.leaky = end.leaky;
        attempt.exit = end.exit;
        attempt.signal = end.signal;
        attempt.why = why;
        attempt.tail = tail;
        let (instance, lane, until) = (attempt.instance, attempt.lane, attempt.start + attempt.wall);
        if let Some(lane) = lane {
            self.lanes.leave(lane, until);
        }
        if end.retry {
            self.open.insert(
                who.id.clone(),
                Open {
                    instance,
                    running: None,
                },
            );
        } else {
            self.report.instances[instance as usize].state = end.outcome.into();
            self.open.remove(&who.id);
        }
    }

    fn tail(&mut self, end: &Ended) -> Line {
        let bytes = end.tail.as_bytes();
        if bytes.is_empty() {
            return Line::default();
        }
        if self.tails + bytes.len() > TAILS {
            self.report.tails_dropped += 1;
            return Line::default();
        }
        self.tails += bytes.len();
        self.report.text.put(&plain::text(bytes))
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
