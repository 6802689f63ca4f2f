//! A memory file on its way to being sealed: how it gets its pages and its bytes. Nobody else knows the file before
//! that: it has no name, and its descriptor has not left this process.
//!
//! New memory is what costs here, not the copy: one page of 4 KiB after the other is cleared, entered and taken out
//! again, at 2 GB/s and 4 GB/s. So from 1 MiB on huge pages are asked for (8 GB/s, freed in no time); what remains, or
//! all of it where there are none, is copied by `write`, which need not clear what it fills.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::mapping::{HUGE_PAGE, Mapping};
use super::sealed::Sealed;

/// A file whose bytes are being written in place.
pub(super) struct Draft {
    file: File,
    mapping: Mapping,
}

impl Draft {
    /// So many zero bytes, or a few more. The memory is there: where there is none left, this fails, and not a later
    /// access.
    pub(super) fn zeroed(len: NonZeroUsize) -> io::Result<Draft> {
        let file = create()?;
        if let Some((mapping, huge)) = huge_pages(&file, len.get())?
            && huge >= len.get()
        {
            return Ok(Draft { file, mapping });
        }
        allocate(&file, len.get())?;
        let mapping = Mapping::writable(&file, len)?;
        Ok(Draft { file, mapping })
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is a writable one, and nobody else reaches the file.
        unsafe { self.mapping.bytes_mut() }
    }

    /// From here on the bytes stay as they are. Where they cannot be sealed (no room for one more mapping; something
    /// has pinned the pages), they come back.
    pub(super) fn seal(mut self) -> Result<Arc<Sealed>, Vec<u8>> {
        let size = self.mapping.len();
        let Ok(readable) = Mapping::readable(&self.file, size) else {
            return Err(self.bytes_mut().to_vec());
        };
        drop(self.mapping);
        Sealed::seal(self.file.into(), readable).map_err(|readable| {
            // SAFETY: nobody else has the file, and nobody writes it any more.
            unsafe { readable.bytes() }.to_vec()
        })
    }
}

/// A sealed copy, of at least one byte.
pub(super) fn copy(bytes: &[u8]) -> io::Result<Arc<Sealed>> {
    let file = create()?;
    let mut size = bytes.len();
    let mut done = 0;
    if let Some((mut mapping, huge)) = huge_pages(&file, bytes.len())? {
        // SAFETY: the mapping is a writable one, and nobody else reaches the file.
        let place = unsafe { mapping.bytes_mut() };
        done = huge.min(bytes.len());
        place[..done].copy_from_slice(&bytes[..done]);
        size = size.max(huge);
    }
    file.write_all_at(&bytes[done..], done as u64)?;
    let size = NonZeroUsize::new(size).ok_or(io::ErrorKind::InvalidInput)?;
    let readable = Mapping::readable(&file, size)?;
    Sealed::seal(file.into(), readable).map_err(|_| io::Error::other("the memory could not be sealed"))
}

fn create() -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Some systems refuse memory that could be executed; kernels before 6.3 do not know the flag that says it cannot.
    let strict = flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    Ok(match memfd_create("pexec-bytes", strict) {
        Err(Errno::EINVAL) => memfd_create("pexec-bytes", flags)?,
        made => made?,
    }
    .into())
}

/// Makes the file `len` bytes long, or longer, with memory for each page: a hole would be refused by who receives it.
fn allocate(file: &impl AsFd, len: usize) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    Ok(fallocate(file, FallocateFlags::empty(), 0, len)?)
}

/// How many of the first bytes are worth huge pages. The last one is at least half full, so that they take no more
/// than twice the memory.
fn huge_part(len: usize) -> usize {
    let rest = len % HUGE_PAGE;
    if rest >= HUGE_PAGE / 2 {
        (len - rest).saturating_add(HUGE_PAGE)
    } else {
        len - rest
    }
}

/// Lets the empty file begin with huge pages, as far as worth while. `None`: not worth while, or there are none to be
/// had; the file is empty then.
fn huge_pages(file: &File, len: usize) -> io::Result<Option<(Mapping, usize)>> {
    static UNKNOWN_HERE: AtomicBool = AtomicBool::new(false);
    let part = huge_part(len);
    let Some(size) = NonZeroUsize::new(part).filter(|_| !UNKNOWN_HERE.load(Ordering::Relaxed)) else {
        return Ok(None);
    };
    file.set_len(part as u64)?;
    for start in (0..part).step_by(HUGE_PAGE) {
        // By `write`: where there is no memory, that is an error, and a store would be SIGBUS.
        file.write_all_at(&[0], start as u64)?;
    }
    let mapping = Mapping::writable(file, size)?;
    match mapping.collapse() {
        Ok(()) => {
            // Were a page missing yet, this would be the one to make it.
            allocate(file, part)?;
            Ok(Some((mapping, part)))
        }
        Err(error) => {
            // Kernels before 6.1 do not know how, and others may be told not to; memory may be in small pieces now.
            UNKNOWN_HERE.store(error.raw_os_error() == Some(libc::EINVAL), Ordering::Relaxed);
            drop(mapping);
            file.set_len(0)?;
            Ok(None)
        }
    }
}
