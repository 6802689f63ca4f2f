//! When a run ends before its time: the policy of `halt`, read from its text and decided from counts. Pure.
//!
//! What always holds: instances are counted, not attempts; what was blocked or stopped is neither a success nor a
//! failure; a percentage is of all instances, so it decides nothing while their number is not known.

use std::fmt;
use std::str::FromStr;

use crate::event::Counts;

/// `soon,fail=1`, `now,success=30%` and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halt {
    /// What becomes of what runs.
    pub when: When,
    /// What is counted.
    pub what: What,
    /// How many of these are enough.
    pub enough: Enough,
}

/// What becomes of what runs when the policy is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It may end; nothing new starts.
    Soon,
    /// It gets its kill ladder.
    Now,
}

/// The instances that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Those that failed for good.
    Fail,
    /// Those that succeeded.
    Success,
    /// Both.
    Done,
}

/// How many are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// So many; at least one.
    Count(u64),
    /// So many of a hundred planned ones, rounded up; 1 to 100.
    Percent(u32),
}

/// What a policy looks like.
const EXPECTED: &str = "expected \"never\", or \"soon\" or \"now\" with fail, success or done and a number or a percentage, as in \
    \"soon,fail=1\" or \"now,success=30%\"";

impl Halt {
    /// The policy of this text; `None` is `never`.
    ///
    /// # Errors
    ///
    /// What was expected instead.
    ///
    /// ```
    /// use pexec_job::plan::Halt;
    /// assert_eq!(Halt::read("never"), Ok(None));
    /// assert_eq!(Halt::read("soon,fail=10%").unwrap().unwrap().to_string(), "soon,fail=10%");
    /// assert!(Halt::read("soon,fail=0").is_err());
    /// ```
    pub fn read(text: &str) -> Result<Option<Halt>, String> {
        match text.trim() {
            "never" => Ok(None),
            policy => policy.parse().map(Some),
        }
    }

    /// Whether the counts meet it; `complete`: no more instances will become known.
    pub fn is_met(&self, counts: Counts, complete: bool) -> bool {
        let so_far = match self.what {
            What::Fail => counts.failed,
            What::Success => counts.succeeded,
            What::Done => counts.failed + counts.succeeded,
        };
        match self.enough {
            Enough::Count(n) => so_far >= n,
            Enough::Percent(percent) => {
                let needed = (u128::from(counts.planned) * u128::from(percent)).div_ceil(100);
                complete && so_far > 0 && u128::from(so_far) >= needed
            }
        }
    }

    /// To meet it is what the run was for.
    pub fn is_success(&self) -> bool {
        self.what == What::Success
    }
}

impl FromStr for Halt {
    type Err = String;

    fn from_str(text: &str) -> Result<Halt, String> {
        let expected = || EXPECTED.to_owned();
        let (when, rule) = text.split_once(',').ok_or_else(expected)?;
        let (what, enough) = rule.split_once('=').ok_or_else(expected)?;
        let when = match when.trim() {
            "soon" => When::Soon,
            "now" => When::Now,
            _ => return Err(expected()),
        };
        let what = match what.trim() {
            "fail" => What::Fail,
            "success" => What::Success,
            "done" => What::Done,
            _ => return Err(expected()),
        };
        let digits = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse::<u64>().ok()).flatten()
        };
        let enough = match enough.trim().strip_suffix('%') {
            Some(percent) => match digits(percent).ok_or_else(expected)? {
                percent @ 1..=100 => Enough::Percent(percent as u32),
                0 => return Err("0% would end the run before it began; expected 1% to 100%".to_owned()),
                _ => return Err("there are no more than 100%; expected 1% to 100%".to_owned()),
            },
            None => match digits(enough.trim()).ok_or_else(expected)? {
                0 => {
                    return Err(
                        "0 would end the run before it began; expected at least 1, or \"never\"".to_owned(),
                    );
                }
                n => Enough::Count(n),
            },
        };
        Ok(Halt { when, what, enough })
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.when {
            When::Soon => "soon",
            When::Now => "now",
        };
        let what = match self.what {
            What::Fail => "fail",
            What::Success => "success",
            What::Done => "done",
        };
        match self.enough {
            Enough::Count(n) => write!(f, "{when},{what}={n}"),
            Enough::Percent(n) => write!(f, "{when},{what}={n}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(planned: u64, succeeded: u64, failed: u64) -> Counts {
        Counts {
            planned,
            succeeded,
            failed,
            ..Counts::default()
        }
    }

    #[test]
    fn every_policy_is_written_as_it_is_read() {
        for when in ["soon", "now"] {
            for what in ["fail", "success", "done"] {
                for enough in ["1", "2", "30%", "100%"] {
                    let text = format!("{when},{what}={enough}");
                    let policy = Halt::read(&text).expect("a policy").expect("not never");
                    assert_eq!(policy.to_string(), text);
                }
            }
        }
        let spaced = Halt::read(" now , fail = 3 ")
            .expect("a policy")
            .expect("not never");
        assert_eq!(spaced.to_string(), "now,fail=3");
    }

    #[test]
    fn what_would_end_a_run_before_it_began_or_is_no_policy_is_refused() {
        for text in [
            "",
            "soon",
            "soon,fail",
            "soon,fail=",
            "fail=1",
            "later,fail=1",
            "now,oops=1",
            "now,fail=-1",
            "now,fail=+1",
            "now,fail=1.5",
            "now,fail=1%%",
            "never,fail=1",
            "now,fail=99999999999999999999",
        ] {
            assert!(Halt::read(text).is_err(), "{text:?}");
        }
        for text in ["now,fail=0", "soon,done=0%", "now,success=101%"] {
            let why = Halt::read(text).expect_err(text);
            assert!(why.contains("expected"), "{why}");
        }
    }

    #[test]
    fn a_percentage_is_rounded_up_and_waits_for_the_whole_number() {
        let policy = |text: &str| Halt::read(text).expect("a policy").expect("not never");
        let third = policy("soon,fail=30%");
        // 30% of 5 is 1.5, so two.
        assert!(!third.is_met(counts(5, 0, 1), true));
        assert!(third.is_met(counts(5, 0, 2), true));
        assert!(!third.is_met(counts(5, 0, 2), false));
        assert!(
            !policy("soon,done=1%").is_met(counts(0, 0, 0), true),
            "of nothing"
        );
        let two = policy("now,done=2");
        assert!(!two.is_met(counts(5, 1, 0), true));
        assert!(two.is_met(counts(5, 1, 1), false));
        assert!(policy("now,success=70%").is_met(counts(10, 7, 3), true));
        assert!(!policy("now,success=70%").is_met(counts(10, 6, 4), true));
    }
}
