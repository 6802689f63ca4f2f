//! The files that an instance reads and makes, and whether what it would make is there already.
//!
//! What counts is content: a digest of the inputs as they were when an attempt began, and of the outputs as its success
//! left them, stands in the record. While both are the same there is nothing to do. A file that was cut off half way
//! never has the digest of a success, so nothing that a killed run left is taken for good.

mod digest;
mod successes;

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::text::Text;

pub use successes::Successes;

/// The files of an instance. Paths are as the job file has them, relative to `dir`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The directory of the job; absolute.
    pub dir: Text,
    /// What it reads.
    pub inputs: Vec<Input>,
    /// What it makes.
    pub outputs: Vec<Text>,
}

/// Something that an instance reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// This file.
    Path(Text),
    /// The files that match, at the time of the attempt; there may be none.
    Pattern(Text),
}

/// What the files of an instance held at a success: half a digest each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Content {
    /// The inputs, when the attempt began.
    pub inputs: [u8; 16],
    /// The outputs, when it had succeeded.
    pub outputs: [u8; 16],
}

/// How an instance stands to its last success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing has changed since.
    UpToDate(Content),
    /// It has to run; its inputs hold this.
    Stale {
        /// Their digest.
        inputs: [u8; 16],
        /// What is not as it was.
        why: Change,
    },
}

/// What is not as it was at the last success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is none, or it did not say what its files held.
    New,
    /// An input.
    Inputs,
    /// This output is not there.
    Gone(Text),
    /// An output.
    Outputs,
}

impl Files {
    /// Looks at the files. The error says which one cannot be what it is to be.
    ///
    /// # Errors
    ///
    /// An input that is not there or cannot be read, an output that is a directory.
    pub fn examine(&self, known: Option<Content>) -> Result<Standing, String> {
        let inputs = digest::inputs(self)?;
        let stale = |why| Ok(Standing::Stale { inputs, why });
        let Some(known) = known.filter(|_| !self.outputs.is_empty()) else {
            return stale(Change::New);
        };
        if known.inputs != inputs {
            return stale(Change::Inputs);
        }
        match digest::outputs(self) {
            Ok(outputs) if outputs == known.outputs => Ok(Standing::UpToDate(known)),
            Ok(_) => stale(Change::Outputs),
            Err(digest::Lack::Gone(path)) => stale(Change::Gone(path)),
            Err(digest::Lack::Wrong(why)) => Err(why),
        }
    }

    /// What the outputs hold after a success. The error says which one was not made.
    pub(crate) fn made(&self) -> Result<[u8; 16], String> {
        digest::outputs(self).map_err(|lack| match lack {
            digest::Lack::Gone(path) => format!("it succeeded and did not make its output {path}"),
            digest::Lack::Wrong(why) => why,
        })
    }

    /// Makes the directories that the outputs will lie in.
    pub(crate) fn make_room(&self) -> Result<(), String> {
        for output in &self.outputs {
            if let Some(parent) = self.at(output).parent() {
                fs::create_dir_all(parent).map_err(|error| {
                    format!("the directory of its output {output} cannot be made: {error}")
                })?;
            }
        }
        Ok(())
    }

    /// How the outputs are now.
    pub(crate) fn stamps(&self) -> Vec<Option<Stamp>> {
        self.outputs
            .iter()
            .map(|output| Stamp::of(&self.at(output)))
            .collect()
    }

    /// Removes the outputs that are not as they were: an attempt has failed, and they may be half of what they were
    /// to be.
    pub(crate) fn remove_changed(&self, before: &[Option<Stamp>]) {
        for (output, before) in self.outputs.iter().zip(before) {
            let path = self.at(output);
            if Stamp::of(&path) != *before {
                // One that is not there, and a directory, stay as they are.
                let _ = fs::remove_file(path);
            }
        }
    }

    fn at(&self, path: &Text) -> PathBuf {
        Path::new(self.dir.as_os_str()).join(path.as_os_str())
    }
}

/// What tells that a file was written to, whoever sets its times back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let there = fs::metadata(path).or_else(|_| fs::symlink_metadata(path)).ok()?;
        Some(Stamp {
            device: there.dev(),
            inode: there.ino(),
            len: there.len(),
            changed: (there.ctime(), there.ctime_nsec()),
        })
    }
}

impl Content {
    /// As 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        let halves = [self.inputs, self.outputs];
        halves
            .iter()
            .flatten()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// From what [`hex`](Content::hex) writes.
    pub fn from_hex(text: &str) -> Option<Content> {
        let half = |text: &str| crate::key::Key::from_hex(text).map(|key| key.0);
        let (inputs, outputs) = text.split_at_checked(32)?;
        Some(Content {
            inputs: half(inputs)?,
            outputs: half(outputs)?,
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::New => f.write_str("no success is recorded"),
            Change::Inputs => f.write_str("an input has changed"),
            Change::Gone(path) => write!(f, "its output {path} is not there"),
            Change::Outputs => f.write_str("an output has changed"),
        }
    }
}

/// Says what kept a file from being read.
fn unreadable(role: &str, path: &Text, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("its {role} {path} is not there"),
        _ => format!("its {role} {path} cannot be read: {error}"),
    }
}
