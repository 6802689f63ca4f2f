//! Which CPU a process runs on.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Where caller and peer run.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Same,
    Split,
    Free,
}

impl Place {
    pub(crate) const ALL: [Place; 3] = [Place::Same, Place::Split, Place::Free];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Place::Same => "same",
            Place::Split => "split",
            Place::Free => "free",
        }
    }

    pub(crate) fn caller(self) -> Option<usize> {
        match self {
            Place::Same | Place::Split => Some(0),
            Place::Free => None,
        }
    }

    pub(crate) fn peer(self) -> Option<usize> {
        match self {
            Place::Same => Some(0),
            Place::Split => Some(1),
            Place::Free => None,
        }
    }
}

/// Keeps the calling thread on one CPU, or lets it go where it likes. A machine without that CPU stays as it is.
pub(crate) fn pin(cpu: Option<usize>) {
    let mut set = CpuSet::new();
    match cpu {
        Some(cpu) => {
            let _ = set.set(cpu);
        }
        None => (0..CpuSet::count()).for_each(|cpu| {
            let _ = set.set(cpu);
        }),
    }
    if let Err(error) = sched_setaffinity(Pid::from_raw(0), &set) {
        eprintln!("pexec-bench: cannot choose the CPU: {error}");
    }
}
