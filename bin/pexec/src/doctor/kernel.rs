//! Calls of the kernel that containment stands on.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use pexec::{Executor, ProcessPool};
use pexec_ipc::process;

use super::{Check, No, Tried, no, one_line};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "pidfd",
        needed: true,
        means: "the end of a worker cannot be noticed, and signals could hit a stranger with the same number",
        advice: "use Linux 5.3 or newer; in a container, allow pidfd_open",
        try_it: pidfd,
    },
    Check {
        name: "process-group",
        needed: true,
        means: "what a command has started would live on after its end",
        advice: "in a container, allow setpgid and kill",
        try_it: group,
    },
    Check {
        name: "sealed-memory",
        needed: true,
        means: "workers could change bytes that they share",
        advice: "use Linux 3.17 or newer; in a container, allow memfd_create",
        try_it: seals,
    },
    Check {
        name: "subreaper",
        needed: false,
        means: "a process that leaves its group and loses its parent cannot be found again",
        advice: "in a container, allow prctl; run the container with an init, so that somebody reaps such processes",
        try_it: subreaper,
    },
];

/// The process ended within this time.
pub(super) fn ends_within(watched: &OwnedFd, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(watched.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) | Err(Errno::EINTR) if left.is_zero() => return false,
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

/// A process that lasts until it is ended, and its group with it.
fn sleeper(script: &str) -> Result<Child, No> {
    Command::new("sh")
        .args(["-c", script])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| No::untried(format!("`sh` cannot be started: {error}")))
}

fn pidfd() -> Tried {
    let mut child = sleeper("exec sleep 3600")?;
    let tried = watch_its_end(&mut child);
    process::kill_group(child.id() as i32, Signal::SIGKILL);
    let _ = child.wait();
    tried
}

fn watch_its_end(child: &mut Child) -> Tried {
    let watched = process::watch(child.id() as i32).map_err(|error| error.to_string())?;
    if ends_within(&watched, Duration::ZERO) {
        return no("a process that runs is told to have ended");
    }
    child.kill().map_err(|error| error.to_string())?;
    match ends_within(&watched, Duration::from_secs(10)) {
        true => Ok("the end of a process is noticed as it happens".to_owned()),
        false => no("the end of a process was not told within 10s"),
    }
}

/// The pipe has its end when the last of them is gone.
fn group() -> Tried {
    let mut child = sleeper("sleep 3600 & (sleep 3600 & wait) & echo there; wait")?;
    let tried = end_all(&mut child);
    process::kill_group(child.id() as i32, Signal::SIGKILL);
    let _ = child.wait();
    tried
}

fn end_all(child: &mut Child) -> Tried {
    let mut output = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    let mut line = String::new();
    output.read_line(&mut line).map_err(|error| error.to_string())?;
    process::kill_group(child.id() as i32, Signal::SIGKILL);
    let (closed, gone) = mpsc::channel();
    thread::spawn(move || closed.send(output.read_to_end(&mut Vec::new())));
    if gone.recv_timeout(Duration::from_secs(10)).is_err() {
        return no("descendants still ran 10s after their group was killed");
    }
    Ok("one signal ended a command and its descendants".to_owned())
}

fn seals() -> Tried {
    let memory = memfd_create(
        "pexec-doctor",
        MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
    )
    .map_err(|error| format!("no memory file: {error}"))?;
    let mut file = File::from(memory);
    file.write_all(b"pexec").map_err(|error| error.to_string())?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(|error| format!("it cannot be sealed: {error}"))?;
    let refused =
        |result: io::Result<()>| result.is_err_and(|error| error.raw_os_error() == Some(Errno::EPERM as i32));
    match refused(file.write_all(b"!")) && refused(file.set_len(1)) {
        true => Ok("a sealed memory file can neither be written nor resized".to_owned()),
        false => no("a sealed memory file could be changed"),
    }
}

/// In a worker, since the attribute cannot be told from outside and is of no use to this process.
fn subreaper() -> Tried {
    let pool = ProcessPool::builder().workers(1).build().map_err(No::untried)?;
    Ok(pool.submit(adopt, ()).result().map_err(one_line)??)
}

fn adopt() -> Result<String, String> {
    prctl::set_child_subreaper(true).map_err(|error| error.to_string())?;
    let output = Command::new("sh")
        .args(["-c", "sleep 3600 >/dev/null & echo $!"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("`sh` cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let orphan: i32 = text.trim().parse().map_err(|_| "no process id was told")?;
    let ours = process::children().contains(&orphan);
    process::kill(orphan, Signal::SIGKILL);
    match ours {
        true => {
            // It is ours to reap.
            let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(orphan), None);
            Ok("an orphan came to who asked for it".to_owned())
        }
        false => Err("an orphan went to another process".to_owned()),
    }
}
