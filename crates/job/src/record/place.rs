//! Directories and files of a record, opened one step at a time without following a link: whoever may write to the
//! directory above must not be able to point pexec at a file elsewhere.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;

/// A directory that whoever asked for it has named: links on the way to it are theirs.
pub(super) fn base(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(openat(AT_FDCWD, path, flags, Mode::empty())?)
}

/// A directory in `parent`, which is no link.
pub(super) fn dir(parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent.as_fd(), name, flags, Mode::empty()).map_err(|error| match error {
        // What the kernel says of a link here is that it is no directory.
        Errno::ENOTDIR if is_link(parent.as_fd(), name) => Errno::ELOOP.into(),
        error => error.into(),
    })
}

fn is_link(parent: impl AsFd, name: &str) -> bool {
    nix::fcntl::readlinkat(parent, name).is_ok()
}

/// A file in `parent`, to read or to append to. Neither a link nor a pipe, which would keep the reader waiting.
pub(super) fn file(parent: impl AsFd, name: &str, write: bool) -> io::Result<File> {
    let access = if write {
        OFlag::O_RDWR | OFlag::O_APPEND
    } else {
        OFlag::O_RDONLY
    };
    let flags = access | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = File::from(openat(parent, name, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(Errno::ENXIO.into());
    }
    Ok(file)
}
