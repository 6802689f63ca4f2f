//! A clock that can be stopped: for timers that are not to run while what they watch over does not.
//!
//! Its instants are earlier than those of `Instant::now` by as much as it stood, so the two must not be mixed.

use std::time::{Duration, Instant};

/// A clock, and for how long it has stood.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    stood: Duration,
    stopped: Option<Instant>,
}

impl Clock {
    /// The instant by this clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.of(self.stopped.unwrap_or_else(Instant::now))
    }

    /// What this clock shows, or would show if it ran, at this instant.
    #[must_use]
    pub fn of(&self, at: Instant) -> Instant {
        // It has not stood for longer than instants go back.
        at.checked_sub(self.stood).unwrap_or(at)
    }

    /// When this clock will show `at`, if it goes on running; `None`: it does not run.
    #[must_use]
    pub fn when(&self, at: Instant) -> Option<Instant> {
        match self.stopped {
            None => at.checked_add(self.stood),
            Some(_) => None,
        }
    }

    /// It stands.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Stops it; one that stands goes on standing.
    pub fn stop(&mut self) {
        self.stopped.get_or_insert_with(Instant::now);
    }

    /// Lets it run again, and tells for how long it has stood this time.
    pub fn go_on(&mut self) -> Duration {
        let stood = self.stopped.take().map_or(Duration::ZERO, |at| at.elapsed());
        self.stood += stood;
        stood
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_passes_while_it_stands() {
        let mut clock = Clock::default();
        clock.stop();
        let then = clock.now();
        std::thread::sleep(Duration::from_millis(3));
        clock.stop();
        assert_eq!(clock.now(), then);
        assert_eq!(clock.when(then), None, "never, as long as it stands");
        let stood = clock.go_on();
        assert!(stood >= Duration::from_millis(3));
        assert!(clock.now() >= then && clock.now() <= Instant::now() - stood);
        let later = then + Duration::from_secs(9);
        assert_eq!(clock.when(later), Some(later + stood));
        assert_eq!(clock.of(later + stood), later);
        assert_eq!(clock.go_on(), Duration::ZERO, "it runs already");
    }
}
