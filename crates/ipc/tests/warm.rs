//! What the allocator is told, seen from outside: memory that is touched again is there. A process of its own, because what
//! one test tells holds for the whole of it.
#![cfg(target_env = "gnu")]

use std::hint::black_box;

use nix::sys::resource::{UsageWho, getrusage};
use pexec_ipc::warm;

/// How often this thread has touched memory that was not there.
fn faults() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("our own");
    usage.minor_page_faults()
}

#[test]
fn blocks_that_are_expected_are_fresh_memory_once() {
    const LEN: usize = 1 << 20;
    const AT_A_TIME: i64 = 4;
    warm::expect(LEN);
    let round = || {
        let blocks: Vec<Vec<u8>> = (0..AT_A_TIME).map(|n| vec![n as u8; LEN]).collect();
        black_box(&blocks);
    };
    (0..3).for_each(|_| round());
    let before = faults();
    (0..20).for_each(|_| round());
    let faults = faults() - before;
    // A fault for each page would be 20,480.
    assert!(faults < 20 * AT_A_TIME * 64, "{faults} faults");
}
