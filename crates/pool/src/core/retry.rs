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
/// ```
/// use std::time::Duration;
/// use pexec::{Cause, Retry};
/// let retry = Retry::times(2)
///     .backoff(Duration::from_millis(100), 2.0, Duration::from_secs(5))
///     .on([Cause::Crashed, Cause::TimedOut]);
/// # let _ = retry;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    times: u32,
    first: Duration,
    factor: f64,
    cap: Duration,
    causes: u8,
}

impl Retry {
    /// This many extra attempts, after a crash only, without a pause.
    pub fn times(n: u32) -> Retry {
        Retry {
            times: n,
            first: Duration::ZERO,
            factor: 1.0,
            cap: Duration::MAX,
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

    /// The causes that earn another attempt, instead of [`Cause::Crashed`] alone.
    pub fn on(mut self, causes: impl IntoIterator<Item = Cause>) -> Retry {
        self.causes = causes.into_iter().fold(0, |bits, cause| bits | cause.bit());
        self
    }

    /// Whether attempt number `attempt` (from 1) that ended for this cause is followed by another one.
    pub(crate) fn again(&self, attempt: u32, cause: Cause) -> bool {
        attempt <= self.times && self.causes & cause.bit() != 0
    }

    /// The pause before the attempt that follows attempt number `attempt` (from 1).
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        // Nothing remains nothing; times a factor that has grown beyond all numbers it would be no number.
        if self.first.is_zero() {
            return Duration::ZERO;
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * self.factor.powi(exponent);
        if seconds < self.cap.as_secs_f64() {
            Duration::from_secs_f64(seconds)
        } else {
            self.cap
        }
    }
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
        let pauses: Vec<_> = [1, 2, 4, 5, u32::MAX].map(|n| retry.pause(n).as_millis()).into();
        assert_eq!(pauses, [100, 200, 800, 1000, 1000]);
        assert_eq!(Retry::times(1).pause(7), Duration::ZERO);
        let nothing = Retry::times(9).backoff(Duration::ZERO, 2.0, Duration::from_secs(1));
        assert_eq!(nothing.pause(5000), Duration::ZERO);
        assert_eq!(
            Retry::times(1)
                .backoff(Duration::MAX, f64::INFINITY, Duration::MAX)
                .pause(2),
            Duration::MAX
        );
    }

    #[test]
    fn only_the_named_causes_earn_another_attempt() {
        let retry = Retry::times(2).on([Cause::TimedOut]);
        assert!(retry.again(2, Cause::TimedOut));
        assert!(!retry.again(3, Cause::TimedOut));
        assert!(!retry.again(1, Cause::Crashed));
        assert!(Retry::times(1).again(1, Cause::Crashed));
    }
}
