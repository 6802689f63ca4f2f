//! Progress as a line at intervals, for logs: soon at first, then less and less often, and none for a short run.

use std::time::{Duration, Instant};

use super::{Counts, Facts, Running, rate::Rate, status};
use crate::wording::{count, whole_span};

/// When the first line comes, and how far apart lines are in the end.
const FIRST: Duration = Duration::from_secs(1);
const SLOWEST: Duration = Duration::from_secs(10);

/// How many of those that run are named where nothing else has happened.
const NAMED: usize = 3;

/// Where the lines stand.
pub(super) struct Plain {
    rate: Rate,
    pace: Pace,
    /// How many were done at the last line.
    done: Option<u64>,
}

impl Plain {
    pub(super) fn new(now: Instant) -> Plain {
        Plain {
            rate: Rate::new(now),
            pace: Pace {
                next: now + FIRST,
                interval: FIRST,
            },
            done: None,
        }
    }

    /// A line, if it is time for one.
    pub(super) fn tick(&mut self, now: Instant, facts: &dyn Facts) -> Option<String> {
        if !self.rate.is_due(now) && !self.pace.is_due(now) {
            return None;
        }
        let counts = facts.counts();
        let per_second = self
            .rate
            .update(now, counts.instances.done() - counts.instances.kept);
        if !self.pace.due(now) {
            return None;
        }
        let done = counts.instances.done();
        if self.done.replace(done) == Some(done) {
            return Some(stuck(&counts, &facts.running(NAMED), facts.left()));
        }
        Some(line(&counts, per_second, facts.left()))
    }
}

fn line(counts: &Counts, per_second: Option<f64>, left: Option<(Duration, Duration)>) -> String {
    format!(
        "{}, {} running",
        status(counts, per_second, left),
        count(counts.instances.running)
    )
}

/// Nothing has ended since the last line: what is waited for says more than a rate from before, and a time left by that
/// rate would be wrong.
fn stuck(counts: &Counts, running: &[Running], left: Option<(Duration, Duration)>) -> String {
    let mut text = line(counts, None, left);
    if running.is_empty() {
        return text;
    }
    let named: Vec<String> = running
        .iter()
        .map(|one| format!("{} {}", one.label, whole_span(one.since)))
        .collect();
    text += &format!(": {}", named.join(", "));
    if counts.instances.running > running.len() as u64 {
        text += ", ..";
    }
    text
}

/// Intervals that double up to a limit.
struct Pace {
    next: Instant,
    interval: Duration,
}

impl Pace {
    fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    fn due(&mut self, now: Instant) -> bool {
        if !self.is_due(now) {
            return false;
        }
        self.interval = (self.interval * 2).min(SLOWEST);
        self.next = now + self.interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pexec_job::event;

    #[test]
    fn lines_come_after_a_second_and_then_less_and_less_often() {
        let start = Instant::now();
        let mut pace = Plain::new(start).pace;
        let due: Vec<u64> = (0..60)
            .filter(|&s| pace.due(start + Duration::from_secs(s)))
            .collect();
        assert_eq!(due, [1, 3, 7, 15, 25, 35, 45, 55]);
    }

    #[test]
    fn a_line_after_which_nothing_has_ended_names_what_runs() {
        struct Slow;
        impl Facts for Slow {
            fn counts(&self) -> Counts {
                let instances = event::Counts {
                    planned: 9,
                    succeeded: 5,
                    running: 4,
                    ..event::Counts::default()
                };
                Counts {
                    instances,
                    complete: true,
                }
            }

            fn running(&self, most: usize) -> Vec<Running> {
                let running =
                    [("a(x)", 90), ("a(y)", 9), ("a(z)", 3), ("b", 0)].map(|(label, seconds)| Running {
                        label: label.to_owned(),
                        since: Duration::from_secs(seconds),
                    });
                running.into_iter().take(most).collect()
            }

            fn left(&self) -> Option<(Duration, Duration)> {
                None
            }
        }
        let start = Instant::now();
        let mut plain = Plain::new(start);
        let at = |plain: &mut Plain, s| plain.tick(start + Duration::from_secs(s), &Slow);
        assert_eq!(
            at(&mut plain, 1).as_deref(),
            Some("5/9 done, 5.0/s, 0s left, 4 running")
        );
        assert_eq!(at(&mut plain, 2), None);
        assert_eq!(
            at(&mut plain, 3).as_deref(),
            Some("5/9 done, 4 running: a(x) 1m 30s, a(y) 9s, a(z) 3s, ..")
        );
    }

    #[test]
    fn a_line_tells_counts_rate_and_time_left() {
        let instances = event::Counts {
            planned: 5000,
            succeeded: 1200,
            failed: 3,
            running: 8,
            ..event::Counts::default()
        };
        let counts = Counts {
            instances,
            complete: true,
        };
        assert_eq!(
            line(&counts, Some(512.0), None),
            "1,203/5,000 done, 3 failed, 512/s, 7s left, 8 running"
        );
        let instances = event::Counts {
            failed: 0,
            blocked: 2,
            ..instances
        };
        let stream = Counts {
            instances,
            complete: false,
        };
        assert_eq!(line(&stream, None, None), "1,202 done, 2 blocked, 8 running");
    }
}
