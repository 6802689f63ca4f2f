//! Cgroups of version 2 that keep a command and all that it starts below a bound of memory, and end them together.
//!
//! ```text
//! the cgroup that this process was started in
//! └── pexec-<pid>     a `Base`: one for each supervisor, locked by it as long as it lives
//!     ├── self        the supervisor and its workers, only where they could not stay above
//!     └── <name>      a `Leaf`: one attempt of one command, with `memory.max`
//! ```
//!
//! Processes and limits below them may not be in the same cgroup, unless it is the machine's root. So a supervisor that
//! is alone in its cgroup moves down into one of its own; among others it leaves everything as it is, for they are
//! not its to move. What it has made it removes. What a supervisor that was killed has left is removed by the next one
//! in the same place, which knows it by its name and by its lock: nobody holds that any more.
//!
//! State: directories of the kernel's, nothing else. A `Leaf` and a `Base` that are dropped are gone, with every
//! process in them.

mod base;
mod ending;
mod leaf;
mod place;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use base::Base;
pub use leaf::Leaf;

/// Why no cgroup of ours can bound memory here.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unfit {
    /// No cgroup v2 is mounted, or this process is in none that can be seen.
    Unseen,
    /// The cgroup is not given the memory controller: one of version 1 may have it.
    NoController(PathBuf),
    /// Other processes are in the cgroup.
    Shared {
        /// Which.
        dir: PathBuf,
        /// How many of them.
        others: usize,
    },
    /// The kernel lacks this file.
    Lacks(&'static str),
    /// The kernel may not end this process for want of memory, nor what it starts.
    Spared,
    /// This could not be done.
    Refused {
        /// What, and to whom.
        what: String,
        /// Why not.
        error: io::Error,
    },
}

impl Unfit {
    fn refused(what: &str, dir: &Path) -> impl FnOnce(io::Error) -> Unfit + use<> {
        let what = format!("{what} {}", dir.display());
        |error| Unfit::Refused { what, error }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Unseen => f.write_str("no cgroup v2 is to be seen here"),
            Unfit::NoController(dir) => write!(f, "{} has no memory controller", dir.display()),
            Unfit::Shared { dir, others: 1 } => {
                write!(f, "another process is in {} too, which so cannot be parted", dir.display())
            }
            Unfit::Shared { dir, others } => {
                write!(f, "{others} other processes are in {} too, which so cannot be parted", dir.display())
            }
            Unfit::Lacks(file) => write!(f, "the kernel has no {file}"),
            Unfit::Spared => f.write_str("the kernel may end nothing that this process starts for want of memory (its oom_score_adj is -1000)"),
            Unfit::Refused { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for Unfit {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Unfit::Refused { error, .. } => Some(error),
            _ => None,
        }
    }
}
