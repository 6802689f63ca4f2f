//! How many records a worker may send: a burst at once, and so many a second in the long run. A task that tells more than
//! anybody reads then costs itself a little time, and the pool no more than that share.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How many may be sent in one go.
const BURST: u64 = 10_000;
/// How long it takes until one more may, in nanoseconds: 20,000 a second.
const EACH: u64 = 50_000;

pub(super) struct Budget(Mutex<State>);

struct State {
    left: u64,
    /// Up to when it was filled.
    filled: Instant,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget(Mutex::new(State {
            left: BURST,
            filled: Instant::now(),
        }))
    }
}

impl Budget {
    /// Takes one. False: there is none.
    pub(super) fn take(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.left == 0 {
            state.fill(Instant::now());
        }
        let may = state.left > 0;
        state.left = state.left.saturating_sub(1);
        may
    }
}

impl State {
    fn fill(&mut self, now: Instant) {
        let nanos = now.saturating_duration_since(self.filled).as_nanos();
        let more = u64::try_from(nanos).unwrap_or(u64::MAX) / EACH;
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.filled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_as_many_as_time_brings() {
        let start = Instant::now();
        let mut state = State {
            left: BURST,
            filled: start,
        };
        state.left = 0;
        state.fill(start + Duration::from_nanos(EACH - 1));
        assert_eq!(state.left, 0);
        state.fill(start + Duration::from_nanos(EACH * 3));
        assert_eq!(state.left, 3);
        state.left = 0;
        state.fill(start + Duration::from_secs(3600));
        assert_eq!(state.left, BURST);
    }
}
