//! Commands that are ended: by themselves, by others, by their timeout.

use std::time::Duration;

use pexec_job::command::KillStep;
use pexec_job::exec::{End, StopReason};

use super::{Attempt, bytes};

fn soon(attempt: Attempt, kill: &[(i32, u64)]) -> Attempt {
    attempt.with(|c| {
        c.timeout = Some(Duration::from_millis(300));
        let step = |&(signal, ms)| KillStep {
            signal,
            wait: Duration::from_millis(ms),
        };
        c.kill = kill.iter().map(step).collect();
    })
}

const LONG: u64 = 60_000;

#[test]
fn exits_and_signals_are_told_apart() {
    for (script, end) in [
        ("exit 3", End::Exited(3)),
        ("kill -9 $$", End::Signaled(9)),
        ("kill -40 $$", End::Signaled(40)),
        ("exit 137", End::Exited(137)),
    ] {
        let report = Attempt::shell(script).run(&[]);
        assert_eq!((report.end, report.stopped), (end, None), "{script}");
    }
}

#[test]
fn a_command_that_heeds_the_first_signal_is_not_sent_another() {
    let script = "trap 'echo term; exit 7' TERM; echo up; sleep 1000 & wait";
    let report = soon(Attempt::shell(script), &[(15, LONG), (9, 0)]).run(&[]);
    assert_eq!(report.stopped, Some(StopReason::Timeout));
    assert_eq!(report.end, End::Exited(7));
    assert_eq!(bytes(&report.stdout), b"up\nterm\n");
}

#[test]
fn a_command_that_ignores_it_is_killed_with_all_its_group() {
    let script = "trap '' TERM; sh -c 'while :; do sleep 1; done' & while :; do sleep 1; done";
    let report = soon(Attempt::shell(script), &[(15, 100), (9, 0)]).run(&[]);
    assert_eq!(report.stopped, Some(StopReason::Timeout));
    assert_eq!(report.end, End::Signaled(9));
}

#[test]
fn every_step_of_the_ladder_is_taken() {
    let script = "trap 'echo int' INT; trap 'echo term; exit 0' TERM; while :; do sleep 0.02; done";
    let report = soon(Attempt::shell(script), &[(2, 400), (15, LONG), (9, 0)]).run(&[]);
    assert_eq!(bytes(&report.stdout), b"int\nterm\n");
    assert_eq!(
        (report.end, report.stopped),
        (End::Exited(0), Some(StopReason::Timeout))
    );
}

#[test]
fn a_stopped_command_is_continued_so_that_it_can_heed_the_signal() {
    let script = "trap 'echo term; exit 0' TERM; kill -STOP $$; while :; do sleep 0.02; done";
    let report = soon(Attempt::shell(script), &[(15, LONG), (9, 0)]).run(&[]);
    assert_eq!(report.end, End::Exited(0));
    assert_eq!(bytes(&report.stdout), b"term\n");
}

#[test]
fn output_from_before_the_timeout_is_kept() {
    let report = soon(Attempt::shell("echo before; exec sleep 1000"), &[(9, 0)]).run(&[]);
    assert_eq!(report.end, End::Signaled(9));
    assert_eq!(bytes(&report.stdout), b"before\n");
}

#[test]
fn a_flood_does_not_put_the_timeout_off() {
    let mut attempt = soon(Attempt::of(&["yes"]), &[(9, 0)]);
    attempt.notes.inline_limit = 1 << 16;
    let report = attempt.run(&[".pexec-t.out"]);
    assert_eq!(
        (report.end, report.stopped),
        (End::Signaled(9), Some(StopReason::Timeout))
    );
    assert!(bytes(&report.stdout).chunks(2).all(|c| c == b"y\n" || c == b"y"));
}

#[test]
fn a_command_that_ended_in_time_was_not_stopped() {
    let attempt = Attempt::of(&["true"]).with(|c| c.timeout = Some(Duration::from_secs(3600)));
    let report = attempt.run(&[]);
    assert_eq!((report.end, report.stopped), (End::Exited(0), None));
}
