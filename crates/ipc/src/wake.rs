//! Waking a thread that waits in `poll`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// A flag that `poll` can wait for.
#[derive(Debug)]
pub struct Wake(EventFd);

impl Wake {
    /// A lowered flag.
    ///
    /// # Errors
    ///
    /// When no descriptors are left.
    pub fn new() -> io::Result<Wake> {
        Ok(Wake(EventFd::from_value_and_flags(
            0,
            EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK,
        )?))
    }

    /// Raises the flag. Never blocks: a flag that cannot be raised further is raised.
    pub fn raise(&self) {
        let _ = self.0.write(1);
    }

    /// Lowers the flag.
    pub fn lower(&self) {
        let _ = self.0.read();
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
