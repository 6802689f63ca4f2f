//! The process table, as /proc tells it.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process at the moment of looking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// `R`, `S`, `D`, `T`, `Z` ..
    pub state: char,
    /// Its name.
    pub name: String,
}

/// The process with this id, a zombie included.
#[must_use]
pub fn find(pid: i32) -> Option<Process> {
    // pid (name) state parent group ..; the name may hold spaces and parentheses.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let mut fields = tail.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        group,
        state,
        name,
    })
}

/// Whether the process runs (a zombie does not).
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    find(pid).is_some_and(|p| p.state != 'Z' && p.state != 'X')
}

/// Every process that can be seen.
#[must_use]
pub fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter_map(find).collect()
}

/// The children of a process, waited for or not.
#[must_use]
pub fn children_of(parent: i32) -> Vec<Process> {
    all().into_iter().filter(|p| p.parent == parent).collect()
}

/// Every living process that has `mark` in the environment that it was started with.
#[must_use]
pub fn marked(mark: &str) -> Vec<Process> {
    let has = |pid: i32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.windows(mark.len()).any(|bytes| bytes == mark.as_bytes())
    };
    all()
        .into_iter()
        .filter(|p| p.state != 'Z' && p.state != 'X' && has(p.pid))
        .collect()
}

/// Sends a signal; false: there is no such process.
pub fn send(pid: i32, signal: Signal) -> bool {
    pid > 1 && kill(Pid::from_raw(pid), signal).is_ok()
}

/// Whether the process's first thread sleeps until another thread or process wakes it through memory.
#[must_use]
pub fn waits_in_a_futex(pid: i32) -> bool {
    let waits_in = fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    // Some kernels do not say where: then asleep is all that can be known.
    let unknown = matches!(waits_in.trim(), "" | "0");
    find(pid).is_some_and(|p| p.state == 'S') && (unknown || waits_in.contains("futex"))
}
