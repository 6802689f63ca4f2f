//! What an attempt's end means: success or not, why in a line, and whether another attempt makes sense. Pure.

use std::time::Duration;

use pexec::{Autopsy, Exit, TaskError};

use crate::event::{Ended, Outcome};
use crate::exec::{Captured, End, Report, StopReason};
use crate::limits::{Bytes, MemoryBy};
use crate::plan::{Cause, Halt};
use crate::text::Text;
use crate::work::Work;

/// How much of a failure's standard error is told.
pub(super) const TAIL: usize = 4096;
const SIGXCPU: i32 = 24;

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It ended.
    Ended {
        ended: Ended,
        /// How it failed, if another attempt may do better.
        again: Option<Cause>,
    },
    /// It never began.
    NotRun,
    /// It did not come home because the pool broke.
    Broken(String),
}

/// Why a run stops before its time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stopped {
    /// It was asked to, with this signal.
    Signal(i32),
    /// This policy was met.
    Halt(Halt),
}

/// Judges an attempt of `work`; `stop`: why the run is stopping, if it is; `left`: what is there of the output of one that did not come home.
pub(super) fn judge(
    result: &Result<Report, TaskError>,
    work: &Work,
    stop: Option<Stopped>,
    left: Option<&[Captured; 2]>,
) -> Verdict {
    match result {
        Ok(report) => judge_report(report, work, stop),
        Err(error) => judge_error(error, work, stop, left),
    }
}

fn judge_report(report: &Report, work: &Work, stop: Option<Stopped>) -> Verdict {
    let succeeds = |code: &i32| match work {
        Work::Command(command) => command.ok_exit.contains(code),
        Work::Call(_) => false,
    };
    let (exit, signal) = match &report.end {
        End::Exited(code) | End::NotStarted { code, .. } => (Some(*code), None),
        End::Signaled(signal) => (None, Some(*signal)),
        End::Unknown | End::Returned | End::Failed(_) | End::Refused(_) | End::UpToDate => (None, None),
    };
    let (outcome, why, again) = match (&report.stopped, &report.fault, &report.end) {
        (Some(StopReason::Timeout), _, _) => {
            let after = work.timeout().unwrap_or(report.wall);
            (
                Outcome::Timeout,
                Some(format!("timed out after {after:?}")),
                Some(Cause::Timeout),
            )
        }
        (Some(StopReason::CpuTime), _, _) => (Outcome::Timeout, Some(spent(work)), Some(Cause::Timeout)),
        (Some(StopReason::Memory { used }), _, _) => {
            let why = match report.memory_by {
                Some(MemoryBy::Cgroup) => needed_more(*used, work),
                _ => held(*used, work),
            };
            (Outcome::Memory, Some(why), Some(Cause::Memory))
        }
        (Some(StopReason::Interrupted), _, _) => (Outcome::Killed, Some(stopped(stop)), None),
        (None, Some(fault), _) => (Outcome::Failed, Some(fault.clone()), None),
        (None, None, End::Exited(code)) if succeeds(code) => (Outcome::Success, None, None),
        (None, None, End::Exited(code)) => (Outcome::Failed, Some(format!("exit {code}")), Some(Cause::Exit)),
        (None, None, End::Signaled(n)) => (Outcome::Failed, Some(signal_text(*n)), Some(Cause::Signal)),
        (None, None, End::NotStarted { reason, .. }) => {
            (Outcome::Failed, Some(reason.clone()), Some(Cause::Exit))
        }
        (None, None, End::Returned) => (Outcome::Success, None, None),
        (None, None, End::UpToDate) => (Outcome::UpToDate, None, None),
        (None, None, End::Failed(text)) => (Outcome::Failed, Some(line(text)), Some(Cause::Exit)),
        (None, None, End::Refused(why)) => (Outcome::Failed, Some(line(why)), None),
        (None, None, End::Unknown) => {
            let why = "its exit status was taken by another part of the program";
            (Outcome::Failed, Some(why.to_owned()), Some(Cause::Exit))
        }
    };
    let tail = if outcome.is_success() {
        Vec::new()
    } else {
        report.stderr.tail(TAIL)
    };
    let ended = Ended {
        outcome,
        exit,
        signal,
        why,
        retry: false,
        leaky: report.leaky,
        wall: report.wall,
        user: report.user,
        system: report.system,
        peak_rss: report.peak_rss,
        stdout: report.stdout.len(),
        stderr: report.stderr.len(),
        tail: Text::from(tail),
        output_at: None,
        memory_by: report.memory_by,
        memory_peak: report.memory_peak,
        content: report.content.as_ref().map(|content| content.hex()),
    };
    Verdict::Ended { ended, again }
}

fn judge_error(
    error: &TaskError,
    work: &Work,
    stop: Option<Stopped>,
    left: Option<&[Captured; 2]>,
) -> Verdict {
    // A function has no process but the worker's; a command's worker is none of its own doing.
    let whose = if work.is_call() { "" } else { "its worker " };
    let (outcome, why, again) = match error {
        TaskError::Cancelled | TaskError::Expired(_) if stop.is_some() => return Verdict::NotRun,
        TaskError::Cancelled | TaskError::PoolClosed => {
            return Verdict::Broken("it was shut down while the run was using it".to_owned());
        }
        TaskError::PoolBroken(reason) => return Verdict::Broken(reason.clone()),
        TaskError::Killed(_) if stop.is_some() => (Outcome::Killed, stopped(stop), None),
        TaskError::Crashed(autopsy) => (
            Outcome::Failed,
            format!("{whose}crashed: {}", autopsy.verdict),
            match (work.is_call(), autopsy.exit) {
                (true, Exit::Code(_)) => Some(Cause::Exit),
                _ => Some(Cause::Signal),
            },
        ),
        TaskError::Killed(autopsy) => (
            Outcome::Failed,
            format!("{whose}was killed: {}", autopsy.verdict),
            None,
        ),
        TaskError::TimedOut(autopsy) if work.is_call() => {
            let after = work.timeout().unwrap_or(autopsy.ran_for);
            (
                Outcome::Timeout,
                format!("timed out after {after:?}"),
                Some(Cause::Timeout),
            )
        }
        TaskError::TimedOut(autopsy) => (
            Outcome::Timeout,
            format!("{whose}timed out: {}", autopsy.verdict),
            Some(Cause::Timeout),
        ),
        TaskError::LimitExceeded(autopsy) if work.is_call() && autopsy.exit == Exit::Signal(SIGXCPU) => {
            (Outcome::Timeout, spent(work), Some(Cause::Timeout))
        }
        TaskError::LimitExceeded(autopsy) => (
            Outcome::Memory,
            format!("{whose}exceeded a limit: {}", autopsy.verdict),
            Some(Cause::Memory),
        ),
        TaskError::Panicked(panic) => (
            Outcome::Failed,
            line(&format!("{whose}panicked: {panic}")),
            Some(Cause::Exit),
        ),
        other => (Outcome::Failed, format!("it could not be run: {other}"), None),
    };
    let autopsy = error.autopsy();
    let own = autopsy.filter(|_| work.is_call() && outcome == Outcome::Failed);
    let (exit, signal) = match own.map(|autopsy| autopsy.exit) {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(signal)) => (None, Some(signal)),
        Some(Exit::Unknown) | None => (None, None),
    };
    let ended = Ended {
        outcome,
        exit,
        signal,
        why: Some(why),
        retry: false,
        leaky: false,
        wall: autopsy.map_or(Duration::ZERO, |a: &Autopsy| a.ran_for),
        user: Duration::ZERO,
        system: Duration::ZERO,
        peak_rss: own.and_then(|autopsy| autopsy.peak_rss).unwrap_or(0),
        stdout: left.map_or(0, |[stdout, _]| stdout.len()),
        stderr: left.map_or(0, |[_, stderr]| stderr.len()),
        tail: match (left, autopsy) {
            (Some([_, stderr]), _) if !stderr.is_empty() => Text::from(stderr.tail(TAIL)),
            (_, Some(autopsy)) => Text::from(autopsy.output_tail.as_str()),
            (_, None) => Text::default(),
        },
        output_at: None,
        memory_by: None,
        memory_peak: None,
        content: None,
    };
    Verdict::Ended { ended, again }
}

/// The end of something that is no command: the source of a task.
pub(super) fn source_failed(why: String) -> Ended {
    never_began(
        Outcome::Failed,
        format!("its source could not be read to the end: {why}"),
    )
}

/// The end of an instance that was not started in time.
pub(super) fn waited(limit: Duration) -> Ended {
    never_began(Outcome::Timeout, format!("waited longer than {limit:?} to start"))
}

/// The end of an instance that waits for a partner in this task, and has none.
pub(super) fn no_partner(task: &str) -> Ended {
    let why = format!("`{task}` has no instance for the same item, so there is nothing to wait for");
    never_began(Outcome::Failed, why)
}

fn never_began(outcome: Outcome, why: String) -> Ended {
    Ended {
        why: Some(why),
        ..Ended::new(outcome)
    }
}

/// Says of an attempt that went with its worker that it held too much memory.
pub(super) fn exceeded(verdict: &mut Verdict, used: u64, work: &Work) {
    if let Verdict::Ended { ended, again } = verdict
        && ended.outcome == Outcome::Failed
    {
        ended.outcome = Outcome::Memory;
        ended.why = Some(held(used, work));
        ended.memory_by = Some(MemoryBy::Sampling);
        *again = Some(Cause::Memory);
    }
}

fn held(used: u64, work: &Work) -> String {
    let used = Bytes(used);
    match work.limits().memory {
        Some(most) => format!("held {used} of memory, and {} is its limit", Bytes(most)),
        None => format!("held too much memory: {used}"),
    }
}

/// Of one that the kernel has ended: it never held more than it might.
fn needed_more(peak: u64, work: &Work) -> String {
    let most = work.limits().memory.unwrap_or(peak);
    format!("needed more than {} of memory, its limit", Bytes(most))
}

fn spent(work: &Work) -> String {
    match work.limits().cpu_time {
        Some(most) => format!("used up its {most:?} of CPU time"),
        None => "used up its CPU time".to_owned(),
    }
}

/// A text of any length on one line of a bearable one.
fn line(text: &str) -> String {
    const LONGEST: usize = 1000;
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let mut line = lines.join(" / ");
    if line.len() > LONGEST {
        line.truncate(line.floor_char_boundary(LONGEST));
        line.push_str(" ..");
    }
    line
}

fn stopped(stop: Option<Stopped>) -> String {
    match stop {
        Some(Stopped::Signal(n)) => format!("stopped with the run, by {}", signal_text(n)),
        Some(Stopped::Halt(halt)) => format!("stopped by halt {halt}"),
        None => "stopped from outside".to_owned(),
    }
}

/// `signal 9 (KILL)`.
fn signal_text(n: i32) -> String {
    match pexec_ipc::process::signal_name(n) {
        Some(name) => format!("signal {n} ({})", name.strip_prefix("SIG").unwrap_or(name)),
        None => format!("signal {n}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;

    fn command() -> Work {
        Work::Command(Command {
            timeout: Some(Duration::from_secs(30)),
            ok_exit: vec![0, 4],
            ..Command::new(["x"], "/")
        })
    }

    fn report(end: End) -> Report {
        Report {
            end,
            pid: Some(1),
            worker: 0,
            wall: Duration::from_millis(5),
            user: Duration::ZERO,
            system: Duration::ZERO,
            peak_rss: 1,
            stdout: Captured::Inline(vec![]),
            stderr: Captured::Inline(b"oh".to_vec()),
            leaky: false,
            stopped: None,
            fault: None,
            memory_by: None,
            memory_peak: None,
            content: None,
        }
    }

    fn word(report: Report) -> (Outcome, String, Option<Cause>) {
        match judge(&Ok(report), &command(), Some(Stopped::Signal(15)), None) {
            Verdict::Ended { ended, again } => (ended.outcome, ended.why.unwrap_or_default(), again),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_end_has_its_word_and_its_line() {
        let not_started = End::NotStarted {
            code: 127,
            reason: "command not found: x".into(),
        };
        assert_eq!(
            word(report(End::Exited(0))),
            (Outcome::Success, String::new(), None)
        );
        assert_eq!(
            word(report(End::Exited(4))),
            (Outcome::Success, String::new(), None)
        );
        assert_eq!(
            word(report(End::Exited(3))),
            (Outcome::Failed, "exit 3".into(), Some(Cause::Exit))
        );
        assert_eq!(
            word(report(End::Signaled(9))),
            (Outcome::Failed, "signal 9 (KILL)".into(), Some(Cause::Signal))
        );
        assert_eq!(
            word(report(End::Signaled(40))),
            (Outcome::Failed, "signal 40".into(), Some(Cause::Signal))
        );
        assert_eq!(
            word(report(not_started)),
            (Outcome::Failed, "command not found: x".into(), Some(Cause::Exit))
        );
    }

    #[test]
    fn a_command_that_was_told_to_stop_did_not_succeed_whatever_it_says() {
        let timed_out = Report {
            stopped: Some(StopReason::Timeout),
            ..report(End::Exited(0))
        };
        assert_eq!(
            word(timed_out),
            (
                Outcome::Timeout,
                "timed out after 30s".into(),
                Some(Cause::Timeout)
            )
        );
        let stopped = Report {
            stopped: Some(StopReason::Interrupted),
            ..report(End::Exited(0))
        };
        assert_eq!(
            word(stopped),
            (
                Outcome::Killed,
                "stopped with the run, by signal 15 (TERM)".into(),
                None
            )
        );
    }

    #[test]
    fn lost_output_is_a_failure_of_a_command_that_succeeded() {
        let lost = Report {
            fault: Some("disk full".into()),
            ..report(End::Exited(0))
        };
        assert_eq!(word(lost), (Outcome::Failed, "disk full".into(), None));
    }

    #[test]
    fn a_cancelled_attempt_was_not_run_if_the_run_is_stopping_and_else_the_pool_was_shut_down() {
        let cancelled = Err(TaskError::Cancelled);
        assert!(matches!(
            judge(&cancelled, &command(), Some(Stopped::Signal(2)), None),
            Verdict::NotRun
        ));
        assert!(matches!(
            judge(&cancelled, &command(), None, None),
            Verdict::Broken(_)
        ));
        let broken = Err(TaskError::PoolBroken("no processes left".into()));
        assert!(
            matches!(judge(&broken, &command(), None, None), Verdict::Broken(why) if why == "no processes left")
        );
    }
}
