//! Running time: how far the events have come, in microseconds.
//!
//! Stamps are wall clock, which can be set back; running time never goes back. The time between a run's end and its
//! resumption is not in it, or a night in between would leave nothing to see of both.

use jiff::Timestamp;

/// The time of the event that is being read.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: u64,
    last: Option<Timestamp>,
}

impl Clock {
    /// An event of this stamp follows.
    pub(super) fn advance(&mut self, at: Timestamp) -> u64 {
        if let Some(last) = self.last {
            let passed = at.duration_since(last).as_micros();
            self.now += u64::try_from(passed).unwrap_or(0);
        }
        self.last = Some(at);
        self.now
    }

    /// The run was resumed at this stamp, at a time that is no earlier than `least`.
    pub(super) fn resume(&mut self, at: Timestamp, least: u64) -> u64 {
        self.now = self.now.max(least);
        self.last = Some(at);
        self.now
    }

    /// The time of the latest event.
    pub(super) fn now(&self) -> u64 {
        self.now
    }
}
