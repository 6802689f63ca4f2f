//! Progress as a line at intervals, for logs: soon at first, then less and less often, and none for a short run.

use std::time::{Duration, Instant};

use super::{Counts, Facts, rate::Rate, status};

/// When the first line comes, and how far apart lines are in the end.
const FIRST: Duration = Duration::from_secs(1);
const SLOWEST: Duration = Duration::from_secs(10);

/// Where the lines stand.
pub(super) struct Plain {
    rate: Rate,
    pace: Pace,
}

impl Plain {
    pub(super) fn new(now: Instant) -> Plain {
        Plain {
            rate: Rate::new(now),
            pace: Pace {
                next: now + FIRST,
                interval: FIRST,
            },
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
        self.pace
            .due(now)
            .then(|| line(&counts, per_second, facts.left()))
    }
}

fn line(counts: &Counts, per_second: Option<f64>, left: Option<(Duration, Duration)>) -> String {
    format!(
        "{}, {} running",
        status(counts, per_second, left),
        crate::wording::count(counts.instances.running)
    )
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
