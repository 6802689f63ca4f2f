//! The end of a cgroup: everything in it is killed, then it is removed with all that lies below.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::place::count;

/// How long killed processes are waited for. Only one that the kernel cannot end now, as it waits for a disk, takes
/// longer, and whoever removes the cgroup above tries again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Kills every process in a cgroup and below, those included that are just being forked.
pub(super) fn kill(dir: &Path) {
    // Where there is no such file, it is not made.
    let file = OpenOptions::new().write(true).open(dir.join("cgroup.kill"));
    let _ = file.and_then(|mut file| file.write_all(b"1"));
}

/// Kills what is in a cgroup, and removes it with what was made in it.
pub(super) fn end(dir: &Path) -> io::Result<()> {
    kill(dir);
    wait_until_empty(dir);
    remove(dir)
}

/// Removes a cgroup and those below, if no process is in any of them.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    for below in below(dir) {
        remove(&below)?;
    }
    match fs::remove_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        ended => ended,
    }
}

/// The cgroups right below one.
pub(super) fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn wait_until_empty(dir: &Path) {
    let Ok(events) = File::open(dir.join("cgroup.events")) else {
        return;
    };
    let until = Instant::now() + PATIENCE;
    loop {
        // Reading it takes note of what has changed; from then on the next change is told.
        let mut text = [0; 256];
        let read = events.read_at(&mut text, 0).unwrap_or(0);
        let left = until.saturating_duration_since(Instant::now());
        if count(&String::from_utf8_lossy(&text[..read]), "populated") == 0 || left.is_zero() {
            return;
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLPRI)], timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}
