//! Whatever a value asks of its serializer, the bytes and the refusals are those of bincode's own.

use std::fmt;
use std::marker::PhantomData;

use pexec_proto::codec;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use crate::seeded::Seeded;

/// One call of a serializer's, and the values inside.
#[derive(Debug)]
enum Shape {
    Signed(i128),
    Unsigned(u128),
    Float(f64),
    Letter(char),
    Text(String),
    Shown(u64),
    Bytes(Vec<u8>),
    Empty(u8),
    Variant(u32),
    Inside(u8, u32, Box<Shape>),
    Several(u8, u32, Vec<Shape>),
    Collected(u8, Vec<u8>),
    Unending(Vec<Shape>),
    Readable,
}

const KINDS_INSIDE: u64 = 3;
const KINDS_SEVERAL: u64 = 8;
const KINDS_COLLECTED: u64 = 7;

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Shape::Signed(number) => match number.unsigned_abs() % 5 {
                0 => serializer.serialize_i8(*number as i8),
                1 => serializer.serialize_i16(*number as i16),
                2 => serializer.serialize_i32(*number as i32),
                3 => serializer.serialize_i64(*number as i64),
                _ => serializer.serialize_i128(*number),
            },
            Shape::Unsigned(number) => match number % 6 {
                0 => serializer.serialize_u8(*number as u8),
                1 => serializer.serialize_u16(*number as u16),
                2 => serializer.serialize_u32(*number as u32),
                3 => serializer.serialize_u64(*number as u64),
                4 => serializer.serialize_bool(number & 64 == 0),
                _ => serializer.serialize_u128(*number),
            },
            Shape::Float(number) if *number < 0.0 => serializer.serialize_f32(*number as f32),
            Shape::Float(number) => serializer.serialize_f64(*number),
            Shape::Letter(letter) => serializer.serialize_char(*letter),
            Shape::Text(text) => serializer.serialize_str(text),
            Shape::Shown(number) => serializer.collect_str(&format_args!("<{number}>")),
            Shape::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Shape::Empty(0) => serializer.serialize_none(),
            Shape::Empty(1) => serializer.serialize_unit(),
            Shape::Empty(_) => serializer.serialize_unit_struct("Empty"),
            Shape::Variant(index) => serializer.serialize_unit_variant("E", *index, "V"),
            Shape::Inside(0, _, value) => serializer.serialize_some(value),
            Shape::Inside(1, _, value) => serializer.serialize_newtype_struct("N", value),
            Shape::Inside(_, index, value) => serializer.serialize_newtype_variant("E", *index, "V", value),
            Shape::Several(kind, index, values) => several(serializer, *kind, *index, values),
            Shape::Collected(kind, bytes) => collected(serializer, *kind, bytes),
            Shape::Unending(values) => serializer.collect_seq(values.iter().filter(|_| true)),
            Shape::Readable => {
                let readable = serializer.is_human_readable();
                serializer.serialize_bool(readable)
            }
        }
    }
}

fn several<S: Serializer>(serializer: S, kind: u8, index: u32, values: &[Shape]) -> Result<S::Ok, S::Error> {
    macro_rules! each {
        ($compound:expr, |$open:ident, $value:ident| $put:expr) => {{
            let mut $open = $compound?;
            for $value in values {
                $put?;
            }
            $open.end()
        }};
    }
    let len = values.len();
    match kind {
        0 => each!(serializer.serialize_seq(Some(len)), |seq, value| seq
            .serialize_element(value)),
        1 => each!(serializer.serialize_tuple(len), |tuple, value| tuple
            .serialize_element(value)),
        2 => each!(serializer.serialize_tuple_struct("T", len), |tuple, value| tuple
            .serialize_field(value)),
        3 => each!(
            serializer.serialize_tuple_variant("E", index, "V", len),
            |tuple, value| { tuple.serialize_field(value) }
        ),
        4 => each!(serializer.serialize_struct("S", len), |structure, value| {
            structure.serialize_field("f", value)
        }),
        5 => each!(
            serializer.serialize_struct_variant("E", index, "V", len),
            |structure, value| {
                structure.skip_field("g")?;
                structure.serialize_field("f", value)
            }
        ),
        6 => each!(serializer.serialize_map(Some(len)), |map, value| {
            map.serialize_key(value)?;
            map.serialize_value(value)
        }),
        _ => serializer.collect_map(values.iter().map(|value| (value, value))),
    }
}

/// Sequences that the serializer sees as a whole.
fn collected<S: Serializer>(serializer: S, kind: u8, bytes: &[u8]) -> Result<S::Ok, S::Error> {
    match kind {
        0 => serializer.collect_seq(bytes),
        1 => serializer.collect_seq(bytes.iter().map(|byte| *byte as i8)),
        2 => serializer.collect_seq(bytes.iter().map(|byte| f32::from(*byte) / 7.0)),
        3 => serializer.collect_seq(bytes.iter().rev().map(|byte| f64::from(*byte) / 7.0)),
        4 => serializer.collect_seq(bytes.iter().map(|byte| u64::from(*byte) << (byte % 57))),
        5 => serializer.collect_seq(bytes.chunks(3)),
        _ => serializer.collect_seq(bytes.iter().map(Some)),
    }
}

/// A number of a random magnitude.
fn number(seeded: &mut Seeded) -> u128 {
    let wide = u128::from(seeded.next()) << 64 | u128::from(seeded.next());
    wide >> seeded.below(128)
}

fn bytes(seeded: &mut Seeded) -> Vec<u8> {
    // Around the sizes of a block, a length's first tag, and nothing.
    let most = [0, 3, 130, 260, 1100, 5000][seeded.below(6)];
    seeded.bytes(most)
}

fn shape(seeded: &mut Seeded, depth: u32) -> Shape {
    let kinds = if depth == 0 { 11 } else { 15 };
    match seeded.below(kinds) {
        0 => Shape::Signed(number(seeded) as i128),
        1 => Shape::Signed((number(seeded) as i128).wrapping_neg()),
        2 => Shape::Unsigned(number(seeded)),
        3 => Shape::Float(f64::from_bits(seeded.next())),
        4 => Shape::Letter(char::from_u32(seeded.below(0x11_0000) as u32).unwrap_or('é')),
        5 => Shape::Text("a文".repeat(seeded.below(200))),
        6 => Shape::Shown(seeded.next()),
        7 => Shape::Bytes(bytes(seeded)),
        8 => Shape::Empty(seeded.below(3) as u8),
        9 => Shape::Variant(number(seeded) as u32),
        10 => Shape::Collected((seeded.next() % KINDS_COLLECTED) as u8, bytes(seeded)),
        11 => {
            let inner = Box::new(shape(seeded, depth - 1));
            Shape::Inside((seeded.next() % KINDS_INSIDE) as u8, number(seeded) as u32, inner)
        }
        12 if seeded.below(40) == 0 => Shape::Unending(shapes(seeded, depth)),
        13 if seeded.below(4) == 0 => Shape::Readable,
        _ => {
            let values = shapes(seeded, depth);
            Shape::Several(
                (seeded.next() % KINDS_SEVERAL) as u8,
                number(seeded) as u32,
                values,
            )
        }
    }
}

fn shapes(seeded: &mut Seeded, depth: u32) -> Vec<Shape> {
    (0..seeded.below(5)).map(|_| shape(seeded, depth - 1)).collect()
}

#[test]
fn every_request_of_a_value_is_answered_as_bincode_answers_it() {
    let mut seeded = Seeded::new(47);
    let mut refused = 0;
    for round in 0..20_000 {
        let shape = shape(&mut seeded, 5);
        let mut bytes = vec![7; round % 3];
        let encoded = codec::encode(&shape, &mut bytes);
        match bincode::serde::encode_to_vec(&shape, bincode::config::standard()) {
            Ok(expected) => {
                assert_eq!(encoded, Ok(()), "{shape:?}");
                assert!(bytes[round % 3..] == expected, "{shape:?}");
            }
            Err(_) => {
                assert!(encoded.is_err(), "{shape:?}");
                assert_eq!(bytes.len(), round % 3, "{shape:?}");
                refused += 1;
            }
        }
    }
    assert!((1..5_000).contains(&refused), "{refused} were refused");
}

/// Bytes that travel as numbers of two, through a visitor that looks like serde's from afar.
#[derive(Debug, PartialEq)]
struct Halves(Vec<u8>);

struct VecVisitor<T>(PhantomData<T>);

impl<'de> Visitor<'de> for VecVisitor<u8> {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("even numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vec<u8>, A::Error> {
        let mut halves = Vec::new();
        while let Some(number) = numbers.next_element::<u16>()? {
            halves.push((number / 2) as u8);
        }
        Ok(halves)
    }
}

impl<'de> Deserialize<'de> for Halves {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Halves, D::Error> {
        deserializer.deserialize_seq(VecVisitor(PhantomData)).map(Halves)
    }
}

#[test]
fn a_visitor_of_ones_own_that_makes_bytes_reads_its_own_elements() {
    let mut bytes = Vec::new();
    codec::encode(&(1u8, [2u16, 400, 510].as_slice()), &mut bytes).unwrap();
    assert_eq!(
        codec::decode::<(u8, Halves)>(&bytes).unwrap(),
        (1, Halves(vec![1, 200, 255]))
    );
}
