//! Waking a thread that waits in `poll`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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

    /// Lowers the flag. False: it was not raised.
    pub fn lower(&self) -> bool {
        self.0.read().is_ok()
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The other process's end of a [`Wake`] whose descriptor was passed to it.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// Rings through this descriptor.
    #[must_use]
    pub fn new(wake: OwnedFd) -> Bell {
        Bell(wake)
    }

    /// Wakes whoever watches the flag. Never blocks; a flag that cannot be raised further is raised.
    pub fn ring(&self) {
        let _ = nix::unistd::write(&self.0, &1u64.to_ne_bytes());
    }
}
