//! Commands that use more than they may.

use std::time::Duration;

use pexec_job::exec::{End, Report, StopReason};
use pexec_job::limits::{Limits, MemoryBy};

use super::{Attempt, bytes};

const MIB: u64 = 1 << 20;

fn limited(script: &str, limits: Limits) -> Attempt {
    Attempt::shell(script).with(|command| command.limits = limits)
}

fn memory(script: &str, mib: u64) -> Report {
    let limits = Limits {
        memory: Some(mib * MIB),
        ..Limits::default()
    };
    limited(script, limits).run(&[])
}

/// Holds so many MiB for ever.
fn holds(mib: u64) -> String {
    format!("(head -c {mib}M /dev/zero; sleep 1000) | tail -c {mib}M")
}

#[test]
fn children_that_hold_too_much_together_are_ended_together() {
    let script = format!("{0} & {0} & {0} & wait", holds(40));
    let report = memory(&script, 90);
    let Some(StopReason::Memory { used }) = report.stopped else {
        panic!("{report:?}")
    };
    assert!(used > 90 * MIB, "{used}");
    assert_eq!(report.end, End::Signaled(9), "nobody asks it politely");
    assert_eq!(report.memory_by, Some(MemoryBy::Sampling));
}

#[test]
fn a_child_that_has_left_the_group_is_counted_and_ended_too() {
    let script = format!("setsid sh -c 'echo $$; {}' & wait", holds(80));
    let report = memory(&script, 50);
    assert!(
        matches!(report.stopped, Some(StopReason::Memory { .. })),
        "{report:?}"
    );
    // Behind it may stand what `tail` wrote when `head` was ended before it.
    let written = bytes(&report.stdout);
    let pid = written.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let pid = std::str::from_utf8(pid).expect("a number");
    super::processes::wait_until_gone(pid.parse().expect("a number"));
}

#[test]
fn memory_that_children_share_counts_once() {
    let script = "x=$(head -c 30000000 /dev/zero | tr '\\0' a); mkfifo go
        for n in 1 2 3 4 5; do (read y < go; echo ${#x}) & done
        sleep 0.5; for n in 1 2 3 4 5; do echo > go; done; wait; rm go";
    let report = memory(script, 140);
    assert_eq!((report.end, report.stopped), (End::Exited(0), None));
    assert_eq!(bytes(&report.stdout), b"30000000\n".repeat(5));
}

#[test]
fn one_that_stays_below_its_limit_is_left_alone() {
    let report = memory("head -c 20M /dev/zero | tail -c 20M | wc -c", 200);
    assert_eq!((report.end, report.stopped), (End::Exited(0), None));
    assert_eq!(bytes(&report.stdout), b"20971520\n");
    assert_eq!(report.memory_by, Some(MemoryBy::Sampling));
}

#[test]
fn where_its_cgroup_cannot_be_made_its_memory_is_looked_at() {
    let limits = Limits {
        memory: Some(50 * MIB),
        ..Limits::default()
    };
    let mut attempt = limited(&holds(80), limits);
    attempt.notes.cgroup = Some(attempt.path("."));
    let report = attempt.run(&[]);
    assert!(
        matches!(report.stopped, Some(StopReason::Memory { .. })),
        "{report:?}"
    );
    assert_eq!(report.memory_by, Some(MemoryBy::Sampling));
}

#[test]
fn processes_that_use_too_much_cpu_time_together_are_stopped() {
    let limits = Limits {
        cpu_time: Some(Duration::from_millis(300)),
        ..Limits::default()
    };
    let script = "trap 'echo asked; exit 3' TERM; for n in 1 2 3; do (while :; do :; done) & done; wait";
    let report = limited(script, limits).run(&[]);
    assert_eq!(report.stopped, Some(StopReason::CpuTime));
    assert_eq!(
        (report.end, bytes(&report.stdout)),
        (End::Exited(3), b"asked\n".to_vec())
    );
}

#[test]
fn who_is_ended_by_the_kernel_for_its_cpu_time_has_used_it_up() {
    let limits = Limits {
        cpu_time: Some(Duration::from_secs(100)),
        ..Limits::default()
    };
    // The kernel counts by ticks: what it tells in the end may be less than the limit that it kept.
    for script in ["kill -XCPU $$", "sh -c 'kill -XCPU $$'; exit $?"] {
        let report = limited(script, limits).run(&[]);
        assert_eq!(report.stopped, Some(StopReason::CpuTime), "{script}");
        let report = limited(script, Limits::default()).run(&[]);
        assert_eq!(report.stopped, None, "{script}");
    }
}

#[test]
fn time_asleep_is_no_cpu_time() {
    let limits = Limits {
        cpu_time: Some(Duration::from_secs(1)),
        ..Limits::default()
    };
    let report = limited("ulimit -t; sleep 1.2", limits).run(&[]);
    assert_eq!((report.end, report.stopped), (End::Exited(0), None));
    assert_eq!(
        bytes(&report.stdout),
        b"1\n",
        "the kernel watches each process too"
    );
}

#[test]
fn open_files_and_niceness_are_set_before_it_starts() {
    let limits = Limits {
        open_files: Some(23),
        nice: 2,
        ..Limits::default()
    };
    let script = "ulimit -Sn; ulimit -Hn; nice";
    let plain = bytes(&Attempt::shell("nice").run(&[]).stdout);
    let own: i32 = String::from_utf8_lossy(&plain).trim().parse().expect("a number");
    let report = limited(script, limits).run(&[]);
    let expected = format!("23\n23\n{}\n", (own + 2).min(19));
    assert_eq!(String::from_utf8_lossy(&bytes(&report.stdout)), expected);
}
