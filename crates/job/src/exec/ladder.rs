//! The kill ladder as a value: which signal is due when. It knows no process and reads no clock.

use std::time::{Duration, Instant};

use crate::command::KillStep;

pub(super) const KILL: i32 = 9;

/// How far up its ladder a command is.
pub(super) struct Ladder<'a> {
    steps: &'a [KillStep],
    sent: usize,
    /// When the next signal is due; `None`: KILL was sent, nothing is left to do but wait.
    due: Option<Instant>,
}

impl<'a> Ladder<'a> {
    pub(super) fn new(steps: &'a [KillStep], now: Instant) -> Ladder<'a> {
        Ladder {
            steps,
            sent: 0,
            due: Some(now),
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The signal that is due at `now`, if one is. Whatever the steps say, the last one is KILL.
    pub(super) fn climb(&mut self, now: Instant) -> Option<i32> {
        if now < self.due? {
            return None;
        }
        let step = self.steps.get(self.sent).copied();
        let step = step.unwrap_or(KillStep {
            signal: KILL,
            wait: Duration::ZERO,
        });
        self.sent += 1;
        self.due = if step.signal == KILL {
            None
        } else {
            now.checked_add(step.wait)
        };
        Some(step.signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(signal: i32, ms: u64) -> KillStep {
        KillStep {
            signal,
            wait: Duration::from_millis(ms),
        }
    }

    #[test]
    fn each_step_waits_for_the_one_before() {
        let t = Instant::now();
        let steps = [step(2, 10), step(15, 20), step(9, 0)];
        let mut ladder = Ladder::new(&steps, t);
        assert_eq!(ladder.climb(t), Some(2));
        assert_eq!(ladder.climb(t + Duration::from_millis(9)), None);
        assert_eq!(ladder.climb(t + Duration::from_millis(10)), Some(15));
        assert_eq!(ladder.climb(t + Duration::from_millis(29)), None);
        assert_eq!(ladder.climb(t + Duration::from_millis(31)), Some(9));
        assert_eq!(ladder.due(), None);
        assert_eq!(ladder.climb(t + Duration::from_secs(99)), None);
    }

    #[test]
    fn a_ladder_without_kill_ends_in_kill_all_the_same() {
        let t = Instant::now();
        let steps = [step(15, 5)];
        let mut ladder = Ladder::new(&steps, t);
        assert_eq!(ladder.climb(t), Some(15));
        assert_eq!(ladder.climb(t + Duration::from_millis(5)), Some(KILL));
        assert_eq!(Ladder::new(&[], t).climb(t), Some(KILL));
    }
}
