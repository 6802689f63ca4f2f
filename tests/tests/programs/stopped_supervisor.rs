//! A supervisor that is stopped by a signal for longer than any of its workers' times, and goes on.

use std::time::Duration;

use nix::sys::signal::Signal;
use pexec_tests::{LeakSweep, Program, processes, wait_until};

use crate::MISBEHAVE;

/// Starts the program, stops it once it is ready for that, lets it go on later.
fn stopped(what: &str, pause: Duration) {
    let _sweep = LeakSweep::new();
    for transport in ["memory", "socket"] {
        let mut program = Program::start(MISBEHAVE, &[what], &[("PEXEC_TRANSPORT", transport)]);
        assert_eq!(program.line(), "go");
        program.signal(Signal::SIGSTOP);
        wait_until("it is stopped", || {
            processes::find(program.pid()).is_some_and(|p| p.state == 'T')
        });
        std::thread::sleep(pause);
        program.signal(Signal::SIGCONT);
        let ended = program.wait();
        assert_eq!(
            (ended.stdout.as_str(), ended.status.code()),
            ("all ran in the same workers\n", Some(0)),
            "over {transport}: {}",
            ended.stderr
        );
        program.assert_nothing_left();
    }
}

#[test]
fn tasks_that_answered_while_their_supervisor_was_stopped_have_not_timed_out() {
    stopped("stopped-at-work", Duration::from_millis(2500));
}

#[test]
fn workers_that_nobody_answered_in_their_handshake_are_left_alive() {
    stopped("stopped-at-start", Duration::from_secs(6));
}
