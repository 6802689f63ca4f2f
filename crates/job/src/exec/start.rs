//! Starts a command in a process group of its own, and says in a shell's codes why it could not.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nix::unistd::{AccessFlags, access};
use pexec_ipc::cgroup::Leaf;
use pexec_ipc::confine::{kept_out, refused};
use pexec_ipc::launch::{Environment, Launch};

use super::redirect::Target;
use super::{Notes, Stream};
use crate::command::{Command, Stdin};
use crate::text::Text;

/// A command that runs.
pub(super) struct Started {
    /// The leader's pid and its group's. It is the leader's own until it is reaped.
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    /// Our ends of the pipes; `None`: the stream goes to a file.
    pub(super) stdout: Option<File>,
    pub(super) stderr: Option<File>,
    pub(super) targets: Vec<Target>,
    pub(super) guard: pexec::worker::GroupGuard,
    /// Where all of its processes are, if it has one.
    pub(super) leaf: Option<Kept>,
}

/// A cgroup that ends with this worker's supervisor, if not before.
pub(super) struct Kept {
    pub(super) leaf: Leaf,
    _guard: pexec::worker::CgroupGuard,
}

/// Why a command did not start, as a shell codes it.
pub(super) struct Refusal {
    pub(super) code: i32,
    pub(super) reason: String,
}

const NOT_FOUND: i32 = 127;
const NOT_RUNNABLE: i32 = 126;

fn refuse(reason: String) -> Refusal {
    Refusal {
        code: NOT_RUNNABLE,
        reason,
    }
}

/// Starts it in `leaf`, if that is there and it can enter.
pub(super) fn start(command: &Command, notes: &Notes, leaf: Option<Leaf>) -> Result<Started, Refusal> {
    let Some(program) = command.argv.first() else {
        return Err(refuse("the command is empty".to_owned()));
    };
    let stdin = stdin(&command.stdin)?;
    let mut targets = Vec::new();
    let (stdout, out_end) = output(command.stdout.as_ref(), notes, Stream::Stdout, &mut targets)?;
    let (stderr, err_end) = if command.stderr.is_some() && command.stderr == command.stdout {
        let same = targets[0]
            .handle()
            .map_err(|e| refuse(format!("standard error could not be opened: {e}")))?;
        (None, same.into())
    } else {
        output(command.stderr.as_ref(), notes, Stream::Stderr, &mut targets)?
    };
    let argv: Vec<&OsStr> = command.argv.iter().map(Text::as_os_str).collect();
    let mut env = match command.env_clear {
        true => Environment::default(),
        false => Environment::inherited(),
    };
    for (name, value) in &command.env {
        env.set(name.as_os_str(), value.as_os_str());
    }
    // Where descriptors are short the command starts outside.
    let (leaf, door) = leaf
        .and_then(|leaf| {
            let (door, trigger) = (leaf.door().ok()?, leaf.trigger().ok()?);
            // Before anything is inside.
            let guard = pexec::worker::guard_cgroup(trigger);
            Some((Kept { _guard: guard, leaf }, door))
        })
        .unzip();
    let launch = Launch {
        argv: &argv,
        env,
        dir: command.cwd.as_os_str(),
        streams: [
            match &stdin {
                Some(stdin) => stdin.as_fd(),
                None => nothing()?.as_fd(),
            },
            out_end.as_fd(),
            err_end.as_fd(),
        ],
        confines: command.limits.confines(),
        door: door.as_ref().map(AsFd::as_fd),
    };
    let started = launch.start();
    if leaf.is_some() && started.as_ref().is_err_and(kept_out) {
        // What it opened for its output is opened anew.
        drop(targets);
        return start(command, notes, None);
    }
    let pid = started.map_err(|error| match refused(&error) {
        Some(reason) => refuse(reason),
        None => explain(&error, program, &command.cwd),
    })?;
    let guard = pexec::worker::guard_group(pid);
    // The pid is the child's until it is reaped, which only `attend` does: the handle is to the right process.
    match pexec_ipc::process::watch(pid) {
        Ok(pidfd) => Ok(Started {
            pid,
            pidfd,
            stdout,
            stderr,
            targets,
            guard,
            leaf,
        }),
        Err(error) => {
            pexec_ipc::process::kill_group(pid, Signal::SIGKILL);
            let _ = pexec_ipc::reap::reap_blocking(pid);
            Err(refuse(format!(
                "it was started and ended again, for it could not be watched: {error}"
            )))
        }
    }
}

/// Nothing to read: opened once for all commands.
fn nothing() -> Result<&'static File, Refusal> {
    static NULL: OnceLock<File> = OnceLock::new();
    match NULL.get() {
        Some(file) => Ok(file),
        None => match File::open("/dev/null") {
            Ok(file) => Ok(NULL.get_or_init(|| file)),
            Err(error) => Err(refuse(format!(
                "its empty standard input cannot be opened: {error}"
            ))),
        },
    }
}

fn stdin(stdin: &Stdin) -> Result<Option<File>, Refusal> {
    match stdin {
        Stdin::Empty => Ok(None),
        Stdin::File(path) => File::open(path.as_os_str())
            .map(Some)
            .map_err(|error| refuse(format!("its standard input, {path}, cannot be read: {error}"))),
        Stdin::Text(text) => text_file(text.as_bytes()).map(Some).map_err(|error| {
            refuse(format!(
                "its standard input of {} bytes cannot be made: {error}",
                text.0.len()
            ))
        }),
    }
}

/// The text as a file in memory. It is whole before the command starts, so nobody has to feed a pipe while it
/// drains two others, and a command that reads none of it breaks nothing.
fn text_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("pexec-stdin", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Our end of a stream, unless it goes to a file, and the command's.
fn output(
    path: Option<&Text>,
    notes: &Notes,
    stream: Stream,
    targets: &mut Vec<Target>,
) -> Result<(Option<File>, OwnedFd), Refusal> {
    let name = match stream {
        Stream::Stdout => "output",
        Stream::Stderr => "error",
    };
    let Some(path) = path else {
        let (ours, theirs) =
            io::pipe().map_err(|error| refuse(format!("its standard {name} cannot be captured: {error}")))?;
        return Ok((Some(File::from(OwnedFd::from(ours))), theirs.into()));
    };
    let target = Target::open(path, notes, stream);
    let opened = target.and_then(|target| {
        let handle = target.handle()?;
        targets.push(target);
        Ok(handle)
    });
    opened
        .map(|file| (None, file.into()))
        .map_err(|error| refuse(format!("its standard {name} cannot go to {path}: {error}")))
}

/// One error number can mean the program, its interpreter or the working directory; find out which.
fn explain(error: &io::Error, program: &Text, cwd: &Text) -> Refusal {
    let dir = Path::new(cwd.as_os_str());
    match fs::metadata(dir) {
        Err(e) => return refuse(format!("its working directory {cwd} cannot be entered: {e}")),
        Ok(there) if !there.is_dir() => {
            return refuse(format!("its working directory {cwd} is not a directory"));
        }
        Ok(_) if access(dir, AccessFlags::X_OK).is_err() => {
            return refuse(format!(
                "its working directory {cwd} cannot be entered: permission denied"
            ));
        }
        Ok(_) => {}
    }
    let is_path = program.as_bytes().contains(&b'/');
    let there = is_path.then(|| fs::metadata(dir.join(program.as_os_str())));
    match error.raw_os_error() {
        Some(errno::ENOENT) if matches!(there, Some(Ok(_))) => Refusal {
            code: NOT_FOUND,
            reason: format!("{program} is there, but the interpreter that it names is not"),
        },
        Some(errno::ENOENT | errno::ENOTDIR) if is_path => Refusal {
            code: NOT_FOUND,
            reason: format!("command not found: {program}"),
        },
        Some(errno::ENOENT | errno::ENOTDIR) => Refusal {
            code: NOT_FOUND,
            reason: match program.as_bytes().iter().any(u8::is_ascii_whitespace) {
                // Somebody has put quotes around a whole command line.
                true => format!(
                    "command not found: `{program}` was given as one word, the name of a program; leave out the quotes around it, or use a shell"
                ),
                false => format!("command not found: {program} is in no directory of PATH"),
            },
        },
        Some(errno::EACCES) if matches!(&there, Some(Ok(m)) if m.is_dir()) => {
            refuse(format!("{program} is a directory"))
        }
        Some(errno::EACCES | errno::EPERM) => refuse(format!("{program} may not be run: {error}")),
        Some(errno::ENOEXEC) => refuse(format!(
            "{program} is not a program for this machine (a script needs a first line like #!/bin/sh)"
        )),
        Some(errno::E2BIG) => refuse(format!("{program} cannot be run: its arguments are too long")),
        _ => refuse(format!("{program} could not be started: {error}")),
    }
}

/// The error numbers that `execve` tells its refusals by.
mod errno {
    pub(super) use nix::libc::{E2BIG, EACCES, ENOENT, ENOEXEC, ENOTDIR, EPERM};
}
