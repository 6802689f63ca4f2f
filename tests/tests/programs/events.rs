//! The structured events that a subscriber sees.

use pexec_tests::{LeakSweep, Program};

use crate::MISBEHAVE;

#[test]
fn a_subscriber_sees_spawn_ready_dispatch_outcome_death_and_replacement() {
    let _sweep = LeakSweep::new();
    let mut program = Program::start(MISBEHAVE, &["events"], &[]);
    let ended = program.wait();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let mut from = 0;
    // In this order, with anything between.
    for (message, field) in [
        ("worker started", "slot=0"),
        ("worker ready", "pid="),
        ("dispatched", "attempt=1"),
        ("outcome", "ok=true"),
        ("dispatched", "attempt=1"),
        ("worker ended", "SIGKILL"),
        ("outcome", "the bad one"),
        ("worker started", "slot=0"),
        ("worker ready", "pid="),
        ("outcome", "ok=true"),
        ("pool closed", "seen"),
    ] {
        let found = lines[from..]
            .iter()
            .position(|l| l.contains(message) && l.contains(field));
        let found =
            found.unwrap_or_else(|| panic!("no {message:?} with {field:?} behind line {from}: {ended:?}"));
        from += found + 1;
    }
    assert_eq!(lines.last(), Some(&"end"));
    program.assert_nothing_left();
}
