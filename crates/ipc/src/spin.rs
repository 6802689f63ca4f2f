//! Looking for something for a moment before sleeping.
//!
//! To wake a thread on another CPU takes tens of microseconds, to poll memory a fraction of one. So looking pays
//! while events come in quick succession and a CPU is to spare, and is a waste otherwise. A spin learns which of
//! the two it is: from whether looking has found something lately, from how short the sleeps after it were, and
//! from how long the CPU was gone when it was offered to others.

use std::time::{Duration, Instant};

/// A wake-up across CPUs takes about 50 us on a virtual machine; looking for twice as long outlasts it.
const MOST: Duration = Duration::from_micros(120);
/// The shortest look that still tells whether something comes at once.
const LEAST: Duration = Duration::from_micros(2);
/// Whoever got the CPU instead of us for this long has work to do.
const LOST: Duration = Duration::from_micros(50);
/// How long to keep from spinning where CPUs are scarce, at first and at most.
const SCARCE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(64));

/// One waiter's experience.
#[derive(Debug)]
pub struct Spin {
    budget: Duration,
    scarce_until: Option<Instant>,
    pause: Duration,
}

impl Default for Spin {
    fn default() -> Spin {
        Spin {
            budget: MOST,
            scarce_until: None,
            pause: SCARCE.0,
        }
    }
}

impl Spin {
    /// Looks for as long as that has paid lately. True: `ready` has said so.
    pub fn look(&mut self, mut ready: impl FnMut() -> bool) -> bool {
        const LOOKS: u32 = 32;
        for _ in 0..LOOKS {
            if ready() {
                return true;
            }
            std::hint::spin_loop();
        }
        let start = Instant::now();
        if self.scarce_until.is_some_and(|until| start < until) {
            return false;
        }
        self.scarce_until = None;
        let mut now = start;
        while now - start < self.budget {
            for _ in 0..LOOKS {
                if ready() {
                    self.budget = MOST;
                    return true;
                }
                std::hint::spin_loop();
            }
            // Whoever else wants this CPU has more to do with it than look.
            let before = Instant::now();
            if before - start > LEAST {
                rustix::thread::sched_yield();
            }
            now = Instant::now();
            if now - before > LOST {
                self.scarce_until = now.checked_add(self.pause);
                self.pause = (self.pause * 2).min(SCARCE.1);
                return ready();
            }
        }
        false
    }

    /// After looking in vain: how long the sleep then was.
    pub fn slept(&mut self, how_long: Duration) {
        if how_long < MOST {
            self.budget = MOST;
            self.pause = SCARCE.0;
        } else {
            self.budget = (self.budget / 2).max(LEAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_and_what_is_not_ends_the_look() {
        let mut spin = Spin::default();
        let mut looks = 0;
        assert!(spin.look(|| {
            looks += 1;
            looks == 20
        }));
        assert!(!spin.look(|| false));
    }

    #[test]
    fn long_sleeps_shorten_the_look_and_a_short_one_restores_it() {
        let mut spin = Spin::default();
        for _ in 0..20 {
            spin.slept(Duration::from_secs(1));
        }
        assert_eq!(spin.budget, LEAST);
        spin.slept(Duration::from_micros(10));
        assert_eq!(spin.budget, MOST);
    }
}
