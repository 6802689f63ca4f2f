//! Directories and files of a record, opened one step at a time without following a link: whoever may write to the
//! directory above must not be able to point pexec at a file elsewhere.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};

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

/// Makes a directory in `parent`; false: there was something of this name.
pub(super) fn make_dir(parent: impl AsFd, name: &str) -> io::Result<bool> {
    match mkdirat(parent, name, Mode::from_bits_truncate(0o777)) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes a file in `parent`, which must not be there yet, to append to.
pub(super) fn make_file(parent: impl AsFd, name: &str) -> io::Result<File> {
    let flags = OFlag::O_CREAT
        | OFlag::O_EXCL
        | OFlag::O_RDWR
        | OFlag::O_APPEND
        | OFlag::O_NOFOLLOW
        | OFlag::O_CLOEXEC;
    Ok(openat(parent, name, flags, Mode::from_bits_truncate(0o666))?.into())
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
