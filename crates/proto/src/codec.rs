//! The serialiser: values to bytes and back. The only file of the project that names bincode.
//!
//! Decoding never trusts a length that the bytes claim: texts and byte strings are cut out of the input before they
//! are copied, sequences of nothing are counted, nesting is counted, and the input must be used up (`bounded`).
//! Encoding has no limit: whoever sends compares the length with the channel's.
//!
//! A user's own `Serialize` or `Deserialize` may panic, and its panic passes through here untouched.

use std::fmt;

use bincode::config::{self, Configuration};
use bincode::enc::write::Writer;
use bincode::error as wire;
use bincode::serde::{encode_into_writer, seed_decode_from_slice};
use serde::Serialize;
use serde::de::DeserializeOwned;

mod bounded;

use bounded::{Bounds, Refusal};

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
    encode_into_writer(value, Append(out), CONFIG).map_err(|error| {
        out.truncate(before);
        EncodeError {
            reason: encode_reason(error),
        }
    })
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
    let bounds = Bounds::new(MAX_DEPTH, bytes.len().saturating_add(MAX_EMPTY_ELEMENTS));
    match seed_decode_from_slice(bounds.seed::<T>(), bytes, CONFIG) {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        Ok((_, used)) => Err(DecodeError::Trailing {
            unused: bytes.len() - used,
        }),
        // The bounds' own word comes first: on its way up an error may have been reworded by a user's type.
        Err(error) => Err(match bounds.refusal() {
            Some(Refusal::Depth) => DecodeError::TooDeep,
            Some(Refusal::Elements) => DecodeError::TooManyElements,
            None => decode_reason(error),
        }),
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

struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), wire::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

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
