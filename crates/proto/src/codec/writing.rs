//! The serializer: serde's model laid out as bincode lays it out, every scalar, text, length and tag encoded by bincode.
//!
//! Bincode's own serializer takes a `Vec<u8>` one element at a time, and with a vector to grow behind each of them
//! this costs dozens of times what copying does. Here a sequence of bytes or floats, wherever in a value it is, goes
//! through a block of fixed size, which the compiler turns into a copy. The bytes are bincode's: tests compare them.
//!
//! The output only ever grows at its end; nothing else is kept.

use std::any::type_name;

use bincode::Encode;
use bincode::enc::write::{SliceWriter, Writer};
use bincode::error::EncodeError;
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::CONFIG;

/// Appends to a vector.
pub(super) struct Writing<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writing<'o> {
    #[inline]
    pub(super) fn new(out: &'o mut Vec<u8>) -> Writing<'o> {
        Writing { out }
    }

    #[inline]
    fn again(&mut self) -> Writing<'_> {
        Writing { out: self.out }
    }

    #[inline]
    fn put<T: Encode>(&mut self, value: T) -> Result<(), EncodeError> {
        bincode::encode_into_writer(value, Append(self.out), CONFIG)
    }

    #[inline]
    fn put_length(&mut self, len: Option<usize>) -> Result<(), EncodeError> {
        match len {
            Some(len) => self.put(len),
            None => Err(EncodeError::Serde(
                bincode::serde::EncodeError::SequenceMustHaveLength,
            )),
        }
    }

    /// Elements of `WIDTH` bytes each, `len` of them.
    #[inline]
    fn put_all<const WIDTH: usize, I>(&mut self, elements: I, len: usize) -> Result<(), EncodeError>
    where
        I: Iterator<Item: Serialize>,
    {
        let size = len.saturating_mul(WIDTH);
        self.out.reserve(size);
        // A block is cleared first, which a short sequence would notice.
        if size < 128 {
            self.put_blocks::<WIDTH, 128>(elements)
        } else {
            self.put_blocks::<WIDTH, 1024>(elements)
        }
    }

    #[inline]
    fn put_blocks<const WIDTH: usize, const SIZE: usize>(
        &mut self,
        mut elements: impl Iterator<Item: Serialize>,
    ) -> Result<(), EncodeError> {
        let mut block = [0; SIZE];
        loop {
            let mut writer = SliceWriter::new(&mut block);
            for element in elements.by_ref().take(SIZE / WIDTH) {
                bincode::serde::encode_into_writer(element, &mut writer, CONFIG)?;
            }
            let filled = writer.bytes_written();
            self.out.extend_from_slice(&block[..filled]);
            if filled < SIZE {
                return Ok(());
            }
        }
    }
}

struct Append<'o>(&'o mut Vec<u8>);

impl Writer for Append<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// How many bytes bincode gives every value of this type; `None` for all but the types of which long sequences are
/// usual. The names are only a matter of speed: were one spelt differently, the sequence would be written one by one.
#[inline]
fn width<T>() -> Option<usize> {
    match type_name::<T>() {
        "&u8" | "u8" | "&i8" | "i8" => Some(1),
        "&f32" | "f32" => Some(4),
        "&f64" | "f64" => Some(8),
        _ => None,
    }
}

macro_rules! scalars {
    ($($method:ident($ty:ty)),* $(,)?) => {
        $(#[inline]
        fn $method(mut self, value: $ty) -> Result<(), EncodeError> {
            self.put(value)
        })*
    };
}

impl<'o> Serializer for Writing<'o> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Writing<'o>;
    type SerializeTuple = Writing<'o>;
    type SerializeTupleStruct = Writing<'o>;
    type SerializeTupleVariant = Writing<'o>;
    type SerializeMap = Writing<'o>;
    type SerializeStruct = Writing<'o>;
    type SerializeStructVariant = Writing<'o>;

    scalars! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_i128(i128), serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_u128(u128), serialize_f32(f32), serialize_f64(f64), serialize_char(char), serialize_str(&str),
        serialize_bytes(&[u8]),
    }

    #[inline]
    fn serialize_none(mut self) -> Result<(), EncodeError> {
        self.put(0u8)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), EncodeError> {
        self.put(1u8)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        mut self,
        _: &'static str,
        index: u32,
        _: &'static str,
    ) -> Result<(), EncodeError> {
        self.put(index)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.put(index)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(mut self, len: Option<usize>) -> Result<Self, EncodeError> {
        self.put_length(len)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, EncodeError> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, EncodeError> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, EncodeError> {
        self.put(index)?;
        Ok(self)
    }

    #[inline]
    fn serialize_map(mut self, len: Option<usize>) -> Result<Self, EncodeError> {
        self.put_length(len)?;
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, EncodeError> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, EncodeError> {
        self.put(index)?;
        Ok(self)
    }

    #[inline]
    fn collect_seq<I: IntoIterator<Item: Serialize>>(mut self, elements: I) -> Result<(), EncodeError> {
        let elements = elements.into_iter();
        let len = match elements.size_hint() {
            (least, Some(most)) if least == most => Some(least),
            _ => None,
        };
        self.put_length(len)?;
        let len = len.unwrap_or(0);
        match width::<I::Item>() {
            Some(1) => self.put_all::<1, _>(elements, len),
            Some(4) => self.put_all::<4, _>(elements, len),
            Some(8) => self.put_all::<8, _>(elements, len),
            _ => {
                let mut elements = elements;
                elements.try_for_each(|element| element.serialize(self.again()))
            }
        }
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! elements {
    ($($compound:ident: $($method:ident($($key:ty)?)),+;)*) => {
        $(impl $compound for Writing<'_> {
            type Ok = ();
            type Error = EncodeError;

            $(#[inline]
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $(_: $key,)?
                value: &T,
            ) -> Result<(), EncodeError> {
                value.serialize(self.again())
            })+

            #[inline]
            fn end(self) -> Result<(), EncodeError> {
                Ok(())
            }
        })*
    };
}

elements! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}
