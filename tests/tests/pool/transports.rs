//! The guarantees hold on either way that tasks can travel: what the other modules show over shared memory is shown
//! again over sockets.

use std::process::{Command, Stdio};

use pexec_tests::LeakSweep;

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
    let output = Command::new(std::env::current_exe().expect("a path"))
        .args(MODULES)
        .args(["--skip", "transports::", "--test-threads=1"])
        .env("PEXEC_TRANSPORT", "socket")
        .stdin(Stdio::null())
        .output()
        .expect("this very binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "over sockets: {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        !text.contains(" 0 passed"),
        "the modules' names have changed: {text}"
    );
}
