//! Runs that never were: events with a clock of their own, and the bytes that their instances wrote.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use pexec_job::event::{Counts, Ended, Event, Kind, Outcome, Who};
use pexec_job::key::Key;
use pexec_job::text::Text;
use pexec_report::captured::Captured;
use pexec_report::model::{Fold, Report};

/// Output in memory.
#[derive(Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Captured for Bytes {
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let at = at as usize;
        let from = self
            .0
            .get(at..at + into.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(from);
        Ok(())
    }
}

/// A run in the making.
pub(crate) struct Made {
    pub(crate) events: Vec<Event>,
    pub(crate) output: Bytes,
    /// Microseconds since the first event.
    pub(crate) now: u64,
    began: Timestamp,
}

/// How an attempt ends.
#[derive(Clone)]
pub(crate) struct How {
    pub(crate) outcome: Outcome,
    pub(crate) exit: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) why: Option<&'static str>,
    pub(crate) retry: bool,
    pub(crate) wall: u64,
    pub(crate) cpu: u64,
    pub(crate) rss: u64,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

pub(crate) fn success() -> How {
    How {
        outcome: Outcome::Success,
        exit: Some(0),
        signal: None,
        why: None,
        retry: false,
        wall: 100_000,
        cpu: 60_000,
        rss: 8 << 20,
        stdout: Vec::new(),
        stderr: Vec::new(),
    }
}

pub(crate) fn failure() -> How {
    How {
        outcome: Outcome::Failed,
        exit: Some(3),
        why: Some("exit 3"),
        ..success()
    }
}

impl Made {
    pub(crate) fn new() -> Made {
        let began = "2026-11-21T03:00:00Z".parse().expect("a time");
        Made {
            events: Vec::new(),
            output: Bytes::default(),
            now: 0,
            began,
        }
    }

    /// The usual beginning.
    pub(crate) fn begun(tasks: &[(&str, u64)]) -> Made {
        let mut made = Made::new();
        made.begin(false);
        for (task, total) in tasks {
            made.tell(Kind::Planned {
                task: (*task).into(),
                total: Some(*total),
            });
        }
        made
    }

    pub(crate) fn begin(&mut self, resumed: bool) {
        self.tell(Kind::RunStarted {
            run: "20261121-030000-beef".into(),
            job: "nightly".into(),
            dir: "/srv/data".into(),
            jobs: 8,
            pid: 4711,
            version: "0.1.0".into(),
            resumed,
        });
    }

    pub(crate) fn tell(&mut self, kind: Kind) {
        let at = self
            .began
            .checked_add(Duration::from_micros(self.now))
            .expect("soon");
        let seq = self.events.len() as u64;
        self.events.push(Event::new(seq, at, kind));
    }

    pub(crate) fn who(task: &str, index: u64, label: &str) -> Who {
        let mut key = [0; 16];
        let name = format!("{label:0>16}");
        key.copy_from_slice(&name.as_bytes()[name.len() - 16..]);
        Who {
            id: format!("{task}/{index}"),
            task: task.into(),
            index,
            label: label.into(),
            item: None,
            key: Some(Key(key)),
        }
    }

    pub(crate) fn start(&mut self, who: &Who, attempt: u32, worker: Option<u64>) {
        self.tell(Kind::Started {
            who: who.clone(),
            attempt,
            pid: Some(1),
            worker,
        });
    }

    pub(crate) fn end(&mut self, who: &Who, attempt: u32, how: How) {
        let output_at = self.output.0.len() as u64;
        self.output.0.extend(&how.stdout);
        self.output.0.extend(&how.stderr);
        let tail = match how.outcome {
            Outcome::Success => Text::default(),
            _ => Text(how.stderr[how.stderr.len().saturating_sub(4096)..].to_vec()),
        };
        let end = Ended {
            outcome: how.outcome,
            exit: how.exit,
            signal: how.signal,
            why: how.why.map(str::to_owned),
            retry: how.retry,
            leaky: false,
            wall: Duration::from_micros(how.wall),
            user: Duration::from_micros(how.cpu),
            system: Duration::ZERO,
            peak_rss: how.rss,
            stdout: how.stdout.len() as u64,
            stderr: how.stderr.len() as u64,
            tail,
            output_at: Some(output_at),
            content: None,
            memory_by: None,
            memory_peak: None,
        };
        self.tell(Kind::Finished {
            who: who.clone(),
            attempt,
            end: Box::new(end),
        });
    }

    /// One attempt after the other on worker 0.
    pub(crate) fn ran(&mut self, who: &Who, attempt: u32, how: How) {
        self.start(who, attempt, Some(0));
        self.now += how.wall;
        self.end(who, attempt, how);
    }

    pub(crate) fn over(&mut self, counts: Counts) {
        self.tell(Kind::RunFinished {
            counts,
            signal: None,
            broken: None,
            halted: None,
        });
    }

    pub(crate) fn report(&self) -> Report {
        let mut fold = Fold::new();
        self.events.iter().for_each(|event| fold.apply(event));
        fold.finish()
    }
}

/// A long night: `instances` of three tasks on eight workers, with failures of every kind, retries, hostile labels
/// and output.
pub(crate) fn night(instances: u64) -> Made {
    let mut made = Made::begun(&[
        ("fetch", instances / 2),
        ("<b>convert</b>", instances - instances / 2),
        ("index", 1),
    ]);
    let mut seed = 88172645463325252u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let mut counts = Counts {
        planned: instances + 1,
        ..Counts::default()
    };
    // When each worker is free, what it does, how that ends.
    let mut lanes: Vec<Option<(u64, Who, u32, How)>> = vec![None; 8];
    let mut next = 0;
    let mut again: Vec<(Who, u32)> = Vec::new();
    loop {
        for (worker, lane) in lanes.iter_mut().enumerate().filter(|(_, lane)| lane.is_none()) {
            let (who, attempt) = match again.pop() {
                Some((who, attempt)) => {
                    made.tell(Kind::Retried {
                        who: who.clone(),
                        attempt,
                    });
                    (who, attempt)
                }
                None if next < instances => {
                    let (task, index) = if next < instances / 2 {
                        ("fetch", next)
                    } else {
                        ("<b>convert</b>", next - instances / 2)
                    };
                    next += 1;
                    let label = match index {
                        7 => "</script><img src=x onerror=alert(1)>".to_owned(),
                        8 => format!("{task}(<!-- \u{202e}\u{2028} & é 日本)"),
                        _ => format!("{task}(photos/2026/{:02}/img_{index:05}.jpg)", index % 12 + 1),
                    };
                    (Made::who(task, index, &label), 1)
                }
                None => continue,
            };
            let wall =
                400 + random(60) * random(60) * random(60) + if random(500) == 0 { 900_000 } else { 0 };
            let mut how = How {
                wall,
                cpu: wall * (20 + random(80)) / 100,
                rss: (6 + random(90)) << 20,
                stdout: format!("converted {} to 200x150\n", who.index).into_bytes(),
                ..success()
            };
            match random(400) {
                0 => {
                    how = How {
                        stderr: format!("\x1b[31merror\x1b[0m: cannot read {}: </pre><script>alert(2)</script>\nat line {}\n", who.index, random(99)).into_bytes(),
                        retry: attempt == 1 && who.task == "fetch",
                        ..How { outcome: Outcome::Failed, exit: Some(3), why: Some("exit 3"), ..how }
                    };
                }
                1 => {
                    how = How {
                        outcome: Outcome::Failed,
                        exit: None,
                        signal: Some(11),
                        why: Some("signal 11 (SEGV)"),
                        stderr: vec![b'x'; 300_000],
                        ..how
                    }
                }
                2 if random(2) == 0 => {
                    how = How {
                        outcome: Outcome::Timeout,
                        exit: None,
                        signal: Some(15),
                        why: Some("timed out after 30s"),
                        ..how
                    }
                }
                3 if random(3) == 0 => {
                    how = How {
                        outcome: Outcome::Memory,
                        exit: None,
                        signal: Some(9),
                        why: Some("exceeded its memory limit of 1 GiB"),
                        ..how
                    }
                }
                4..8 if attempt == 1 => {
                    how = How {
                        retry: true,
                        stderr: b"connection reset\n".to_vec(),
                        ..How {
                            outcome: Outcome::Failed,
                            exit: Some(1),
                            why: Some("exit 1"),
                            ..how
                        }
                    };
                }
                _ => {}
            }
            made.start(&who, attempt, Some(worker as u64));
            *lane = Some((made.now + wall, who, attempt, how));
        }
        let Some(lane) = (0..lanes.len())
            .filter(|l| lanes[*l].is_some())
            .min_by_key(|l| lanes[*l].as_ref().map(|x| x.0))
        else {
            break;
        };
        let (at, who, attempt, how) = lanes[lane].take().expect("chosen");
        made.now = at;
        match (how.outcome, how.retry) {
            (Outcome::Success, _) => counts.succeeded += 1,
            (_, true) => {
                counts.retried += 1;
                again.push((who.clone(), attempt + 1));
            }
            _ => counts.failed += 1,
        }
        made.end(&who, attempt, how);
    }
    let culprit = made.events.iter().rev().find_map(|event| match &event.kind {
        Kind::Finished { who, end, .. } if !end.outcome.is_success() => Some(who.label.clone()),
        _ => None,
    });
    if let Some(by) = culprit {
        counts.blocked = 1;
        made.tell(Kind::Blocked {
            who: Made::who("index", 0, "index"),
            by,
        });
    }
    made.now += 100;
    made.over(counts);
    made
}
