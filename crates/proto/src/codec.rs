//! The serialiser: values to bytes and back. Only this file and its parts name bincode.
//!
//! Decoding never trusts a length that the bytes claim: texts and byte strings are cut out of the input before they
//! are copied, sequences of nothing are counted, nesting is counted, and the input must be used up (`bounded`).
//! Encoding has no limit: whoever sends compares the length with the channel's.
//!
//! The format is bincode's throughout. Strings of bytes and floats take shorter ways to the same bytes: all of them
//! when they are written (`writing`), and on the way back those whose type is known (`direct`, `fields`) and every
//! `Vec<u8>` (`byte_vec`).
//!
//! A user's own `Serialize` or `Deserialize` may panic, and its panic passes through here untouched.

use std::fmt;

use bincode::config::{self, Configuration};
use bincode::error as wire;
use bincode::serde::seed_decode_from_slice;
use serde::Serialize;
use serde::de::DeserializeOwned;

mod bounded;
mod byte_vec;
mod direct;
mod fields;
mod writing;

use bounded::{Bounds, Refusal};
pub use fields::Fields;
use writing::Writing;

/// Names the encoding in a handshake and in every stored record: bincode 2, standard configuration. Another
/// encoding gets another number, never this one.
pub const CODEC_ID: u16 = 0x0201;

/// How many options, sequences, maps, structures, tuples and enums a decoded value may have inside one another.
/// Beyond it a value is refused rather than allowed to overflow the stack: an unoptimised build takes about 3 KiB of
/// stack for each level of a structure of 500 bytes, so this many fit a thread of 2 MiB. A linked list takes two
/// levels for each node; send its elements as a sequence.
pub const MAX_DEPTH: u32 = 512;

/// How many sequence elements a value may have *beyond* one a byte. Only elements that take no bytes at all, as in
/// `Vec<()>`, ever need it.
pub const MAX_EMPTY_ELEMENTS: usize = 1 << 20;

const CONFIG: Configuration = config::standard();

/// Appends the bytes of `value` to `out`. On an error `out` is as before.
///
/// # Errors
///
/// What bincode cannot express (a sequence of unknown length, `#[serde(flatten)]`), and the errors of the value's
/// own `Serialize`.
///
/// Some values encode and then do not decode: those nested deeper than [`MAX_DEPTH`], and types with
/// `skip_serializing_if` or untagged or internally tagged enums, since the bytes do not describe themselves and both
/// sides must read exactly the fields that were written.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let before = out.len();
    value.serialize(Writing::new(out)).map_err(|error| {
        out.truncate(before);
        EncodeError {
            reason: encode_reason(error),
        }
    })
}

/// The same bytes at the front of `room`, for small plain values: how many, or `None` where the value is of another
/// kind, does not fit or cannot be encoded, which [`encode`] then tells. Room is not to be read behind them.
///
/// ```
/// use pexec_proto::codec;
///
/// let mut room = [0; 16];
/// assert_eq!(codec::encode_short(&(1u8, 300u64), &mut room), Some(4));
/// assert_eq!(room[..4], [1, 251, 44, 1]);
/// assert_eq!(codec::encode_short(&String::from("owns memory"), &mut room), None);
/// ```
#[inline]
pub fn encode_short<T: Serialize>(value: &T, room: &mut [u8]) -> Option<usize> {
    // What owns nothing and is no longer than the room is cheap to encode, twice if need be.
    if std::mem::needs_drop::<T>() || size_of::<T>() > room.len() {
        return None;
    }
    bincode::serde::encode_into_slice(value, room, CONFIG).ok()
}

/// What stands before the content of a string of so many bytes. Whoever has the content at hand need not copy it to
/// have it encoded.
///
/// ```
/// use pexec_proto::codec;
///
/// let content = vec![7u8; 1000];
/// let mut bytes = Vec::new();
/// codec::encode(&content, &mut bytes)?;
/// assert_eq!(bytes, [codec::prefix_of(1000).as_ref(), &content].concat());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn prefix_of(length: usize) -> Prefix {
    let mut bytes = [0; Prefix::MOST];
    // The room is what the longest takes.
    let len = bincode::encode_into_slice(length, &mut bytes, CONFIG).unwrap_or_default();
    Prefix {
        bytes,
        len: len as u8,
    }
}

/// The encoding of a length: [`prefix_of`].
#[derive(Clone, Copy, Debug)]
pub struct Prefix {
    bytes: [u8; Prefix::MOST],
    len: u8,
}

impl Prefix {
    const MOST: usize = 9;
}

impl AsRef<[u8]> for Prefix {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The value of these bytes, all of them.
///
/// Allocates at most a small multiple of the input, whatever lengths the input claims, and takes time in
/// proportion to it (plus [`MAX_EMPTY_ELEMENTS`]).
///
/// # Errors
///
/// Bytes that are not exactly one `T`, or that go beyond [`MAX_DEPTH`] or [`MAX_EMPTY_ELEMENTS`].
///
/// ```
/// use pexec_proto::codec::{self, DecodeError};
///
/// let mut bytes = Vec::new();
/// codec::encode(&("answer", 42u64), &mut bytes)?;
/// assert_eq!(codec::decode::<(String, u64)>(&bytes)?, ("answer".to_owned(), 42));
///
/// let hostile = [253, 0, 0, 0, 0, 0, 1, 0, 0]; // a text of 2^40 bytes, it says
/// assert_eq!(codec::decode::<String>(&hostile), Err(DecodeError::Truncated));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let bounds = bounds_of(bytes, MAX_DEPTH);
    all_of(bytes, by_serde(bytes, &bounds))
}

/// As [`decode`], and at a copy's speed for strings of bytes and floats: `Vec<u8>`, `serde_bytes::ByteBuf`, `String`, `Box<[u8]>`,
/// `Cow<'static, [u8]>`, `Option<Vec<u8>>`, `Vec<i8>`, `Vec<f32>` and `Vec<f64>`. Types that only contain such a
/// string are read as by [`decode`], which takes some twenty times as long for it (`serde_bytes` in the user's type
/// avoids that); the elements of a tuple can be had one by one through [`Fields`].
///
/// # Errors
///
/// Those of [`decode`].
///
/// ```
/// use pexec_proto::codec;
///
/// let mut bytes = Vec::new();
/// codec::encode(&vec![7u8; 1000], &mut bytes)?;
/// assert_eq!(codec::decode_typed::<Vec<u8>>(&bytes)?, [7; 1000]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn decode_typed<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T, DecodeError> {
    match direct::read(bytes) {
        Some(read) => all_of(bytes, read),
        None => decode(bytes),
    }
}

/// As [`decode_typed`] of bytes that are not needed any more: a `Vec<u8>`, `ByteBuf`, `String` or `Option<Vec<u8>>` moves to the front of
/// the vector's own memory, so that no other memory is touched. What it returns then keeps that vector's capacity.
///
/// # Errors
///
/// Those of [`decode`].
///
/// ```
/// use pexec_proto::codec;
///
/// let mut bytes = Vec::new();
/// codec::encode(&vec![7u8; 1000], &mut bytes)?;
/// let memory = bytes.as_ptr();
/// let value: Vec<u8> = codec::decode_owned(bytes)?;
/// assert_eq!(value, [7; 1000]);
/// assert_eq!(value.as_ptr(), memory);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn decode_owned<T: DeserializeOwned + 'static>(mut bytes: Vec<u8>) -> Result<T, DecodeError> {
    match direct::reuse(&mut bytes) {
        Some(read) => read,
        None => decode_typed(&bytes),
    }
}

/// The allowances for reading `bytes`, `depth` levels deep.
fn bounds_of(bytes: &[u8], depth: u32) -> Bounds {
    Bounds::new(depth, bytes.len().saturating_add(MAX_EMPTY_ELEMENTS))
}

/// The `T` that `bytes` begin with, and the number of bytes that it took.
fn by_serde<T: DeserializeOwned>(bytes: &[u8], bounds: &Bounds) -> direct::Read<T> {
    // The bounds' own word comes first: on its way up an error may have been reworded by a user's type.
    seed_decode_from_slice(bounds.seed::<T>(), bytes, CONFIG).map_err(|error| match bounds.refusal() {
        Some(Refusal::Depth) => DecodeError::TooDeep,
        Some(Refusal::Elements) => DecodeError::TooManyElements,
        None => decode_reason(error),
    })
}

/// What was read, if it is all that there is.
fn all_of<T>(bytes: &[u8], read: direct::Read<T>) -> Result<T, DecodeError> {
    match read {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        Ok((_, used)) => Err(DecodeError::Trailing {
            unused: bytes.len() - used,
        }),
        Err(error) => Err(error),
    }
}

/// Why a value has no bytes. The text reads on after "cannot encode: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    reason: String,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for EncodeError {}

/// Why bytes are not a value of the wanted type. The text reads on after "cannot decode: ".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// They end too early, or claim to hold more than they do.
    Truncated,
    /// They go on behind the value.
    Trailing {
        /// The number of bytes behind it.
        unused: usize,
    },
    /// The value is nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A sequence claims more elements than its bytes and [`MAX_EMPTY_ELEMENTS`] allow.
    TooManyElements,
    /// They are no value of the type, in the type's or the encoding's words.
    Invalid(String),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Truncated => f.write_str("the bytes end before the value does"),
            DecodeError::Trailing { unused } => {
                write!(
                    f,
                    "{unused} bytes are left behind the value: it was written as another type"
                )
            }
            DecodeError::TooDeep => write!(f, "the value is nested deeper than {MAX_DEPTH} levels"),
            DecodeError::TooManyElements => {
                f.write_str("a sequence claims more elements than there are bytes for")
            }
            DecodeError::Invalid(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for DecodeError {}

fn encode_reason(error: wire::EncodeError) -> String {
    match error {
        wire::EncodeError::Other(text) => text.to_owned(),
        wire::EncodeError::OtherString(text) => text,
        wire::EncodeError::Serde(bincode::serde::EncodeError::SequenceMustHaveLength) => {
            "a sequence or map does not know its length (collect it first; `#[serde(flatten)]` makes such a map)"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn decode_reason(error: wire::DecodeError) -> DecodeError {
    use bincode::serde::DecodeError as Unsupported;
    DecodeError::Invalid(match error {
        wire::DecodeError::UnexpectedEnd { .. } => return DecodeError::Truncated,
        wire::DecodeError::Other(text) => text.to_owned(),
        wire::DecodeError::OtherString(text) => text,
        wire::DecodeError::Utf8 { inner } => format!("a text is not UTF-8: {inner}"),
        wire::DecodeError::InvalidBooleanValue(byte) => format!("{byte} is not a boolean"),
        wire::DecodeError::InvalidCharEncoding(_) => "a character is not UTF-8".to_owned(),
        wire::DecodeError::InvalidIntegerType { expected, found } => {
            format!("an integer of type {found:?} stands where {expected:?} is wanted")
        }
        wire::DecodeError::UnexpectedVariant { type_name, found, .. } => {
            format!("{found} is no variant of {type_name}")
        }
        wire::DecodeError::OutsideUsizeRange(length) => {
            format!("a length of {length} does not fit this machine")
        }
        wire::DecodeError::Serde(
            Unsupported::AnyNotSupported
            | Unsupported::IdentifierNotSupported
            | Unsupported::IgnoredAnyNotSupported,
        ) => {
            "the type asks the bytes what they are, and they do not tell (an untagged, internally tagged or \
              flattened type, or a dynamic one)"
                .to_owned()
        }
        other => other.to_string(),
    })
}
