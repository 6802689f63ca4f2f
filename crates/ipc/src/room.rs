//! Where bytes go that are received: a slice, or the end of a vector whose memory nobody has touched yet. No state.

use std::io;

use crate::ring::Reader;

/// How much of a vector is cleared at a time for those who can only fill what is clear: it is then still in the cache.
const STEP: usize = 256 << 10;

/// Room for bytes.
#[derive(Debug)]
pub enum Room<'a> {
    /// This much.
    Slice(&'a mut [u8]),
    /// So many bytes behind what the vector has; memory for them is there.
    Behind(&'a mut Vec<u8>, usize),
}

impl Room<'_> {
    /// The room that is left in a vector which is to have `whole` bytes.
    pub fn up_to(vec: &mut Vec<u8>, whole: usize) -> Room<'_> {
        let missing = whole.saturating_sub(vec.len());
        Room::Behind(vec, missing)
    }

    /// Whether no byte fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Room::Slice(slice) => slice.is_empty(),
            Room::Behind(_, most) => *most == 0,
        }
    }

    /// Takes what a ring has, as far as it fits; 0 when it has nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::read`].
    #[inline]
    pub fn take_from(&mut self, ring: &mut Reader) -> io::Result<usize> {
        match self {
            Room::Slice(slice) => ring.read(slice),
            Room::Behind(vec, most) => ring.read_onto(vec, *most),
        }
    }

    /// Has `fill` put bytes at the front of (a part of) the room; it tells how many.
    ///
    /// # Errors
    ///
    /// Those of `fill`.
    pub fn fill(self, fill: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        match self {
            Room::Slice(slice) => fill(slice),
            Room::Behind(vec, most) => {
                let filled = vec.len();
                vec.resize(filled + most.min(STEP), 0);
                let got = fill(&mut vec[filled..]);
                vec.truncate(filled + got.as_ref().map_or(0, |&got| got));
                got
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_filled_is_not_there() {
        let mut vec = vec![1];
        let room = Room::up_to(&mut vec, 5);
        let got = room.fill(|slice| {
            slice[..2].copy_from_slice(&[2, 3]);
            Ok(2)
        });
        assert_eq!((got.unwrap(), &vec[..]), (2, &[1, 2, 3][..]));
        let failed = Room::up_to(&mut vec, 5).fill(|_| Err(io::ErrorKind::WouldBlock.into()));
        assert!(failed.is_err());
        assert_eq!(vec, [1, 2, 3]);
        assert!(Room::up_to(&mut vec, 2).is_empty());
    }
}
