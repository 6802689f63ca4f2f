//! The clock of an attempt: it stands while the run is paused, so that what was stopped with it is not charged for it.

use std::time::Instant;

/// The instant by this clock, which must not be mixed with `Instant::now`.
pub(super) fn now() -> Instant {
    let now = Instant::now();
    // A worker has not been stopped for longer than it lives.
    now.checked_sub(pexec::worker::suspended()).unwrap_or(now)
}
