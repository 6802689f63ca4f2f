//! Room for what does not fit into memory: a directory under `TMPDIR`, removed with this value.
//!
//! A pexec that is killed cannot remove its own. So each holds a lock while it lives, and the next run of the same user
//! removes the directories whose lock nobody holds. Nothing else is touched: not what belongs to others, not what has no
//! lock of ours in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use tempfile::TempDir;

const PREFIX: &str = "pexec-";
const LOCK: &str = ".pexec-lock";

/// The directory, and its lock.
pub(crate) struct Room {
    // Removed before the lock is let go.
    dir: TempDir,
    _lock: File,
}

impl Room {
    /// Makes one, and has what others have left removed meanwhile.
    pub(crate) fn make() -> io::Result<Room> {
        let room = loop {
            let dir = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
            let mut options = OpenOptions::new();
            let lock = options.write(true).create_new(true).mode(0o600);
            let lock = lock.open(dir.path().join(LOCK))?;
            match lock.try_lock() {
                // Somebody who tidies up may have been quicker: they have the lock, or had it and removed everything.
                Ok(()) if lock.metadata()?.nlink() > 0 => break Room { dir, _lock: lock },
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                // A file system without locks: nobody can be mistaken there either, since nobody gets one.
                Err(TryLockError::Error(_)) => break Room { dir, _lock: lock },
            }
        };
        // Not waited for, and nobody's loss if it cannot be done.
        let _ = std::thread::Builder::new()
            .name("pexec-tidy".to_owned())
            .spawn(|| sweep(&std::env::temp_dir()));
        Ok(room)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Removes what killed ones have left in this directory.
fn sweep(place: &Path) {
    let me = nix::unistd::geteuid().as_raw();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let named = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes());
        let mine = || entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == me);
        if !named || !mine() {
            continue;
        }
        let lock = OpenOptions::new()
            .write(true)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
            .open(entry.path().join(LOCK));
        if let Ok(lock) = lock
            && lock.try_lock().is_ok()
        {
            // Its workers may be about to end, and write to it still: then the next run comes by.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_holds_any_more_is_removed() {
        let place = tempfile::tempdir().expect("a directory");
        let make = |name: &str, lock: bool| {
            let dir = place.path().join(name);
            fs::create_dir(&dir).expect("made");
            fs::write(dir.join("spilled"), "much").expect("written");
            lock.then(|| File::create(dir.join(LOCK)).expect("made"))
        };
        let held = make("pexec-held", true).expect("a lock");
        held.lock().expect("locked");
        make("pexec-left", true);
        make("pexec-other", false);
        make("other", true);
        let elsewhere = make("elsewhere", true);
        std::os::unix::fs::symlink(place.path().join("elsewhere"), place.path().join("pexec-link"))
            .expect("linked");
        sweep(place.path());
        let there = |name: &str| place.path().join(name).join("spilled").exists();
        assert!(there("pexec-held") && there("pexec-other") && there("other"));
        assert!(there("elsewhere"), "no link is followed");
        assert!(!place.path().join("pexec-left").exists());
        drop((held, elsewhere));
        sweep(place.path());
        assert!(!place.path().join("pexec-held").exists());
    }
}
