//! Why a record cannot be read or written, so that a caller can tell a wrong name from a damaged file.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no record of this name.
    NotFound {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        store: PathBuf,
    },
    /// The name is the beginning of several.
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The ids that begin so; the first few.
        among: Vec<String>,
    },
    /// A line is not what was written, and it is not the last one.
    Damaged {
        /// The events file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        how: String,
    },
    /// It was written by a newer pexec.
    Newer {
        /// The events file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// The version of the form.
        version: u64,
    },
    /// A living pexec is writing it.
    Held {
        /// The run.
        id: String,
        /// The process that has it, as far as it has told.
        pid: Option<u32>,
    },
    /// The system refused.
    Io {
        /// Where.
        path: PathBuf,
        /// What was to be done, as a verb: `read`, `make`.
        doing: &'static str,
        /// Why.
        error: io::Error,
    },
}

impl Error {
    /// The name was wrong, not the record: a matter for whoever typed it.
    pub fn is_usage(&self) -> bool {
        matches!(self, Error::NotFound { .. } | Error::Ambiguous { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotFound { name, store } if name == "last" => {
                write!(f, "there is no run yet in {}", store.display())
            }
            Error::NotFound { name, store } => write!(f, "there is no run `{name}` in {}", store.display()),
            Error::Ambiguous { name, among } => {
                write!(
                    f,
                    "`{name}` is the beginning of more than one run: {}",
                    among.join(", ")
                )
            }
            Error::Damaged { path, line, how } => write!(
                f,
                "line {line} of {} is damaged: {how}; the lines before it are whole, and `head -n {}` keeps them",
                path.display(),
                line - 1
            ),
            Error::Newer { path, line, version } => write!(
                f,
                "line {line} of {} has version {version}, which this pexec cannot read (it knows {}): use a newer pexec",
                path.display(),
                crate::event::VERSION
            ),
            Error::Held { id, pid: Some(pid) } => write!(
                f,
                "run {id} is still going on: the pexec with process id {pid} is writing its record; wait for it, or end it"
            ),
            Error::Held { id, pid: None } => {
                write!(
                    f,
                    "run {id} is still going on: another process has the lock of its record"
                )
            }
            Error::Io { path, doing, error } => {
                write!(f, "cannot {doing} {}: {}", path.display(), because(error))
            }
        }
    }
}

/// A refusal in words that say what it means here.
fn because(error: &io::Error) -> String {
    use nix::libc::{ELOOP, ENXIO};
    match error.raw_os_error() {
        Some(ELOOP) => "it is a symbolic link, and pexec follows none in a record".to_owned(),
        Some(ENXIO) => "it is no file".to_owned(),
        _ => error.to_string(),
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
