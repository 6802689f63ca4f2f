//! How fast a run is and how long it will take: over the last seconds, because tasks differ.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back the rate looks.
const WINDOW: Duration = Duration::from_secs(20);
/// How far apart two samples are at least, so that a window is a bounded number of them.
const STEP: Duration = Duration::from_millis(250);

/// Samples of "this many were done by then".
pub(super) struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Starts with nothing done.
    pub(super) fn new(now: Instant) -> Rate {
        Rate {
            samples: VecDeque::from([(now, 0)]),
        }
    }

    /// A sample would be taken now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let last = self.samples.back();
        last.is_none_or(|&(at, _)| now.saturating_duration_since(at) >= STEP)
    }

    /// Notes the state of things and gives the rate per second, once there is something to tell it from.
    pub(super) fn update(&mut self, now: Instant, done: u64) -> Option<f64> {
        if self.is_due(now) {
            self.samples.push_back((now, done));
        }
        while self.samples.len() > 2 && now.saturating_duration_since(self.samples[1].0) >= WINDOW {
            self.samples.pop_front();
        }
        let &(since, before) = self.samples.front()?;
        let elapsed = now.saturating_duration_since(since);
        let gained = done.saturating_sub(before);
        (elapsed >= STEP && gained > 0).then(|| gained as f64 / elapsed.as_secs_f64())
    }
}

/// How long `left` more take at this rate.
pub(super) fn time_left(per_second: f64, left: u64) -> Option<Duration> {
    Duration::try_from_secs_f64(left as f64 / per_second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let mut done = 0;
        let mut last = None;
        for tenth in 1..=600u64 {
            // Ten a second for half a minute, then a thousand a second.
            done += if tenth <= 300 { 1 } else { 100 };
            last = rate.update(start + Duration::from_millis(tenth * 100), done);
        }
        let last = last.expect("something was done");
        assert!((990.0..=1010.0).contains(&last), "{last}");
        assert!(rate.samples.len() <= 82, "{} samples", rate.samples.len());
    }

    #[test]
    fn nothing_done_has_no_rate() {
        let start = Instant::now();
        assert_eq!(Rate::new(start).update(start + Duration::from_secs(5), 0), None);
        assert_eq!(Rate::new(start).update(start, 5), None);
    }

    #[test]
    fn the_time_left_follows_from_the_rate() {
        assert_eq!(time_left(10.0, 50), Some(Duration::from_secs(5)));
        assert_eq!(time_left(0.0, 50), None);
    }
}
