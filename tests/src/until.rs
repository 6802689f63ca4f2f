//! Waiting for what must come, without saying when: the limit is a watchdog, never a figure that is tested.

use std::time::{Duration, Instant};

/// Long enough for anything that is going to happen on a loaded machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits until `holds` says yes.
///
/// # Panics
///
/// When that does not happen: the text says what was waited for.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
