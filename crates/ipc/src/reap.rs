//! Taking the end of a child process from the kernel, with what it cost.
//!
//! `wait4` is the only call that gives both, and nix has no form of it; std's `Child::wait` drops the cost. Who
//! calls these functions owns the child: std's `Child` must not be waited on as well. A pid stays the child's own
//! until one of these functions has returned `Reaped`, so a signal sent before that never hits a stranger.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

/// How a child ended and what it cost, descendants that it waited for included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// How it ended.
    pub exit: Exit,
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// The largest resident set, in bytes, of any one process among them.
    pub max_rss_bytes: u64,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// Reaps `pid` if it has ended; `None`: it still runs. Never blocks.
///
/// # Errors
/// `ECHILD`: not a child of this process, or already reaped (also where SIGCHLD is ignored). `InvalidInput`:
/// `pid` is not positive, and would have meant "any child" to the kernel.
pub fn reap(pid: i32) -> io::Result<Option<Reaped>> {
    wait4(pid, libc::WNOHANG)
}

/// Waits until `pid` has ended and reaps it.
///
/// # Errors
/// As [`reap`].
pub fn reap_blocking(pid: i32) -> io::Result<Reaped> {
    wait4(pid, 0)?.ok_or_else(|| io::Error::other("the kernel returned no child from a blocking wait"))
}

fn wait4(pid: i32, options: i32) -> io::Result<Option<Reaped>> {
    if pid <= 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{pid} is not the pid of one process"),
        ));
    }
    let mut status: i32 = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let got = loop {
        // SAFETY: both pointers are to live, aligned, exclusively borrowed locals of the types that the call
        // writes, and it keeps neither.
        let got = unsafe { libc::wait4(pid, &raw mut status, options, usage.as_mut_ptr()) };
        if got >= 0 {
            break got;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    };
    if got == 0 {
        return Ok(None);
    }
    // SAFETY: zeroed at the start, and every bit pattern is a valid `rusage` (integers only).
    let usage = unsafe { usage.assume_init() };
    // Neither WUNTRACED nor WCONTINUED was asked for, so the status is an end: an exit or a signal. Real-time
    // signals are kept as plain numbers; a set of named ones would lose them.
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    Ok(Some(Reaped {
        exit,
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        max_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024),
    }))
}

fn duration(t: libc::timeval) -> Duration {
    let seconds = u64::try_from(t.tv_sec).unwrap_or(0);
    let micros = u64::try_from(t.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn start(script: &str) -> i32 {
        // The Child is dropped unwaited: the functions under test are the only ones to reap it.
        let child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let pid = child.id() as i32;
        drop(child);
        pid
    }

    #[test]
    fn an_exit_code_and_what_it_cost_are_reported_once() {
        let pid = start("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 7");
        let reaped = reap_blocking(pid).expect("a child of ours");
        assert_eq!(reaped.exit, Exit::Code(7));
        assert!(reaped.max_rss_bytes > 100_000, "{reaped:?}");
        assert!(reaped.user + reaped.system > Duration::ZERO, "{reaped:?}");
        assert_eq!(
            reap(pid).expect_err("it is gone").raw_os_error(),
            Some(libc::ECHILD)
        );
    }

    #[test]
    fn signals_are_reported_real_time_ones_included() {
        for signal in [libc::SIGKILL, libc::SIGTERM, 40] {
            let pid = start(&format!("kill -{signal} $$; sleep 60"));
            assert_eq!(
                reap_blocking(pid).expect("a child of ours").exit,
                Exit::Signal(signal)
            );
        }
    }

    #[test]
    fn a_child_that_still_runs_is_not_waited_for() {
        let pid = start("exec sleep 1000");
        assert_eq!(reap(pid).expect("a child of ours"), None);
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
            .expect("sent");
        assert_eq!(reap_blocking(pid).expect("a child of ours").exit, Exit::Signal(9));
    }

    #[test]
    fn a_pid_that_means_several_processes_is_refused() {
        for pid in [0, -1, -5] {
            assert_eq!(
                reap(pid).expect_err("refused").kind(),
                io::ErrorKind::InvalidInput
            );
        }
    }
}
