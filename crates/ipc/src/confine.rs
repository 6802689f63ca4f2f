//! Bounds that a command is born with: set in the child before it becomes the program (see [`launch`](crate::launch)), so that
//! not one of its instructions runs without them, and what it starts has them too.

use std::io;
use std::os::fd::BorrowedFd;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// What is bounded. Nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confines {
    /// Open descriptors.
    pub open_files: Option<u64>,
    /// CPU time of each process in seconds; at its end SIGXCPU, a second later KILL.
    pub cpu_seconds: Option<u64>,
    /// Added to the niceness.
    pub nice: i32,
}

/// The steps, as they stand in an error of the child: that has only a number to tell what failed and how.
const STEP: i32 = 100_000;
const OPEN_FILES: i32 = 1;
const CPU: i32 = 2;
const NICE: i32 = 3;
const CGROUP: i32 = 4;

/// Why a command did not start: it could not enter its cgroup.
pub fn kept_out(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| code / STEP == CGROUP)
}

/// What of the confines could not be set, if that is why a command did not start.
pub fn refused(error: &io::Error) -> Option<String> {
    let code = error.raw_os_error()?;
    let what = match code / STEP {
        OPEN_FILES => "its limit of open files cannot be set",
        CPU => "its limit of CPU time cannot be set",
        NICE => "its niceness cannot be changed",
        CGROUP => "it cannot enter its cgroup",
        _ => return None,
    };
    Some(format!("{what}: {}", io::Error::from_raw_os_error(code % STEP)))
}

impl Confines {
    /// Has this process bounded, and what becomes of it, in the cgroup behind this [door](crate::cgroup::Leaf::door).
    /// System calls only.
    pub(crate) fn apply(&self, door: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let failed = |step: i32, errno: i32| io::Error::from_raw_os_error(step * STEP + errno);
        if let Some(door) = door {
            // This process itself, whatever its number is called there. Nothing has been started yet, so nothing is left
            // outside.
            rustix::io::write(door, b"0").map_err(|errno| failed(CGROUP, errno.raw_os_error()))?;
        }
        if let Some(most) = self.open_files {
            bound(Resource::RLIMIT_NOFILE, most, most).map_err(|errno| failed(OPEN_FILES, errno))?;
        }
        if let Some(seconds) = self.cpu_seconds {
            bound(Resource::RLIMIT_CPU, seconds, seconds.saturating_add(1))
                .map_err(|errno| failed(CPU, errno))?;
        }
        if self.nice != 0 {
            rustix::process::nice(self.nice).map_err(|errno| failed(NICE, errno.raw_os_error()))?;
        }
        Ok(())
    }
}

/// For good; a hard limit that is lower already counts.
fn bound(resource: Resource, soft: rlim_t, hard: rlim_t) -> Result<(), i32> {
    let (_, most) = getrlimit(resource).map_err(|errno| errno as i32)?;
    setrlimit(resource, soft.min(most), hard.min(most)).map_err(|errno| errno as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_set_is_named() {
        let denied = io::Error::from_raw_os_error(NICE * STEP + nix::libc::EPERM);
        let told = refused(&denied).expect("one of ours");
        assert!(told.starts_with("its niceness cannot be changed: "), "{told}");
        assert_eq!(refused(&io::Error::from_raw_os_error(nix::libc::ENOENT)), None);
        assert_eq!(refused(&io::Error::other("no number")), None);
    }
}
