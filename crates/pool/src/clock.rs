//! The clock that all processes of a machine share: an instant that a worker has read means the same here.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since some instant of the past.
pub(crate) fn nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64)
        .saturating_mul(1_000_000_000)
        .saturating_add(now.tv_nsec as u64)
}
