//! Whether and when a task that ended badly runs again.

use std::time::Duration;

/// Why an attempt ended badly, as far as trying again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The worker crashed.
    Crashed,
    /// The task timed out.
    TimedOut,
    /// A resource limit was exceeded.
    LimitExceeded,
    /// The function panicked.
    Panicked,
}

/// Whether a task that ended badly runs again. Off by default: a task that started may have had effects.
///
/// A task that ends worker after worker is stopped by [`crash_limit`](Retry::crash_limit), however many attempts are
/// left. The error of a task that had several attempts tells of each; see [`TaskError::attempts`].
///
/// ```
/// use std::time::Duration;
/// use pexec::{Cause, Retry};
/// let retry = Retry::times(2)
///     .backoff(Duration::from_millis(100), 2.0, Duration::from_secs(5))
///     .jitter(0.5)
///     .on([Cause::Crashed, Cause::TimedOut]);
/// # let _ = retry;
/// ```
///
/// [`TaskError::attempts`]: crate::TaskError::attempts
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    times: u32,
    first: Duration,
    factor: f64,
    cap: Duration,
    jitter: f64,
    crash_limit: u32,
    causes: u8,
}

/// Workers that one task may crash, where nothing else is said.
const CRASH_LIMIT: u32 = 5;

impl Retry {
    /// This many extra attempts, after a crash only, without a pause.
    pub fn times(n: u32) -> Retry {
        Retry {
            times: n,
            first: Duration::ZERO,
            factor: 1.0,
            cap: Duration::MAX,
            jitter: 0.0,
            crash_limit: CRASH_LIMIT,
            causes: Cause::Crashed.bit(),
        }
    }

    /// Waits `first` before the first extra attempt, `factor` times as long before each further one, never
    /// longer than `cap`. A factor that is not a number or under 1 counts as 1.
    pub fn backoff(mut self, first: Duration, factor: f64, cap: Duration) -> Retry {
        self.first = first;
        self.factor = if factor >= 1.0 { factor } else { 1.0 };
        self.cap = cap;
        self
    }

    /// Makes each pause shorter by a random share of at most this, so that many tasks that failed together do not come
    /// back together: with 1 a pause is anything from nothing to its full length ("full jitter"), with 0.5 at least
    /// half of it ("equal jitter"), with 0 exact, which is the default. What is outside of 0 to 1 counts as the nearer
    /// end, what is no number as 0.
    pub fn jitter(mut self, share: f64) -> Retry {
        self.jitter = if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        };
        self
    }

    /// How many workers the task may crash: then it is quarantined, which means that it is not run again, whatever
    /// attempts are left. Default: 5. 0 counts as 1.
    pub fn crash_limit(mut self, n: u32) -> Retry {
        self.crash_limit = n.max(1);
        self
    }

    /// The causes that earn another attempt, instead of [`Cause::Crashed`] alone.
    pub fn on(mut self, causes: impl IntoIterator<Item = Cause>) -> Retry {
        self.causes = causes.into_iter().fold(0, |bits, cause| bits | cause.bit());
        self
    }

    /// Whether attempt number `attempt` (from 1) that ended for this cause is followed by another one, where the task
    /// has crashed so many workers by now.
    pub(crate) fn again(&self, attempt: u32, cause: Cause, crashes: u32) -> bool {
        attempt <= self.times && self.causes & cause.bit() != 0 && crashes < self.crash_limit
    }

    /// Whether this cause can earn another attempt.
    pub(crate) fn is_for(&self, cause: Cause) -> bool {
        self.times > 0 && self.causes & cause.bit() != 0
    }

    /// The pause before the attempt that follows attempt number `attempt` (from 1). Its jitter follows from `seed` and
    /// the attempt.
    pub(crate) fn pause(&self, attempt: u32, seed: u64) -> Duration {
        // Nothing remains nothing; times a factor that has grown beyond all numbers it would be no number.
        if self.first.is_zero() {
            return Duration::ZERO;
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * self.factor.powi(exponent);
        let full = if seconds < self.cap.as_secs_f64() {
            Duration::from_secs_f64(seconds)
        } else {
            self.cap
        };
        if self.jitter == 0.0 {
            return full;
        }
        let share = self.jitter * fraction(seed, attempt);
        // A share of at most 1, so it cannot be longer than the whole but by rounding.
        full - Duration::try_from_secs_f64(full.as_secs_f64() * share)
            .unwrap_or(full)
            .min(full)
    }
}

/// A number from 0 to under 1 that looks random and follows from these two (the mixer of SplitMix64: Steele, Lea,
/// Flood 2014).
fn fraction(seed: u64, attempt: u32) -> f64 {
    let mut mixed = seed.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

impl Cause {
    fn bit(self) -> u8 {
        match self {
            Cause::Crashed => 1,
            Cause::TimedOut => 2,
            Cause::LimitExceeded => 4,
            Cause::Panicked => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_cap_and_survives_any_attempt_number() {
        let retry = Retry::times(9).backoff(Duration::from_millis(100), 2.0, Duration::from_secs(1));
        let pauses: Vec<_> = [1, 2, 4, 5, u32::MAX]
            .map(|n| retry.pause(n, 7).as_millis())
            .into();
        assert_eq!(pauses, [100, 200, 800, 1000, 1000]);
        assert_eq!(Retry::times(1).pause(7, 7), Duration::ZERO);
        let nothing = Retry::times(9).backoff(Duration::ZERO, 2.0, Duration::from_secs(1));
        assert_eq!(nothing.pause(5000, 7), Duration::ZERO);
        assert_eq!(
            Retry::times(1)
                .backoff(Duration::MAX, f64::INFINITY, Duration::MAX)
                .pause(2, 7),
            Duration::MAX
        );
    }

    #[test]
    fn jitter_takes_a_share_of_the_pause_that_differs_from_task_to_task_and_attempt_to_attempt() {
        let second = Duration::from_secs(1);
        let retry = |share| Retry::times(9).backoff(second, 1.0, second).jitter(share);
        for (share, least) in [(0.5, 0.5), (1.0, 0.0), (7.0, 0.0)] {
            let pauses: Vec<f64> = (0..1000)
                .map(|task| retry(share).pause(1, task).as_secs_f64())
                .collect();
            assert!(pauses.iter().all(|&p| p >= least && p <= 1.0), "{share}");
            let spread = 1.0 - least;
            for quarter in 0..4 {
                let from = least + spread * f64::from(quarter) / 4.0;
                let there = pauses.iter().filter(|&&p| p >= from && p < from + spread / 4.0);
                assert!((150..350).contains(&there.count()), "evenly: {share}, {quarter}");
            }
        }
        assert_ne!(retry(1.0).pause(1, 3), retry(1.0).pause(2, 3));
        assert_eq!(
            retry(1.0).pause(2, 3),
            retry(1.0).pause(2, 3),
            "and is no accident"
        );
        for none in [0.0, -1.0, f64::NAN] {
            assert_eq!(retry(none).pause(1, 3), second);
        }
        let long = Retry::times(1)
            .backoff(Duration::MAX, 2.0, Duration::MAX)
            .jitter(1.0);
        assert!((0..100).all(|task| long.pause(1, task) <= Duration::MAX));
    }

    #[test]
    fn only_the_named_causes_earn_another_attempt() {
        let retry = Retry::times(2).on([Cause::TimedOut]);
        assert!(retry.again(2, Cause::TimedOut, 0));
        assert!(!retry.again(3, Cause::TimedOut, 0));
        assert!(!retry.again(1, Cause::Crashed, 1));
        assert!(Retry::times(1).again(1, Cause::Crashed, 1));
    }

    #[test]
    fn whoever_has_crashed_enough_workers_has_no_further_attempt() {
        let retry = Retry::times(100).on([Cause::Crashed, Cause::Panicked]);
        assert!(retry.again(4, Cause::Crashed, 4) && !retry.again(5, Cause::Crashed, 5));
        assert!(retry.again(50, Cause::Panicked, 4));
        assert!(Retry::times(100).crash_limit(9).again(8, Cause::Crashed, 8));
        assert!(!Retry::times(100).crash_limit(0).again(1, Cause::Crashed, 1));
    }
}
