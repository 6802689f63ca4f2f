//! Programs that print records, one at a time, each with a deadline: some peers hang.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::record::Record;
use crate::size::Size;

/// The argument that makes this program touch memory and end.
pub(crate) const WARM: &str = "--touch-memory";

/// What a program printed, and why that is not all, if it is not.
pub(crate) struct Ran {
    pub(crate) records: Vec<Record>,
    pub(crate) complete: Result<(), String>,
}

/// One of our own tests.
pub(crate) fn own(test: &str, size: Size) -> Ran {
    match std::env::current_exe() {
        Ok(program) => run(
            Command::new(program)
                .arg(test)
                .args(size.words())
                .stderr(Stdio::inherit()),
            Duration::from_secs(600),
        ),
        Err(error) => Ran {
            records: Vec::new(),
            complete: Err(format!("this program's file is unknown: {error}")),
        },
    }
}

/// Has a process of its own touch and free much memory, so that what others touch next is there at once. In this
/// process it would not do: its peak would pass for that of every program that it starts.
pub(crate) fn warm_memory() {
    let warmed = std::env::current_exe().and_then(|program| Command::new(program).arg(WARM).status());
    if !warmed.is_ok_and(|status| status.success()) {
        eprintln!("pexec-bench: memory cannot be touched before the next program, which may find it slow");
    }
}

/// Runs a program to its end or its deadline and takes its records. Where its standard error is
/// a pipe, the last line there is the reason if it fails.
pub(crate) fn run(command: &mut Command, deadline: Duration) -> Ran {
    let mut records = Vec::new();
    let complete = gather(command, deadline, &mut records);
    Ran { records, complete }
}

/// Runs a peer: as [`run`], with what it says on standard error kept for the reason.
pub(crate) fn peer(command: &mut Command, deadline: Duration) -> Ran {
    run(command.stderr(Stdio::piped()), deadline)
}

fn gather(command: &mut Command, deadline: Duration, records: &mut Vec<Record>) -> Result<(), String> {
    // A group of its own, so that what it has started ends with it when it is late; else its pipe stays open.
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{} cannot be started: {error}", command.get_program().display()))?;
    let group = Pid::from_raw(child.id() as i32);
    let (done, wait) = channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let late = wait.recv_timeout(deadline) == Err(RecvTimeoutError::Timeout);
        if late {
            // Not reaped before this thread is joined, so it is still that group.
            let _ = killpg(group, Signal::SIGKILL);
        }
        late
    });
    // Read at the same time: a full pipe would stop the program.
    let errors = child.stderr.take().map(|mut pipe| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            bytes
        })
    });
    if let Some(out) = child.stdout.take() {
        let lines = BufReader::new(out).lines().map_while(Result::ok);
        records.extend(lines.filter_map(|line| Record::parse(&line)));
    }
    let errors = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
    drop(done);
    let late = watchdog.join().unwrap_or(false);
    let status = child.wait().map_err(|error| error.to_string())?;
    if late {
        Err(format!("it took over {} s", deadline.as_secs()))
    } else if status.success() {
        Ok(())
    } else {
        let errors = String::from_utf8_lossy(&errors);
        match errors.lines().rfind(|line| !line.trim().is_empty()) {
            Some(reason) => Err(format!("{status}: {}", reason.trim())),
            None => Err(status.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended_with_what_it_started_and_keeps_its_records() {
        let line = Record::new("noop", "slow", "tasks_per_s", 1.0);
        let script = format!("echo '{line}'; sleep 600 & wait");
        let ran = run(
            Command::new("sh").args(["-c", &script]),
            Duration::from_millis(300),
        );
        assert_eq!(ran.records, [line]);
        assert!(ran.complete.expect_err("late").contains("took over"));
    }

    #[test]
    fn a_program_that_fails_is_told() {
        let ran = run(Command::new("sh").args(["-c", "exit 3"]), Duration::from_secs(60));
        assert!(ran.records.is_empty());
        assert!(ran.complete.expect_err("failed").contains('3'));
    }
}
