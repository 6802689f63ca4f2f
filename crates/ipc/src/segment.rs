//! The memory that a supervisor and one of its workers share: the page of cells, the rings' marks, the rings.
//!
//! One sealed memfd a worker. The seals keep its size (a later access would be SIGBUS otherwise), it has no name that
//! could be left behind, and the kernel frees it with the last of its two users, however they end. Either side may
//! be gone or hostile at any moment: words are atomics, read once and checked by whoever uses them; the bytes of a
//! ring are only ever copied in and out, so no reference to memory exists that the other side could change.
#![allow(unsafe_code)]

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::cells::Page;
use crate::notes::Words;
use crate::ring::{CAPACITY, Direction, Marks};

/// What lies in front of the rings.
#[repr(C)]
pub(crate) struct Head {
    pub(crate) page: Page,
    pub(crate) calls: Marks,
    pub(crate) answers: Marks,
    pub(crate) notes: Words,
}

const HEAD: usize = size_of::<Head>().next_multiple_of(4096);
const SIZE: usize = HEAD + 2 * CAPACITY;
/// How many bytes of answers can be noted.
pub(crate) const NOTES: usize = HEAD - size_of::<Head>();

/// One side's mapping.
#[derive(Debug)]
pub struct Segment(NonNull<u8>);

// SAFETY: the mapping stays until the value is dropped, whichever thread does that; its head is reached through
// atomics only, its rings through copies that each have one writer and one reader (see `ring`).
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Segment {
    /// A fresh segment, and the descriptor to give to the other side.
    ///
    /// # Errors
    ///
    /// What the kernel says to a memfd or a mapping: out of descriptors or memory.
    pub fn create() -> io::Result<(Arc<Segment>, OwnedFd)> {
        let memfd = memfd_create(
            "pexec-worker",
            MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
        )?;
        nix::unistd::ftruncate(&memfd, SIZE as i64)?;
        fcntl(&memfd, FcntlArg::F_ADD_SEALS(seals()))?;
        Ok((Segment::map(&memfd)?, memfd))
    }

    /// The segment that the other side created.
    ///
    /// # Errors
    ///
    /// When the descriptor is no memory of the right size that is sealed against resizing.
    pub fn open(memfd: &OwnedFd) -> io::Result<Arc<Segment>> {
        let have = SealFlag::from_bits_retain(fcntl(memfd, FcntlArg::F_GET_SEALS)?);
        let size = nix::sys::stat::fstat(memfd)?.st_size;
        if !have.contains(seals()) || size != SIZE as i64 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not the sealed memory of a worker of this version",
            ));
        }
        Segment::map(memfd)
    }

    fn map(memfd: &OwnedFd) -> io::Result<Arc<Segment>> {
        let size = NonZeroUsize::new(SIZE).ok_or(io::ErrorKind::InvalidInput)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that Rust knows of.
        let base = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, memfd, 0) }?;
        Ok(Arc::new(Segment(base.cast())))
    }

    #[inline]
    pub(crate) fn head(&self) -> &Head {
        // SAFETY: the mapping is page-aligned, longer than `Head` and lives as long as `self`; the memory is sealed
        // against shrinking; every bit pattern is valid for atomics, and both processes only use atomics on it.
        unsafe { self.0.cast::<Head>().as_ref() }
    }

    /// The place in a ring, which is at most its capacity from its start.
    #[inline]
    fn ring(&self, direction: Direction, place: usize) -> NonNull<u8> {
        let offset = match direction {
            Direction::Calls => HEAD,
            Direction::Answers => HEAD + CAPACITY,
        };
        assert!(place <= CAPACITY);
        // SAFETY: both rings lie within the mapping of `SIZE` bytes, and so does every place in them.
        unsafe { self.0.add(offset + place) }
    }

    /// Copies bytes into a ring, from the place that belongs to position `at`, round its end.
    #[inline]
    pub(crate) fn copy_in(&self, direction: Direction, at: u64, bytes: &[u8]) {
        assert!(bytes.len() <= CAPACITY);
        let (start, first) = place(at, bytes.len());
        let (head, rest) = bytes.split_at(first);
        let to = self.ring(direction, start);
        // SAFETY: `start + first` is at most the capacity of the ring, and a ring is no memory of Rust's: nothing
        // refers to it, and what the other process does there meanwhile can garble bytes, not this process.
        unsafe { to.copy_from_nonoverlapping(NonNull::from(head).cast(), head.len()) };
        if !rest.is_empty() {
            let to = self.ring(direction, 0);
            // SAFETY: as above; `rest` is no longer than the ring.
            unsafe { to.copy_from_nonoverlapping(NonNull::from(rest).cast(), rest.len()) };
        }
    }

    /// The place of a note, which is at most the room for notes from its start.
    #[inline]
    fn note(&self, place: usize) -> NonNull<u8> {
        assert!(place <= NOTES);
        // SAFETY: the room lies between the words and the rings, within the mapping, and so does every place in it.
        unsafe { self.0.add(size_of::<Head>() + place) }
    }

    /// Copies a note's bytes in, from this place on.
    #[inline]
    pub(crate) fn copy_note_in(&self, place: usize, bytes: &[u8]) {
        assert!(bytes.len() <= NOTES - place);
        let to = self.note(place);
        // SAFETY: they end within the room. Nothing refers to it, and the other process only ever copies from there.
        unsafe { to.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    }

    /// Copies the first bytes of all notes out.
    pub(crate) fn copy_notes_out(&self, bytes: &mut [u8]) {
        assert!(bytes.len() <= NOTES);
        let from = self.note(0);
        // SAFETY: as above; any bytes are valid bytes, and only the copy is ever looked at.
        unsafe { from.copy_to_nonoverlapping(NonNull::from(&mut *bytes).cast(), bytes.len()) };
    }

    /// Copies bytes out of a ring; see [`copy_in`](Segment::copy_in).
    #[inline]
    pub(crate) fn copy_out(&self, direction: Direction, at: u64, bytes: &mut [u8]) {
        assert!(bytes.len() <= CAPACITY);
        let (start, first) = place(at, bytes.len());
        let (head, rest) = bytes.split_at_mut(first);
        let from = self.ring(direction, start);
        // SAFETY: as for `copy_in`; any bytes are valid bytes, and only the copy is ever looked at.
        unsafe { from.copy_to_nonoverlapping(NonNull::from(&mut *head).cast(), head.len()) };
        if !rest.is_empty() {
            let from = self.ring(direction, 0);
            // SAFETY: as above.
            unsafe { from.copy_to_nonoverlapping(NonNull::from(&mut *rest).cast(), rest.len()) };
        }
    }

    /// Likewise onto the end of a vector, `len` bytes at most: as many as there is room for without memory being moved. The
    /// room is not cleared first, which for a large body would be most of the work. Tells how many.
    #[inline]
    pub(crate) fn copy_out_onto(
        &self,
        direction: Direction,
        at: u64,
        len: usize,
        onto: &mut Vec<u8>,
    ) -> usize {
        let filled = onto.len();
        let room = onto.spare_capacity_mut();
        let len = len.min(CAPACITY).min(room.len());
        let (start, first) = place(at, len);
        let from = self.ring(direction, start);
        let to = NonNull::from(&mut *room).cast::<u8>();
        // SAFETY: `start + first` is at most the capacity of the ring, and `first` at most the length of the room, which the
        // vector owns and lends exclusively.
        unsafe { from.copy_to_nonoverlapping(to, first) };
        if first < len {
            let from = self.ring(direction, 0);
            // SAFETY: `first` is less than the length of the room.
            let to = unsafe { to.add(first) };
            // SAFETY: as above; the rest is no longer than the ring, and both parts together than the room.
            unsafe { from.copy_to_nonoverlapping(to, len - first) };
        }
        // SAFETY: so many bytes behind the old end were just written, and the capacity is larger by the room's length.
        unsafe { onto.set_len(filled + len) };
        len
    }
}

/// Where position `at` lies in a ring, and how many of `len` bytes fit there before its end.
fn place(at: u64, len: usize) -> (usize, usize) {
    let start = (at % CAPACITY as u64) as usize;
    (start, len.min(CAPACITY - start))
}

fn seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `map`, unmapped once; no reference into it outlives `self`. Failure is
        // impossible for a whole mapping at its own address.
        let _ = unsafe { munmap(self.0.cast(), SIZE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_could_shrink_is_refused() {
        let memfd = memfd_create("loose", MFdFlags::MFD_ALLOW_SEALING).unwrap();
        nix::unistd::ftruncate(&memfd, SIZE as i64).unwrap();
        assert!(Segment::open(&memfd).is_err());
        assert!(Segment::open(&std::fs::File::open("/dev/null").unwrap().into()).is_err());
    }

    #[test]
    fn the_words_lie_where_hostile_tests_write_them() {
        let marks = |at: usize| [0, 128, 256, 384].map(|word| at + word);
        assert_eq!(std::mem::offset_of!(Head, page), 0);
        assert_eq!(
            [
                std::mem::offset_of!(Head, calls),
                std::mem::offset_of!(Head, answers)
            ],
            [16_640, 17_152]
        );
        assert_eq!(
            Marks::offsets(std::mem::offset_of!(Head, calls)),
            marks(16_640),
            "tail, head, reader waits, writer waits"
        );
        assert_eq!(
            (std::mem::offset_of!(Head, notes), Words::offsets()),
            (17_664, [0, 8, 12])
        );
        assert_eq!((size_of::<Head>(), NOTES), (17_792, 2_688));
        assert_eq!((HEAD, SIZE), (20_480, 20_480 + 2 * CAPACITY));
        assert_eq!(Page::offsets(), [0, 8, 16, 24, 88, 128, 136, 256]);
    }

    #[test]
    fn bytes_go_round_the_end_of_a_ring() {
        let (ours, memfd) = Segment::create().unwrap();
        let theirs = Segment::open(&memfd).unwrap();
        let text: Vec<u8> = (0..100).collect();
        let at = 3 * CAPACITY as u64 - 37;
        ours.copy_in(Direction::Calls, at, &text);
        let mut got = [0; 100];
        theirs.copy_out(Direction::Calls, at, &mut got);
        assert_eq!(got[..], text[..]);
        theirs.copy_out(Direction::Answers, at, &mut got);
        assert_eq!(got, [0; 100], "the other ring is untouched");
    }

    #[test]
    fn bytes_from_round_the_end_of_a_ring_go_behind_what_a_vector_has_as_far_as_there_is_room() {
        let (ours, memfd) = Segment::create().unwrap();
        let theirs = Segment::open(&memfd).unwrap();
        let text: Vec<u8> = (0..100).collect();
        for before_end in [0, 1, 37, 99, 100, 4000] {
            let at = 3 * CAPACITY as u64 - before_end;
            ours.copy_in(Direction::Calls, at, &text);
            for room in [0, 1, 37, 60, 100, 300] {
                let mut got = Vec::with_capacity(room + 2);
                got.extend_from_slice(b"ab");
                let (place, fits) = (got.as_ptr(), (got.capacity() - 2).min(100));
                let taken = theirs.copy_out_onto(Direction::Calls, at, 100, &mut got);
                assert_eq!((taken, &got[..2]), (fits, &b"ab"[..]));
                assert_eq!((got.as_ptr(), &got[2..]), (place, &text[..fits]));
            }
        }
    }
}
