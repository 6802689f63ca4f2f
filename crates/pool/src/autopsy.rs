//! What is known about a bad end: a panic's report from inside, or an autopsy from outside.

use std::fmt;
use std::time::Duration;

use pexec_proto::Limits;
use serde::{Deserialize, Serialize};

use crate::history::History;

/// A panic inside a task, as the worker saw it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Panic {
    /// The panic's message; `Box<dyn Any>` where the payload was no text.
    pub message: String,
    /// `file:line:col` of the panic.
    pub location: String,
    /// The worker's backtrace, where `RUST_BACKTRACE` asks for one.
    pub backtrace: Option<String>,
    /// The name of the thread that panicked.
    pub thread: String,
    pub(crate) history: Option<Box<History>>,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (at {}, thread '{}')",
            self.message, self.location, self.thread
        )
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Exit {
    /// It exited with this code; inside a task even 0 is a crash.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// Somebody else reaped it: the program ignores SIGCHLD or waits for every child.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(n) => write!(f, "{} (signal {n})", signal_name(*n)),
            Exit::Unknown => f.write_str("unknown exit status (another part of the program reaped it)"),
        }
    }
}

/// What a worker was doing when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Phase {
    /// It read the task's argument.
    Receiving,
    /// It deserialised the argument.
    Decoding,
    /// The task's function ran.
    Running,
    /// It serialised the result.
    Encoding,
    /// It sent the result.
    Sending,
    /// It had been started and had not proved who it is.
    Handshake,
    /// It ran the pool's initializer.
    Initializing,
    /// It waited for a task.
    Idle,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Receiving => "receiving the argument",
            Phase::Decoding => "deserialising the argument",
            Phase::Running => "running the task",
            Phase::Encoding => "serialising the result",
            Phase::Sending => "sending the result",
            Phase::Handshake => "the handshake",
            Phase::Initializing => "the initializer",
            Phase::Idle => "waiting for a task",
        })
    }
}

/// What is known about a worker that ended while it held a task. Times and memory are the kernel's own
/// account of the whole worker process (`rusage`), the tasks that it ran before included.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Autopsy {
    /// The task: its id and label.
    pub task: String,
    /// The worker's process id.
    pub pid: u32,
    /// The worker's place in the pool, from 0.
    pub slot: usize,
    /// Which attempt of the task it was, from 1.
    pub attempt: u32,
    /// What the worker was doing.
    pub phase: Phase,
    /// How it ended.
    pub exit: Exit,
    /// How long the task had been running.
    pub ran_for: Duration,
    /// User and system time of the process.
    pub cpu_time: Option<Duration>,
    /// Largest resident size of the process in bytes.
    pub peak_rss: Option<u64>,
    /// The last 4 KiB of the worker's standard error; what is not UTF-8 is replaced.
    pub output_tail: String,
    /// The last progress that the task reported.
    pub last_progress: Option<(f64, String)>,
    /// One line: what happened and the likely cause.
    pub verdict: String,
    pub(crate) history: Option<Box<History>>,
}

impl fmt::Display for Autopsy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: worker {} (slot {}) ended by {} while {}, attempt {}, after {:.1?}: {}",
            self.task, self.pid, self.slot, self.exit, self.phase, self.attempt, self.ran_for, self.verdict
        )?;
        let tail = self.output_tail.trim();
        if !tail.is_empty() {
            write!(f, "; its standard error ended with:\n{tail}")?;
        }
        Ok(())
    }
}

/// `SIGSEGV` for 11, and so on; `SIGRTMIN+n` and `signal` for what has no name of its own.
pub(crate) fn signal_name(n: i32) -> String {
    match nix_name(n) {
        Some(name) => name.to_owned(),
        None if (34..=64).contains(&n) => format!("SIGRTMIN+{}", n - 34),
        None => "unknown signal".to_owned(),
    }
}

fn nix_name(n: i32) -> Option<&'static str> {
    pexec_ipc::process::signal_name(n)
}

/// Which of the limits that were in force a worker's end tells of, if any.
pub(crate) fn limit_verdict(exit: Exit, alloc_failed: bool, limits: &Limits) -> Option<String> {
    match exit {
        Exit::Signal(24) => {
            let limit = Duration::from_millis(limits.cpu_ms?);
            Some(format!("it used more CPU time than its limit of {limit:?}"))
        }
        Exit::Signal(6) if alloc_failed => {
            let limit = limits.address_space?;
            Some(format!(
                "an allocation failed under its address space limit of {:.1} MiB",
                limit as f64 / f64::from(1 << 20)
            ))
        }
        Exit::Code(_) | Exit::Signal(_) | Exit::Unknown => None,
    }
}

/// What Rust's allocator says before it aborts, and what C++ does.
pub(crate) const FAILED_ALLOCATIONS: [&str; 2] = ["memory allocation of ", "std::bad_alloc"];

/// What else is to be said of a crash under limits: C code that gets no memory may do anything.
pub(crate) fn limit_hint(exit: Exit, limits: &Limits) -> Option<String> {
    let bytes = limits.address_space?;
    let known = matches!(exit, Exit::Signal(6 | 7 | 11));
    known.then(|| {
        format!(
            "; its address space was limited to {:.1} MiB",
            bytes as f64 / f64::from(1 << 20)
        )
    })
}

/// The one-line verdict of a worker's end that nobody asked for.
pub(crate) fn verdict(exit: Exit, tail: &str, alloc: bool, peak_rss: Option<u64>) -> String {
    let overflow = tail.contains("has overflowed its stack");
    match exit {
        Exit::Code(0) => "the task ended its process with exit(0), which is never success".to_owned(),
        Exit::Code(code) => format!("the task ended its process with exit({code})"),
        Exit::Signal(6) if overflow => "stack overflow: the task recursed too deeply".to_owned(),
        Exit::Signal(6) if alloc => "out of memory: an allocation failed and the process aborted".to_owned(),
        Exit::Signal(6) => {
            "the process aborted (abort(), a failed assertion in C, a panic while panicking)".to_owned()
        }
        Exit::Signal(11) if overflow => "stack overflow: the task recursed too deeply".to_owned(),
        Exit::Signal(11) => {
            "invalid memory access (a bug in unsafe or C code, or a stack overflow)".to_owned()
        }
        Exit::Signal(4) => "illegal instruction (a trap of the compiler or a wrong CPU feature)".to_owned(),
        Exit::Signal(7) => "bus error (a mapped file was truncated, or a misaligned access)".to_owned(),
        Exit::Signal(8) => "arithmetic fault (integer division by zero in C code)".to_owned(),
        Exit::Signal(9) => match peak_rss {
            Some(bytes) => format!(
                "somebody sent SIGKILL: the kernel's out-of-memory killer (peak memory {} MiB) or an operator",
                bytes >> 20
            ),
            None => "somebody sent SIGKILL: the kernel's out-of-memory killer or an operator".to_owned(),
        },
        Exit::Signal(24) => "the CPU time limit was reached".to_owned(),
        Exit::Signal(25) => "the file size limit was reached".to_owned(),
        Exit::Signal(n) => format!("{} ended it", signal_name(n)),
        Exit::Unknown => "its exit status was taken by another part of the program".to_owned(),
    }
}
