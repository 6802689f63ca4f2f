//! The guarantees hold on either way that tasks can travel: what the other modules show over shared memory is shown
//! again over sockets.

use pexec_tests::LeakSweep;

use crate::again;

/// Where a lost frame, a lost wake-up or a death at the wrong moment would show.
const MODULES: [&str; 7] = [
    "shared_bytes::",
    "crashes::",
    "chaos::",
    "timeouts::",
    "stopping::",
    "messages::",
    "cancelling::",
];

#[test]
fn what_holds_over_shared_memory_holds_over_sockets() {
    let _sweep = LeakSweep::new();
    again::run(&MODULES, "PEXEC_TRANSPORT", "socket");
}
