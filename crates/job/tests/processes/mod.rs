//! What is left of a command, by the kernel's word.

use std::thread;
use std::time::{Duration, Instant};

/// Far longer than a killed process takes to go; only a leak reaches it.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Waits until no process of the group lives. KILL was sent before the attempt returned; members that are nobody's
/// child of ours take their time to go, and may stay zombies where nothing adopts them.
pub(crate) fn wait_until_gone(pgid: u32) {
    let lives = |stat: &str| {
        // `pid (name) state ppid pgrp ..`; the name may hold anything, parentheses too.
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let state = fields.next();
        fields.nth(1) == Some(&pgid.to_string()) && !matches!(state, Some("Z" | "X"))
    };
    let start = Instant::now();
    loop {
        let processes = std::fs::read_dir("/proc").expect("proc is mounted").flatten();
        let left: Vec<String> = processes
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
            .filter(|stat| lives(stat))
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < WATCHDOG, "the group lives on: {left:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
