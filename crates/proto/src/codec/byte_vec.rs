//! A `Vec<u8>` inside of some other value: cut out of the input as a whole, and handed over from there.
//!
//! Serde's vector asks for its elements one by one, and bincode then looks for each in its input. As the same bytes
//! are a byte string to bincode, they can be asked for in one go, and then each element is only the next of a slice.
//! This is done for serde's own visitor alone: any other may ask for elements of several bytes each.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::slice;

use serde::de::value::U8Deserializer;
use serde::de::{DeserializeSeed, Error, IntoDeserializer, SeqAccess, Visitor};

/// Whether this is the visitor that serde deserializes `Vec<u8>` with, by its name. Only for speed: were it called
/// otherwise, the elements would be asked for one by one.
#[inline]
pub(super) fn is_wanted_by<V>() -> bool {
    let name = type_name::<V>();
    name.starts_with("serde_core::de::impls::") && name.ends_with("::VecVisitor<u8>")
}

/// The visitor of a sequence of bytes as one of a byte string.
pub(super) struct Slice<V>(pub(super) V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Slice<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<V::Value, E> {
        self.0.visit_seq(Elements {
            bytes: bytes.iter(),
            error: PhantomData,
        })
    }
}

struct Elements<'a, E> {
    bytes: slice::Iter<'a, u8>,
    error: PhantomData<E>,
}

impl<'de, E: Error> SeqAccess<'de> for Elements<'_, E> {
    type Error = E;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, E> {
        match self.bytes.next() {
            Some(&byte) => {
                let element: U8Deserializer<E> = byte.into_deserializer();
                seed.deserialize(element).map(Some)
            }
            None => Ok(None),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use serde::de::value::Error as Told;
    use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

    use super::*;

    /// Tells whether the visitor that it is given is recognised.
    struct Tell;

    impl<'de> Deserializer<'de> for Tell {
        type Error = Told;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Told> {
            let name = type_name::<V>();
            Err(Told::custom(format!("{}: {name}", is_wanted_by::<V>())))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    fn told<T: for<'de> Deserialize<'de>>() -> String {
        T::deserialize(Tell).err().unwrap().to_string()
    }

    #[test]
    fn serdes_visitor_of_a_byte_vec_is_recognised_and_no_other() {
        assert!(told::<Vec<u8>>().starts_with("true: "), "{}", told::<Vec<u8>>());
        for other in [
            told::<Vec<i8>>(),
            told::<Vec<u16>>(),
            told::<Vec<Vec<u8>>>(),
            told::<VecDeque<u8>>(),
        ] {
            assert!(other.starts_with("false: "), "{other}");
        }
    }
}
