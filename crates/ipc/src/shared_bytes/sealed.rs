//! A memory file that nobody can change any more, mapped readable: how it is told from one that somebody could, and
//! how this process knows it when it comes again.
//!
//! The seals are what makes a `&[u8]` of it true whatever the other processes do: against shrinking (a later access
//! would be SIGBUS), and against writing. The kernel sets that one only when no writable mapping exists anywhere, no
//! transfer into the pages is under way, and allows none afterwards. `F_SEAL_FUTURE_WRITE` would not do: it leaves the
//! sender every writable mapping that it has.
//!
//! A process maps a file once, however often it comes: a table of weak references finds the mapping while any handle
//! is alive. It keeps no memory; that is the kernel's as soon as the last handle anywhere is gone.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::stat::{FileStat, fstat};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};

use super::mapping::Mapping;

/// What nobody may be able to do.
const NEEDED: SealFlag = SealFlag::F_SEAL_SHRINK
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_WRITE);

pub(super) struct Sealed {
    mapping: Mapping,
    file: Arc<OwnedFd>,
    identity: Identity,
}

/// Device and inode: two open files that agree in both are one, as long as either is open.
type Identity = (u64, u64);

static KNOWN: LazyLock<Mutex<HashMap<Identity, Weak<Sealed>>>> = LazyLock::new(Mutex::default);

fn identity(status: &FileStat) -> Identity {
    (status.st_dev, status.st_ino)
}

fn known() -> MutexGuard<'static, HashMap<Identity, Weak<Sealed>>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sealed {
    /// Seals a file of this process's own, of which every page is there, no writable mapping is left and `mapping` shows
    /// the whole. On an error the mapping comes back.
    pub(super) fn seal(file: OwnedFd, mapping: Mapping) -> Result<Arc<Sealed>, Mapping> {
        let sealed = fcntl(&file, FcntlArg::F_ADD_SEALS(NEEDED | SealFlag::F_SEAL_SEAL));
        match sealed.and_then(|_| fstat(&file)) {
            Ok(status) => Ok(Sealed::register(Arc::new(file), mapping, &status)),
            Err(_) => Err(mapping),
        }
    }

    /// A file from anywhere, if it is what it must be.
    pub(super) fn open(file: Arc<OwnedFd>) -> io::Result<Arc<Sealed>> {
        // In this order: before it is sealed, a size could still change.
        check_seals(&file)?;
        let status = fstat(&file)?;
        let known_here = known().get(&identity(&status)).and_then(Weak::upgrade);
        if let Some(sealed) = known_here {
            return Ok(sealed);
        }
        let size = check_memory(&file, &status)?;
        let mapping = Mapping::readable(&file, size)?;
        Ok(Sealed::register(file, mapping, &status))
    }

    fn register(file: Arc<OwnedFd>, mapping: Mapping, status: &FileStat) -> Arc<Sealed> {
        let identity = identity(status);
        let sealed = Arc::new(Sealed {
            mapping,
            file,
            identity,
        });
        // Two threads that get a file at once have a mapping each; the table knows the later one.
        known().insert(identity, Arc::downgrade(&sealed));
        sealed
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: a `Sealed` is made of a file in memory that is sealed against shrinking and writing and has all its
        // pages, as many as are mapped: `open` checks that, `seal` has just made it so. Seals cannot be taken off.
        unsafe { self.mapping.bytes() }
    }

    pub(super) fn file(&self) -> &Arc<OwnedFd> {
        &self.file
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        let mut known = known();
        // Meanwhile the file may have come again, and have another mapping.
        if known
            .get(&self.identity)
            .is_some_and(|w| std::ptr::eq(w.as_ptr(), self))
        {
            known.remove(&self.identity);
        }
    }
}

fn check_seals(file: &OwnedFd) -> io::Result<()> {
    let Ok(seals) = fcntl(file, FcntlArg::F_GET_SEALS) else {
        return refuse("is no memory file");
    };
    let seals = SealFlag::from_bits_retain(seals);
    if seals.contains(NEEDED) {
        return Ok(());
    }
    refuse(if !seals.contains(SealFlag::F_SEAL_WRITE) {
        "can still be written by its sender (it lacks F_SEAL_WRITE)"
    } else {
        "can still change its size (it lacks F_SEAL_SHRINK or F_SEAL_GROW)"
    })
}

fn check_memory(file: &OwnedFd, status: &FileStat) -> io::Result<NonZeroUsize> {
    // Of hugetlb pages a mapping must reserve its own share, or reading it can be SIGBUS.
    if fstatfs(file)?.filesystem_type() != TMPFS_MAGIC {
        return refuse("is not in ordinary shared memory");
    }
    let size = usize::try_from(status.st_size)
        .ok()
        .filter(|&size| isize::try_from(size).is_ok());
    let Some(size) = size.and_then(NonZeroUsize::new) else {
        return refuse("is empty");
    };
    // Reading a page that is not there would allocate it, on the reader's account, and be SIGBUS when there is none
    // to be had. A sealed file cannot lose a page.
    if status.st_blocks.saturating_mul(512) < status.st_size {
        return refuse("has holes");
    }
    Ok(size)
}

fn refuse<T>(why: &str) -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the descriptor that came for it {why}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared_bytes::draft;

    #[test]
    fn a_file_is_known_as_long_as_it_has_a_handle() {
        let first = draft::copy(&[7; 5000]).unwrap();
        let file = Arc::clone(first.file());
        let again = Sealed::open(Arc::new(file.try_clone().unwrap())).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let identity = first.identity;
        drop(first);
        assert!(known().contains_key(&identity));
        drop(again);
        assert!(!known().contains_key(&identity));
        let anew = Sealed::open(file).unwrap();
        assert_eq!(anew.bytes(), [7; 5000]);
    }

    #[test]
    fn a_handle_that_goes_while_its_file_comes_again_takes_nothing_with_it() {
        let origin = draft::copy(&[7; 5000]).unwrap();
        let (file, identity) = (Arc::clone(origin.file()), origin.identity);
        drop(origin);
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    for _ in 0..2000 {
                        let sealed = Sealed::open(Arc::clone(&file)).unwrap();
                        assert_eq!(sealed.bytes()[4999], 7);
                    }
                });
            }
        });
        assert!(!known().contains_key(&identity));
        let (a, b) = (Sealed::open(Arc::clone(&file)), Sealed::open(file));
        assert!(Arc::ptr_eq(&a.unwrap(), &b.unwrap()));
    }
}
