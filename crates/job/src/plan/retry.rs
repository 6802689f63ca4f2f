//! Whether an attempt that failed is followed by another one, and after what pause. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How failures get another chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Extra attempts after the first.
    pub times: u32,
    /// The pauses before them; `None`: none.
    pub backoff: Option<Backoff>,
    /// What earns one.
    pub on: Vec<Cause>,
}

/// How an attempt failed, as far as another one is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An exit code that is no success, a command that could not be started, a function that returned an error or
    /// panicked.
    Exit,
    /// A signal, or a worker that crashed.
    Signal,
    /// It ran longer than its timeout.
    Timeout,
    /// It exceeded its memory.
    Memory,
}

/// The pauses between attempts: from the first of these to at most the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest pause.
    pub from: Duration,
    /// The longest one; not shorter.
    pub to: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry {
            times: 0,
            backoff: None,
            on: vec![Cause::Exit, Cause::Signal],
        }
    }
}

impl Retry {
    /// So many extra attempts, at once, after an exit code or a signal.
    pub fn times(times: u32) -> Retry {
        Retry {
            times,
            ..Retry::default()
        }
    }

    /// Whether attempt number `attempt`, which failed for this cause, is followed by another one.
    pub fn again(&self, attempt: u32, cause: Cause) -> bool {
        attempt <= self.times && self.on.contains(&cause)
    }

    /// The pause after attempt number `attempt`; the same for the same seed.
    pub fn pause(&self, attempt: u32, seed: u64) -> Duration {
        self.backoff
            .map_or(Duration::ZERO, |backoff| backoff.pause(attempt, seed))
    }
}

impl Cause {
    /// Every cause and its name in a job file.
    pub const ALL: [(&'static str, Cause); 4] = [
        ("exit", Cause::Exit),
        ("signal", Cause::Signal),
        ("timeout", Cause::Timeout),
        ("memory", Cause::Memory),
    ];
}

impl Backoff {
    /// The pause after attempt number `attempt` (from 1): anything between `from` and what has doubled with every
    /// attempt, which is never more than `to`. So those that failed together do not come back together.
    pub fn pause(&self, attempt: u32, seed: u64) -> Duration {
        let doubled = 2u32.checked_pow(attempt).and_then(|n| self.from.checked_mul(n));
        let most = doubled.unwrap_or(self.to).min(self.to);
        let share = mix(seed ^ u64::from(attempt).rotate_left(32)) >> 11;
        // 53 bits: a number from 0 to 1 that a float can hold.
        let share = share as f64 / (1u64 << 53) as f64;
        self.from + most.saturating_sub(self.from).mul_f64(share)
    }
}

/// Every bit of the answer depends on every bit of `n`, so that neighbours have nothing in common.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

impl FromStr for Backoff {
    type Err = String;

    fn from_str(text: &str) -> Result<Backoff, String> {
        // What no clock can add up is as good as a mistake.
        const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
        let duration = |text: &str| {
            let duration = humantime::parse_duration(text.trim()).map_err(|error| error.to_string())?;
            match duration <= LONGEST {
                true => Ok(duration),
                false => Err("a pause of over a year".to_owned()),
            }
        };
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (duration(from)?, duration(to)?),
            None => (duration(text)?, duration(text)?),
        };
        match from <= to {
            true => Ok(Backoff { from, to }),
            false => Err("the longest pause is shorter than the first".to_owned()),
        }
    }
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from == self.to {
            true => write!(f, "{}", humantime::format_duration(self.from)),
            false => {
                let [from, to] = [self.from, self.to].map(humantime::format_duration);
                write!(f, "{from}..{to}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn backoff(text: &str) -> Backoff {
        text.parse().expect("a pause")
    }

    #[test]
    fn pauses_double_from_the_first_to_the_longest_and_are_spread() {
        let backoff = backoff("1s..60s");
        let mut spread = 0;
        for seed in 0..200 {
            for attempt in 1..50 {
                let pause = backoff.pause(attempt, seed);
                let most = SECOND * 2u32.saturating_pow(attempt).min(60);
                assert!(pause >= SECOND && pause <= most, "{attempt}: {pause:?}");
                spread += u32::from(attempt > 6 && pause > SECOND * 30);
            }
            assert_eq!(backoff.pause(3, seed), backoff.pause(3, seed));
        }
        // About half of the 8600 late ones.
        assert!((3500..5000).contains(&spread), "{spread}");
    }

    #[test]
    fn a_single_pause_is_always_the_same() {
        let constant = backoff("250ms");
        for attempt in [1, 2, 40, u32::MAX] {
            assert_eq!(constant.pause(attempt, 7), Duration::from_millis(250));
        }
        assert_eq!(backoff("0s..0s").pause(u32::MAX, 1), Duration::ZERO);
    }

    #[test]
    fn a_pause_is_one_duration_or_two_that_grow() {
        assert_eq!(backoff(" 1s .. 1m ").to_string(), "1s..1m");
        assert_eq!(backoff("1m30s").to_string(), "1m 30s");
        for wrong in ["", "..", "1s..", "..1s", "5", "2s..1s", "1s..2s..3s", "2years"] {
            assert!(wrong.parse::<Backoff>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_earns_another_attempt_is_counted() {
        let retry = Retry::times(2);
        assert!(retry.again(2, Cause::Exit) && retry.again(1, Cause::Signal));
        assert!(!retry.again(3, Cause::Exit));
        assert!(!retry.again(1, Cause::Timeout) && !retry.again(1, Cause::Memory));
    }
}
