//! One attempt of one command or call: the function that the run submits to the pool, so it runs inside a worker.
//!
//! It owns everything the command brings into the world: its process group, its pipes, the files it writes for
//! it. What always holds when it returns: the group is gone, the leader is reaped, output is kept whole or
//! [`Report::fault`] says why not, and no temporary file is left. Only a worker that dies on the way leaves
//! files and a cgroup, whose names [`discard`] knows.

mod attend;
mod bounds;
mod call;
mod capture;
mod clock;
mod guard;
mod ladder;
pub(crate) mod lines;
pub mod make;
mod meter;
pub mod note;
mod own_output;
mod pipe;
mod redirect;
mod start;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::files::Content;
use crate::limits::MemoryBy;
use crate::text::Text;
use crate::work::Work;

use make::Making;

/// What an attempt needs to know beside its command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// Send output on, line by line, as it comes (it is captured all the same).
    pub stream: bool,
    /// An existing directory for output that is larger than `inline_limit`.
    pub spill_dir: Text,
    /// How many bytes of each stream are kept in memory and sent home in the report.
    pub inline_limit: u64,
    /// Names the attempt's files: unique among all attempts that share a directory, of at most 100 bytes, `/` not among them.
    pub token: String,
    /// What it reads and makes, where its task says so.
    pub making: Option<Box<Making>>,
    /// Where a command with a limit on memory gets a cgroup of its own; `None`: nowhere.
    pub cgroup: Option<Text>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How the command ended.
    pub end: End,
    /// Its process id (and its group's), if it was started; of a call, the worker's.
    pub pid: Option<u32>,
    /// Its worker's place in the pool, from 0.
    pub worker: u32,
    /// From start to end.
    pub wall: Duration,
    /// CPU time in user mode, waited-for descendants included.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// The largest resident set of any one of its processes, in bytes.
    pub peak_rss: u64,
    /// Its standard output, unless that went to a file.
    pub stdout: Captured,
    /// Its standard error, unless that went to a file.
    pub stderr: Captured,
    /// A descendant kept the output open after the command had ended, and was ended.
    pub leaky: bool,
    /// Why it was told to stop before it ended.
    pub stopped: Option<StopReason>,
    /// What failed on this side: its output could not be kept (a full disk, say). The attempt has failed then,
    /// however the command ended.
    pub fault: Option<String>,
    /// How its limit on memory was kept, where it has one.
    pub memory_by: Option<MemoryBy>,
    /// The most that all of its processes held together, in bytes, where its cgroup tells.
    pub memory_peak: Option<u64>,
    /// What its files held, of a success with outputs.
    pub content: Option<Box<Content>>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
    /// It never ran.
    NotStarted {
        /// As a shell would have given it: 127 no such command, 126 there but not to be run.
        code: i32,
        /// What was missing or refused.
        reason: String,
    },
    /// It ended, but its status was taken by another part of the program.
    Unknown,
    /// A function returned; what, stands behind what it printed.
    Returned,
    /// A function returned this error.
    Failed(String),
    /// A function was not called, or what it returned cannot be written down: trying again is of no use.
    Refused(String),
    /// Nothing was done: what it would have made is there, and nothing has changed.
    UpToDate,
}

/// Why a command was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// It ran longer than its timeout.
    Timeout,
    /// The run was asked to stop.
    Interrupted,
    /// Its processes together held more memory than they may.
    Memory {
        /// So many bytes.
        used: u64,
    },
    /// Its processes together used more CPU time than they may.
    CpuTime,
}

/// What a command wrote to one stream, all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Captured {
    /// Small enough to travel.
    Inline(#[serde(serialize_with = "as_bytes", deserialize_with = "from_bytes")] Vec<u8>),
    /// In a file, which belongs to who holds this: remove it when done.
    Spilled {
        /// Where it lies.
        path: Text,
        /// Its size in bytes.
        len: u64,
    },
}

impl Captured {
    /// Size in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Captured::Inline(bytes) => bytes.len() as u64,
            Captured::Spilled { len, .. } => *len,
        }
    }

    /// Nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last `most` bytes, or fewer; empty where a spilled file cannot be read any more.
    pub fn tail(&self, most: usize) -> Vec<u8> {
        match self {
            Captured::Inline(bytes) => bytes[bytes.len().saturating_sub(most)..].to_vec(),
            Captured::Spilled { path, len } => {
                capture::read_tail(Path::new(path.as_os_str()), *len, most).unwrap_or_default()
            }
        }
    }

    /// Removes what lies on disk, if anything does.
    pub fn discard(&self) {
        if let Captured::Spilled { path, .. } = self {
            let _ = fs::remove_file(path.as_os_str());
        }
    }
}

/// One of the two streams a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Report {
    /// Of an attempt that started nothing.
    fn nothing(end: End) -> Report {
        Report {
            end,
            pid: None,
            worker: note::worker(),
            wall: Duration::ZERO,
            user: Duration::ZERO,
            system: Duration::ZERO,
            peak_rss: 0,
            stdout: Captured::Inline(Vec::new()),
            stderr: Captured::Inline(Vec::new()),
            leaky: false,
            stopped: None,
            fault: None,
            memory_by: None,
            memory_peak: None,
            content: None,
        }
    }
}

/// Does `work` to its end and reports, unless what it would make is there. A function's panic goes on to the caller.
pub fn perform(work: Work, mut notes: Notes) -> Report {
    match notes.making.take() {
        Some(making) => make::make(work, &making, notes),
        None => attempt(work, notes),
    }
}

fn attempt(work: Work, notes: Notes) -> Report {
    match work {
        Work::Command(command) => execute(command, notes),
        Work::Call(work) => call::call(&work, &notes),
    }
}

/// Runs `command` to its end and reports. Never panics, never leaves a process of the command's group behind.
///
/// Inside a worker it heeds [`pexec::task::cancel_fd`] and tells the parent of its progress with
/// [`pexec::task::emit`], in the form of [`note::Note`].
pub fn execute(command: Command, notes: Notes) -> Report {
    let began = clock::now();
    match start::start(&command, &notes, bounds::leaf(&command.limits, &notes)) {
        Ok(started) => attend::attend(started, &command, &notes, began),
        Err(refusal) => {
            let end = End::NotStarted {
                code: refusal.code,
                reason: refusal.reason,
            };
            Report {
                wall: clock::now() - began,
                ..Report::nothing(end)
            }
        }
    }
}

/// What an attempt wrote that did not come home: of a call it lies in files, for [`discard`] to remove; a command's
/// went with its worker.
pub fn left_behind(work: &Work, notes: &Notes) -> Option<[Captured; 2]> {
    work.is_call().then(|| own_output::left_behind(notes))
}

/// How much memory an attempt held that was ended for it together with its worker.
pub fn excess(work: &Work, notes: &Notes) -> Option<u64> {
    let watched = work.is_call() && work.limits().memory.is_some();
    watched.then(|| guard::excess(notes))?
}

/// Removes the files of an attempt whose worker died before it could do so itself.
pub fn discard(work: &Work, notes: &Notes) {
    if work.limits().memory.is_some() {
        if work.is_call() {
            guard::discard(notes);
        } else {
            bounds::discard(notes);
        }
    }
    let (stdout, stderr) = work.files();
    for (stream, path) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
        let _ = fs::remove_file(spill_path(notes, stream));
        if let Some(path) = path {
            redirect::discard(path, notes, stream);
        }
    }
}

pub(crate) fn spill_path(notes: &Notes, stream: Stream) -> PathBuf {
    Path::new(notes.spill_dir.as_os_str()).join(file_name(notes, stream))
}

fn file_name(notes: &Notes, stream: Stream) -> String {
    let ending = match stream {
        Stream::Stdout => "out",
        Stream::Stderr => "err",
    };
    format!(".pexec-{}.{ending}", notes.token)
}

/// Opens a file that no other attempt uses. What lies there was left by an earlier process with the same token,
/// one that was killed; a link that somebody put there is removed, not followed.
fn open_new(options: &mut fs::OpenOptions, path: &Path) -> io::Result<fs::File> {
    let options = options.create_new(true);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

fn as_bytes<S: serde::Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_bytes(bytes)
}

fn from_bytes<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    Text::deserialize(d).map(|text| text.0)
}
