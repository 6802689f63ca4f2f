//! Encoded arguments and results: short ones lie where they are kept, long ones on the heap; and the descriptors of the
//! handles in them.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use pexec_ipc::warm;
use pexec_proto::codec::{self, Prefix};

/// What goes along with an encoded value, in the order in which its handles name it.
pub(crate) type Descriptors = Vec<Arc<OwnedFd>>;

/// What fits without memory of its own.
const SHORT: usize = 22;

/// Bytes that never change; a clone shares long ones.
#[derive(Clone, Debug)]
pub(crate) enum Bytes {
    Short(u8, [u8; SHORT]),
    Long(Arc<Vec<u8>>),
    /// A string of bytes: its length, and the user's own vector.
    Content(Arc<(Prefix, Vec<u8>)>),
}

impl Bytes {
    /// Of what `write` puts at the front of the room for short ones: it tells how many.
    #[inline]
    pub(crate) fn written(write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<Bytes> {
        let mut room = [0; SHORT];
        let len = write(&mut room)?;
        Some(Bytes::Short(len as u8, room))
    }

    /// Copies short ones; a long slice is copied too, once.
    #[inline]
    pub(crate) fn copy(bytes: &[u8]) -> Bytes {
        Bytes::short(bytes).unwrap_or_else(|| Bytes::Long(Arc::new(bytes.to_vec())))
    }

    #[inline]
    fn short(bytes: &[u8]) -> Option<Bytes> {
        let mut room = [0; SHORT];
        room.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Bytes::Short(bytes.len() as u8, room))
    }

    /// From so many bytes on it pays not to copy them.
    pub(crate) const CONTENT: usize = 16 << 10;

    /// The encoding of this vector, which is not copied.
    pub(crate) fn content(bytes: Vec<u8>) -> Bytes {
        warm::expect(bytes.len());
        Bytes::Content(Arc::new((codec::prefix_of(bytes.len()), bytes)))
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        let (front, rest) = self.parts();
        front.len() + rest.len()
    }

    /// All of them, in two pieces.
    #[inline]
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        match self {
            Bytes::Short(len, bytes) => (&[], &bytes[..usize::from(*len)]),
            Bytes::Long(bytes) => (&[], bytes),
            Bytes::Content(content) => (content.0.as_ref(), &content.1),
        }
    }

    /// The bytes as a vector; copied only if they are in pieces, short or shared.
    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Bytes::Long(bytes) => Arc::unwrap_or_clone(bytes),
            Bytes::Short(..) | Bytes::Content(_) => {
                let (front, rest) = self.parts();
                [front, rest].concat()
            }
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes::short(&bytes).unwrap_or_else(|| Bytes::Long(Arc::new(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_whatever_their_number() {
        for n in [0, 1, SHORT, SHORT + 1, 1000] {
            let bytes: Vec<u8> = (0..n).map(|i| i as u8).collect();
            for kept in [Bytes::copy(&bytes), Bytes::from(bytes.clone())] {
                assert_eq!(kept.parts().1, bytes);
                assert_eq!(matches!(kept, Bytes::Short(..)), n <= SHORT);
                assert_eq!(kept.into_vec(), bytes);
            }
        }
    }

    #[test]
    fn a_task_that_waits_takes_little_memory() {
        assert_eq!(size_of::<Bytes>(), 24);
    }
}
