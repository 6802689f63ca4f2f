//! Reading strings of bytes and of floats at a copy's speed.
//!
//! Serde hands a `Vec<u8>` over one element at a time, which costs dozens of times what copying it does. The types
//! named here are recognised by their identity and read by hand. Their bytes are those that serde and bincode give;
//! lengths and tags are read by bincode itself. A claimed length is compared with the input before anything is
//! allocated. There is no state.

use std::any::{Any, TypeId};
use std::borrow::Cow;

use serde_bytes::ByteBuf;

use super::{CONFIG, DecodeError, decode_reason, wire};

/// A value and the number of bytes that it took.
pub(super) type Read<T> = Result<(T, usize), DecodeError>;

macro_rules! by_type {
    ($bytes:ident as $wanted:ident: $($known:ty => $read:expr),* $(,)?) => {
        $(if TypeId::of::<$wanted>() == TypeId::of::<$known>() {
            return match $read($bytes) {
                Ok((value, used)) => same::<$known, $wanted>(value).map(|value| Ok((value, used))),
                Err(error) => Some(Err(error)),
            };
        })*
    };
}

/// The `T` that `bytes` begin with, if `T` is one of the types known here.
#[inline]
pub(super) fn read<T: 'static>(bytes: &[u8]) -> Option<Read<T>> {
    by_type! { bytes as T:
        Vec<u8> => byte_vec,
        ByteBuf => |bytes| byte_vec(bytes).map(|(value, used)| (ByteBuf::from(value), used)),
        String => |bytes| byte_vec(bytes).and_then(|(value, used)| Ok((text(value)?, used))),
        Box<[u8]> => |bytes| byte_string(bytes).map(|(text, used)| (Box::from(text), used)),
        Cow<'static, [u8]> => |bytes| byte_vec(bytes).map(|(value, used)| (Cow::Owned(value), used)),
        Option<Vec<u8>> => |bytes| option(bytes, byte_vec),
        Vec<i8> => |bytes| fixed(bytes, i8::from_le_bytes),
        Vec<f32> => |bytes| fixed(bytes, f32::from_le_bytes),
        Vec<f64> => |bytes| fixed(bytes, f64::from_le_bytes),
    }
    None
}

/// As [`read`] of all the bytes, for the types that can keep the vector's own memory.
#[inline]
pub(super) fn reuse<T: 'static>(bytes: &mut Vec<u8>) -> Option<Result<T, DecodeError>> {
    let wanted = TypeId::of::<T>();
    if wanted == TypeId::of::<Vec<u8>>() {
        return content(bytes, 0).map(same).transpose();
    }
    if wanted == TypeId::of::<ByteBuf>() {
        return content(bytes, 0)
            .map(|bytes| same(ByteBuf::from(bytes)))
            .transpose();
    }
    // What goes on behind a text is told by `read`, after what is wrong with the text.
    if wanted == TypeId::of::<String>() && byte_string(bytes).is_ok_and(|(_, used)| used == bytes.len()) {
        return content(bytes, 0).and_then(text).map(same).transpose();
    }
    // The tag is a plain byte; `read` deals with every other one.
    if wanted == TypeId::of::<Option<Vec<u8>>>() && bytes.first() == Some(&1) {
        return content(bytes, 1).map(|bytes| same(Some(bytes))).transpose();
    }
    None
}

fn text(bytes: Vec<u8>) -> Result<String, DecodeError> {
    String::from_utf8(bytes).map_err(|error| {
        decode_reason(wire::DecodeError::Utf8 {
            inner: error.utf8_error(),
        })
    })
}

/// Takes the memory of `bytes`, with what the byte string that begins at `at` contains; it must reach to their end.
fn content(bytes: &mut Vec<u8>, at: usize) -> Result<Vec<u8>, DecodeError> {
    let (content, used) = byte_string(&bytes[at..])?;
    let (content, unused) = (content.len(), bytes.len() - at - used);
    if unused > 0 {
        return Err(DecodeError::Trailing { unused });
    }
    bytes.drain(..bytes.len() - content);
    Ok(std::mem::take(bytes))
}

/// `value` as the type that it is.
#[inline]
fn same<X: 'static, T: 'static>(value: X) -> Option<T> {
    let mut place = Some(value);
    (&mut place as &mut dyn Any).downcast_mut::<Option<T>>()?.take()
}

fn length(bytes: &[u8]) -> Read<usize> {
    bincode::decode_from_slice(bytes, CONFIG).map_err(decode_reason)
}

fn byte_string(bytes: &[u8]) -> Read<&[u8]> {
    let (len, prefix) = length(bytes)?;
    let content = bytes[prefix..].get(..len).ok_or(DecodeError::Truncated)?;
    Ok((content, prefix + len))
}

fn byte_vec(bytes: &[u8]) -> Read<Vec<u8>> {
    byte_string(bytes).map(|(content, used)| (content.to_vec(), used))
}

fn option<T>(bytes: &[u8], some: impl FnOnce(&[u8]) -> Read<T>) -> Read<Option<T>> {
    match bytes.first() {
        None => Err(DecodeError::Truncated),
        Some(0) => Ok((None, 1)),
        Some(1) => some(&bytes[1..]).map(|(value, used)| (Some(value), used + 1)),
        Some(tag) => Err(DecodeError::Invalid(format!("{tag} is no variant of Option<T>"))),
    }
}

/// A sequence of elements of `N` bytes each.
fn fixed<T, const N: usize>(bytes: &[u8], element: impl Fn([u8; N]) -> T) -> Read<Vec<T>> {
    let (len, prefix) = length(bytes)?;
    let size = len.checked_mul(N).ok_or(DecodeError::Truncated)?;
    let content = bytes[prefix..].get(..size).ok_or(DecodeError::Truncated)?;
    let (elements, _) = content.as_chunks::<N>();
    Ok((
        elements.iter().map(|&bytes| element(bytes)).collect(),
        prefix + size,
    ))
}
