//! What one attempt may use of the machine.

use std::fmt;
use std::time::Duration;

use pexec_ipc::confine::Confines;
use serde::{Deserialize, Serialize};

/// The limits of an attempt; what is not set stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory that all of its processes hold together.
    pub memory: Option<u64>,
    /// CPU time of all of its processes together.
    pub cpu_time: Option<Duration>,
    /// Open descriptors of each process.
    pub open_files: Option<u64>,
    /// Added to the niceness.
    pub nice: i32,
}

impl Limits {
    /// What the kernel itself can keep of it, for a command.
    pub(crate) fn confines(&self) -> Confines {
        Confines {
            open_files: self.open_files,
            cpu_seconds: self.cpu_time.map(seconds),
            nice: self.nice,
        }
    }

    /// The same for a function, which runs in the worker itself.
    pub(crate) fn of_call(&self) -> Option<pexec::Limits> {
        let mut limits = pexec::Limits::new();
        if let Some(time) = self.cpu_time {
            limits = limits.cpu_time(time);
        }
        if let Some(most) = self.open_files {
            limits = limits.open_files(most);
        }
        (self.cpu_time.is_some() || self.open_files.is_some()).then_some(limits)
    }
}

/// The kernel counts in whole seconds; what is over the limit before that is seen by looking.
fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

/// How the limit on memory was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MemoryBy {
    /// By looking, again and again, how much there is.
    Sampling,
    /// By the kernel, which gives its cgroup no more.
    Cgroup,
}

impl MemoryBy {
    /// The word in the event stream.
    pub fn as_str(self) -> &'static str {
        match self {
            MemoryBy::Sampling => "sampling",
            MemoryBy::Cgroup => "cgroup",
        }
    }

    /// The way of that word.
    pub fn from_name(name: &str) -> Option<MemoryBy> {
        [MemoryBy::Sampling, MemoryBy::Cgroup]
            .into_iter()
            .find(|by| by.as_str() == name)
    }
}

/// A number of bytes for people: `256 MiB`, `1.5 GiB`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut unit = 0;
        let mut size = self.0 as f64 / 1024.0;
        // What would be shown as 1024.0 is one of the next unit.
        while size >= 1023.95 && unit + 1 < UNITS.len() {
            size /= 1024.0;
            unit += 1;
        }
        match (size * 10.0).round() {
            tenths if tenths % 10.0 == 0.0 => write!(f, "{:.0} {}", tenths / 10.0, UNITS[unit]),
            tenths => write!(f, "{:.1} {}", tenths / 10.0, UNITS[unit]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_largest_unit_that_they_fill() {
        for (bytes, told) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (256 << 20, "256 MiB"),
            ((3 << 30) / 2, "1.5 GiB"),
            ((1 << 30) - 1, "1 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), told);
        }
    }

    #[test]
    fn the_kernel_gets_whole_seconds_and_never_none() {
        for (ms, whole) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
            assert_eq!(seconds(Duration::from_millis(ms)), whole);
        }
    }
}
