//! What of shared bytes stands in a message: themselves while they are few, else the place of their descriptor and
//! their part of its file. All of it may come from a hostile sender, who is believed nothing: the file is checked by
//! `sealed`, the part here.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{self, Serialize, Serializer};

use super::sealed::Sealed;
use super::{Block, COPIED_UP_TO, SharedBytes, draft};
use crate::carry;

#[derive(serde::Serialize)]
#[serde(rename = "SharedBytes")]
enum Sent<'a> {
    Copied(Raw<'a>),
    Sealed { index: u32, start: u64, len: u64 },
}

#[derive(serde::Deserialize)]
#[serde(rename = "SharedBytes")]
enum Received {
    Copied(Copied),
    Sealed { index: u32, start: u64, len: u64 },
}

impl Serialize for SharedBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        carry::collecting().map_err(refuse)?;
        if self.len <= COPIED_UP_TO {
            return Sent::Copied(Raw(self)).serialize(serializer);
        }
        let (file, start) = match &self.block {
            Block::Sealed(sealed) => (Arc::clone(sealed.file()), self.start),
            Block::Heap(_) => {
                let sealed = draft::copy(self)
                    .map_err(|e| ser::Error::custom(format!("no shared memory for a SharedBytes: {e}")))?;
                (Arc::clone(sealed.file()), 0)
            }
        };
        let sent = Sent::Sealed {
            index: carry::put(&file).map_err(refuse)?,
            start: start as u64,
            len: self.len as u64,
        };
        sent.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SharedBytes, D::Error> {
        carry::providing().map_err(refuse_received)?;
        let (index, start, len) = match Received::deserialize(deserializer)? {
            Received::Copied(Copied(bytes)) => return Ok(SharedBytes::heap(bytes)),
            Received::Sealed { index, start, len } => (index, start, len),
        };
        let file = carry::take(index).map_err(refuse_received)?;
        let sealed =
            Sealed::open(file).map_err(|e| de::Error::custom(format!("a SharedBytes is refused: {e}")))?;
        let size = sealed.bytes().len();
        let fits = start.checked_add(len).is_some_and(|end| end <= size as u64);
        if !fits {
            return Err(de::Error::custom(format!(
                "a SharedBytes is refused: {len} bytes from {start} on are not within the {size} that came for it"
            )));
        }
        Ok(SharedBytes {
            block: Block::Sealed(sealed),
            start: start as usize,
            len: len as usize,
        })
    }
}

fn refuse<E: ser::Error>(error: carry::CarryError) -> E {
    E::custom(format!("a SharedBytes {error}"))
}

fn refuse_received<E: de::Error>(error: carry::CarryError) -> E {
    E::custom(format!("a SharedBytes {error}"))
}

/// As one string of bytes; serde's own slices are sequences of numbers.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Copied(Arc<[u8]>);

impl<'de> Deserialize<'de> for Copied {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Copied, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Copied;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Copied, E> {
                Ok(Copied(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
