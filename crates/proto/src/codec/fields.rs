//! Reading a tuple element by element, where the caller knows the elements' types and serde would not tell them.
//!
//! The bounds are the tuple's own: one level of nesting is the tuple, and its elements share one allowance.

use serde::de::DeserializeOwned;

use super::bounded::Bounds;
use super::{DecodeError, MAX_DEPTH, bounds_of, by_serde, direct};

/// The elements of an encoded tuple, one after another, each read as by [`decode_typed`](super::decode_typed).
///
/// ```
/// use pexec_proto::codec::{self, Fields};
///
/// let mut bytes = Vec::new();
/// codec::encode(&(42u64, vec![7u8; 1000]), &mut bytes)?;
/// let mut fields = Fields::new(&bytes);
/// let (number, text): (u64, Vec<u8>) = (fields.take()?, fields.take()?);
/// fields.end()?;
/// assert_eq!((number, text.len()), (42, 1000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Fields<'a> {
    rest: &'a [u8],
    bounds: Bounds,
}

impl<'a> Fields<'a> {
    /// The elements that these bytes consist of.
    #[inline]
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields {
            rest: bytes,
            bounds: bounds_of(bytes, MAX_DEPTH - 1),
        }
    }

    /// The next element.
    ///
    /// # Errors
    ///
    /// Those of [`decode`](super::decode) of the tuple. Behind an error nothing further can be read.
    #[inline]
    pub fn take<T: DeserializeOwned + 'static>(&mut self) -> Result<T, DecodeError> {
        let read = match direct::read(self.rest) {
            Some(read) => read,
            None => by_serde(self.rest, &self.bounds),
        };
        let (value, used) = read?;
        self.rest = &self.rest[used..];
        Ok(value)
    }

    /// Ends the tuple.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Trailing`] if bytes are left.
    #[inline]
    pub fn end(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            unused => Err(DecodeError::Trailing { unused }),
        }
    }
}
