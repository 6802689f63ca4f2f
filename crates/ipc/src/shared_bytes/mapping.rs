//! A memory file's place in this process's address space. It owns the addresses and gives them back when dropped.
//!
//! Large ones begin at a multiple of a huge page, without which the kernel maps huge pages in small pieces: reading
//! 64 MiB for the first time then takes 5 to 7 ms instead of 2.
#![allow(unsafe_code)]

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

/// Where a huge page is larger than this (arm64 with pages of 64 KiB), ordinary pages are used.
pub(super) const HUGE_PAGE: usize = 2 << 20;

pub(super) struct Mapping {
    base: NonNull<u8>,
    len: NonZeroUsize,
}

// SAFETY: the mapping belongs to the value, whichever thread uses or drops it, and is reached through it alone.
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` gives shared bytes only, whose constancy is the concern of who asks for them (see `bytes`).
unsafe impl Sync for Mapping {}

impl Mapping {
    /// The first `len` bytes, readable.
    pub(super) fn readable(file: &impl AsFd, len: NonZeroUsize) -> io::Result<Mapping> {
        // Private: kernels before 6.7 refuse even a read-only shared mapping of what is sealed against writing. The
        // pages are the file's own all the same, since nobody writes.
        Mapping::new(file, len, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE)
    }

    /// The first `len` bytes, which the file must have, writable into the file.
    pub(super) fn writable(file: &impl AsFd, len: NonZeroUsize) -> io::Result<Mapping> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let mapping = Mapping::new(file, len, access, MapFlags::MAP_SHARED)?;
        // A child that another thread forks meanwhile must not inherit it: the file could not be sealed.
        // SAFETY: the range is this mapping, and no access within this process changes.
        unsafe { madvise(mapping.base.cast(), len.get(), MmapAdvise::MADV_DONTFORK) }?;
        Ok(mapping)
    }

    fn new(file: &impl AsFd, len: NonZeroUsize, access: ProtFlags, flags: MapFlags) -> io::Result<Mapping> {
        if len.get() >= HUGE_PAGE
            && let Ok(place) = Mapping::reserve_aligned(len)
        {
            let at = place.base.addr();
            // SAFETY: the addresses replaced are those of `place`, which nothing refers to.
            let base = unsafe { mmap(Some(at), len, access, flags | MapFlags::MAP_FIXED, file, 0) }?;
            // From here on the new mapping owns the addresses (an error above has given them back).
            std::mem::forget(place);
            return Ok(Mapping {
                base: base.cast(),
                len,
            });
        }
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that Rust knows of.
        let base = unsafe { mmap(None, len, access, flags, file, 0) }?;
        Ok(Mapping {
            base: base.cast(),
            len,
        })
    }

    /// Addresses without memory, from a multiple of a huge page on.
    fn reserve_aligned(len: NonZeroUsize) -> io::Result<Mapping> {
        let pages = len
            .get()
            .checked_next_multiple_of(page_size())
            .ok_or(io::ErrorKind::OutOfMemory)?;
        let more = len.checked_add(HUGE_PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: as in `new`.
        let start = unsafe { mmap_anonymous(None, more, ProtFlags::PROT_NONE, flags) }?.cast::<u8>();
        let skip = start.align_offset(HUGE_PAGE);
        let mapped = more.get().next_multiple_of(page_size());
        // SAFETY: `skip` is less than HUGE_PAGE, so this and the end below lie within the fresh mapping.
        let base = unsafe { start.add(skip) };
        if skip > 0 {
            // SAFETY: whole pages of the fresh mapping, before the part that is kept.
            unsafe { munmap(start.cast(), skip) }?;
        }
        if mapped > skip + pages {
            // SAFETY: `pages` behind `base` is within the mapping, or its end.
            let end = unsafe { base.add(pages) };
            // SAFETY: whole pages of the fresh mapping, behind the part that is kept.
            unsafe { munmap(end.cast(), mapped - skip - pages) }?;
        }
        Ok(Mapping { base, len })
    }

    /// Has the kernel make huge pages of the file's bytes here, at least one of whose ordinary pages it needs in each.
    ///
    /// This is the only way to them where they are not on for all shared memory, and works at once: the memory is
    /// cleared as a whole instead of by a fault for every 4 KiB.
    pub(super) fn collapse(&self) -> io::Result<()> {
        if self.base.align_offset(HUGE_PAGE) != 0 {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // SAFETY: the range is this mapping; what is read there stays the same.
        let done = unsafe { libc::madvise(self.base.as_ptr().cast(), self.len.get(), libc::MADV_COLLAPSE) };
        Ok(nix::errno::Errno::result(done).map(drop)?)
    }

    pub(super) fn len(&self) -> NonZeroUsize {
        self.len
    }

    /// The bytes.
    ///
    /// # Safety
    ///
    /// While they are borrowed, the file neither shrinks nor changes, in whatever process.
    pub(super) unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: mapped readable for as long as `self`, within the file and constant as the caller says; the
        // length is that of a mapping, so it fits `isize`.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len.get()) }
    }

    /// The bytes, to be written.
    ///
    /// # Safety
    ///
    /// The mapping is a writable one, and while they are borrowed nobody else reaches the file.
    pub(super) unsafe fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; writable and exclusive as the caller says.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len.get()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this mapping, once; nothing borrowed from it outlives it. Failure is impossible for a whole mapping
        // at its own address.
        let _ = unsafe { munmap(self.base.cast(), self.len.get()) };
    }
}

fn page_size() -> usize {
    rustix::param::page_size()
}
