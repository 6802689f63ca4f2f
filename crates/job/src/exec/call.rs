//! One attempt of a call: the function runs on this very thread.
//!
//! In a worker process, which runs one task at a time, what it prints goes to files while it runs: they are still
//! there when the function takes the whole process with it, and the run finds them by the attempt's notes. A task on
//! a thread shares its process's output with others, so there only what the function returns is captured.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use pexec::named::CallError;

use super::clock;
use super::guard::Guard;
use super::note::Note;
use super::own_output::{Redirected, Streams};
use super::{Captured, End, Notes, Report};
use crate::call::Call;
use crate::limits::MemoryBy;

pub(super) fn call(call: &Call, notes: &Notes) -> Report {
    let pid = std::process::id();
    pexec::task::emit(&Note::started(pid).encode());
    let mut report = Report {
        pid: Some(pid),
        ..Report::nothing(End::Returned)
    };
    // Only a worker process has one.
    let is_worker = pexec::task::cancel_fd().is_some();
    if is_worker {
        report.memory_by = call.limits.memory.map(|_| MemoryBy::Sampling);
    }
    let result = if is_worker {
        in_worker(call, notes, &mut report)
    } else {
        run(call, &mut report).map(|returned| report.stdout = Captured::Inline(returned))
    };
    match result {
        Ok(()) => {}
        Err(Trouble::Call(CallError::Failed(text))) => report.end = End::Failed(text),
        Err(Trouble::Call(error)) => report.end = End::Refused(error.to_string()),
        Err(Trouble::Output(why)) => report.fault = Some(why),
    }
    report
}

enum Trouble {
    Call(CallError),
    /// What it wrote or returned could not be kept.
    Output(String),
}

/// With what it prints in files. A panic goes on to the pool, which tells of it; the files stay for the run.
fn in_worker(call: &Call, notes: &Notes, report: &mut Report) -> Result<(), Trouble> {
    let mut streams = Streams::open(call, notes).map_err(Trouble::Output)?;
    let redirected = match Redirected::to(&streams) {
        Ok(redirected) => redirected,
        Err(why) => {
            if let Ok(captured) = streams.finish(notes, false) {
                captured.iter().for_each(Captured::discard);
            }
            return Err(Trouble::Output(why));
        }
    };
    let guard = Guard::over(&call.limits, notes);
    let returned = match &guard {
        Ok(_) => run(call, report),
        Err(why) => Err(Trouble::Output(why.clone())),
    };
    drop(guard);
    drop(redirected);
    let kept = match &returned {
        Ok(returned) => streams.append(returned),
        Err(_) => Ok(()),
    };
    let captured = streams.finish(notes, returned.is_ok() && kept.is_ok());
    // What it printed is kept however it ended.
    let captured = captured.map(|captured| [report.stdout, report.stderr] = captured);
    returned?;
    kept.and(captured).map_err(Trouble::Output)
}

/// Runs the function and takes down what it cost.
fn run(call: &Call, report: &mut Report) -> Result<Vec<u8>, Trouble> {
    // The kernel forgets the peak of what ran here before; where it cannot, the peak is that of the worker's life.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (user, system, _) = used();
    let began = clock::now();
    let returned = call.run();
    report.wall = clock::now() - began;
    let (user_then, system_then, peak) = used();
    report.user = user_then.saturating_sub(user);
    report.system = system_then.saturating_sub(system);
    report.peak_rss = peak;
    returned.map_err(Trouble::Call)
}

/// What this process and the ones it waited for have used so far: user and system time, and its peak of memory.
fn used() -> (Duration, Duration, u64) {
    let mut sum = (Duration::ZERO, Duration::ZERO, 0);
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        if let Ok(usage) = getrusage(who) {
            sum.0 += duration(usage.user_time());
            sum.1 += duration(usage.system_time());
            if who == UsageWho::RUSAGE_SELF {
                sum.2 = u64::try_from(usage.max_rss()).unwrap_or(0) * 1024;
            }
        }
    }
    sum
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec().saturating_mul(1_000_000) + time.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
