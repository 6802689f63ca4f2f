//! The cgroup of one command: a bound of memory for all of its processes, which end together.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{ending, place};

/// A cgroup with a bound. Dropped, it is gone, and so is every process in it.
#[derive(Debug)]
pub struct Leaf {
    dir: PathBuf,
}

impl Leaf {
    /// Makes one below a [`Base`](super::Base). All its processes together hold at most so many bytes, nothing of it
    /// swapped out; if they need more, and the kernel finds nothing that it can drop, it kills them all.
    ///
    /// # Errors
    ///
    /// What the kernel says: the base is gone, there are too many cgroups, it lacks a file.
    pub fn make(base: &Path, name: &str, memory: u64) -> io::Result<Leaf> {
        let dir = base.join(name);
        fs::create_dir(&dir)?;
        let leaf = Leaf { dir };
        leaf.set("memory.max", &memory.to_string())?;
        leaf.set("memory.oom.group", "1")?;
        match leaf.set("memory.swap.max", "0") {
            // A kernel that swaps nothing does not count it either.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(leaf),
            set => set.map(|()| leaf),
        }
    }

    /// The way in: whoever writes `0` there is inside, with all that it starts from then on.
    ///
    /// # Errors
    ///
    /// No descriptors are left.
    pub fn door(&self) -> io::Result<OwnedFd> {
        let door = OpenOptions::new()
            .write(true)
            .open(self.dir.join("cgroup.procs"))?;
        Ok(OwnedFd::from(door))
    }

    /// Whoever writes `1` there kills every process inside.
    ///
    /// # Errors
    ///
    /// No descriptors are left.
    pub fn trigger(&self) -> io::Result<OwnedFd> {
        let trigger = OpenOptions::new()
            .write(true)
            .open(self.dir.join("cgroup.kill"))?;
        Ok(OwnedFd::from(trigger))
    }

    /// Kills every process inside, however far it has come from the group and the parent that it was born with.
    pub fn kill(&self) {
        ending::kill(&self.dir);
    }

    /// The bound was reached, and the processes were ended for it.
    pub fn was_exceeded(&self) -> bool {
        let read = |file| fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        place::over_its_bound(&read("memory.events.local"), &read("memory.events"))
    }

    /// The most memory that the processes held together, in bytes: what they have read from files included, as far as
    /// the kernel has kept that. Needs Linux 5.19.
    pub fn peak(&self) -> Option<u64> {
        let peak = fs::read_to_string(self.dir.join("memory.peak")).ok()?;
        peak.trim().parse().ok()
    }

    /// Ends what the maker of a leaf has left that did not come to drop it.
    pub fn sweep(base: &Path, name: &str) {
        drop(Leaf { dir: base.join(name) });
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        // `fs::write` would try to create one that is missing, and be told something else than that.
        let file = OpenOptions::new().write(true).open(self.dir.join(file));
        file?.write_all(value.as_bytes())
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        // What cannot be removed now is removed with the base.
        let _ = ending::end(&self.dir);
    }
}
