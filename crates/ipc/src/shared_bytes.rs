//! Bytes that processes share and nobody changes: sent as a descriptor, mapped where they arrive, freed by the kernel
//! with the last handle anywhere, however its holder ends.
//!
//! A value owns its part in the mapping (`sealed`) or, where a copy is cheaper than a descriptor, in a block of the
//! heap; which of the two is seen in nothing but time. What others can do to the memory is `sealed`'s concern, how it
//! is made `draft`'s, where it lies `mapping`'s.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::ops::{Bound, Deref, RangeBounds};
use std::sync::Arc;

mod draft;
mod mapping;
mod sealed;
mod wire;

use draft::Draft;
use sealed::Sealed;

/// Up to so many bytes are copied, into the value and into each message: memory of their own costs 20 to 50 us to make,
/// send and free, a copy of these about 1 us a time.
pub const COPIED_UP_TO: usize = 64 << 10;

/// Immutable bytes that travel between processes without being copied.
///
/// Beyond [`COPIED_UP_TO`] they lie in memory of their own, which the kernel guards against every change, the one of
/// a hostile worker included. Sending them, in a task's argument or result, costs a descriptor and a mapping, whatever
/// their length; the receiver reads the very same memory. Making them is the one copy, or none with
/// [`build`](SharedBytes::build). Each such block takes a file descriptor in each process that has a handle on it;
/// clones and slices of it share that.
///
/// The memory is free when the last handle in the last process is gone, by being dropped or by the end of its process.
///
/// Sending a slice gives the receiver the means to see the whole block, unless the slice is short enough to be copied.
///
/// ```
/// use pexec_ipc::shared_bytes::SharedBytes;
///
/// let picture = SharedBytes::build(1 << 20, |pixels| pixels.fill(0x7f));
/// assert_eq!(picture.len(), 1 << 20);
/// let first_row = picture.slice(..1024); // the same memory
/// assert!(first_row.iter().all(|&p| p == 0x7f));
/// assert_eq!(SharedBytes::from(b"short".to_vec()), b"short"[..]);
/// ```
#[derive(Clone)]
pub struct SharedBytes {
    block: Block,
    start: usize,
    len: usize,
}

#[derive(Clone)]
enum Block {
    Heap(Arc<[u8]>),
    Sealed(Arc<Sealed>),
}

impl SharedBytes {
    /// A copy of these bytes.
    ///
    /// Where no shared memory or descriptor is left, they stay private to this process; sending them tries once more
    /// and says what is wrong.
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> SharedBytes {
        if bytes.len() > COPIED_UP_TO
            && let Ok(sealed) = draft::copy(bytes)
        {
            return SharedBytes::sealed(sealed, bytes.len());
        }
        SharedBytes::heap(bytes.into())
    }

    /// So many bytes, which are zero before `fill` writes them in place. For what is computed, read or decoded: there is
    /// no copy at all.
    ///
    /// As in [`copy_from`](SharedBytes::copy_from) for a lack of shared memory.
    ///
    /// ```
    /// use std::io::Read;
    /// use pexec_ipc::shared_bytes::SharedBytes;
    ///
    /// let mut input = std::io::repeat(7);
    /// let mut outcome = Ok(());
    /// let bytes = SharedBytes::build(100_000, |place| outcome = input.read_exact(place));
    /// outcome?;
    /// assert_eq!(bytes[99_999], 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn build(len: usize, fill: impl FnOnce(&mut [u8])) -> SharedBytes {
        if len > COPIED_UP_TO
            && let Some(at_least) = NonZeroUsize::new(len)
            && let Ok(mut draft) = Draft::zeroed(at_least)
        {
            fill(&mut draft.bytes_mut()[..len]);
            return match draft.seal() {
                Ok(sealed) => SharedBytes::sealed(sealed, len),
                Err(bytes) => SharedBytes::heap(bytes[..len].into()),
            };
        }
        let mut bytes = vec![0; len];
        fill(&mut bytes);
        SharedBytes::heap(bytes.into())
    }

    /// A part of these bytes, in the same memory.
    ///
    /// # Panics
    ///
    /// When the range is not within the bytes, as with slices.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> SharedBytes {
        let from = match range.start_bound() {
            Bound::Included(&at) => at,
            Bound::Excluded(&at) => at.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&at) => at.saturating_add(1),
            Bound::Excluded(&at) => at,
            Bound::Unbounded => self.len,
        };
        assert!(
            from <= to && to <= self.len,
            "the range {from}..{to} is not within the {} shared bytes",
            self.len
        );
        SharedBytes {
            block: self.block.clone(),
            start: self.start + from,
            len: to - from,
        }
    }

    fn heap(bytes: Arc<[u8]>) -> SharedBytes {
        SharedBytes {
            len: bytes.len(),
            start: 0,
            block: Block::Heap(bytes),
        }
    }

    /// The first `len` bytes of the block, which has them.
    fn sealed(block: Arc<Sealed>, len: usize) -> SharedBytes {
        SharedBytes {
            block: Block::Sealed(block),
            start: 0,
            len,
        }
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let block = match &self.block {
            Block::Heap(bytes) => bytes,
            Block::Sealed(sealed) => sealed.bytes(),
        };
        &block[self.start..][..self.len]
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for SharedBytes {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl Default for SharedBytes {
    /// No bytes.
    fn default() -> SharedBytes {
        SharedBytes::heap(Arc::default())
    }
}

impl From<Vec<u8>> for SharedBytes {
    /// As [`SharedBytes::copy_from`].
    fn from(bytes: Vec<u8>) -> SharedBytes {
        SharedBytes::copy_from(&bytes)
    }
}

impl From<&[u8]> for SharedBytes {
    fn from(bytes: &[u8]) -> SharedBytes {
        SharedBytes::copy_from(bytes)
    }
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.len)
    }
}

impl PartialEq for SharedBytes {
    fn eq(&self, other: &SharedBytes) -> bool {
        std::ptr::eq(&raw const **self, &raw const **other) || **self == **other
    }
}

impl Eq for SharedBytes {}

impl PartialEq<[u8]> for SharedBytes {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl Hash for SharedBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}
