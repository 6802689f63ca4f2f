//! Strings of bytes and floats take ways of their own through the codec; their bytes are bincode's all the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;

use pexec_proto::codec::{self, DecodeError, Fields, MAX_DEPTH};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_bytes::ByteBuf;

use crate::seeded::Seeded;

const LENGTHS: [usize; 14] = [
    0, 1, 2, 127, 128, 129, 250, 251, 1023, 1024, 1025, 4096, 65_536, 100_000,
];

fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(value, &mut bytes).unwrap();
    bytes
}

/// The bytes are bincode's, and every way back leads to the value.
#[track_caller]
fn assert_is_bincode<T>(value: T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    let bytes = encoded(&value);
    let config = bincode::config::standard();
    assert!(bytes == bincode::serde::encode_to_vec(&value, config).unwrap());
    assert!(codec::decode::<T>(&bytes).unwrap() == value);
    assert!(codec::decode_typed::<T>(&bytes).unwrap() == value);
    let mut fields = Fields::new(&bytes);
    assert!(fields.take::<T>().unwrap() == value);
    fields.end().unwrap();
    assert!(codec::decode_owned::<T>(bytes).unwrap() == value);
}

/// Everything that is read by hand, with random contents of `len` elements.
fn assert_all_of_length(len: usize, seeded: &mut Seeded) {
    let bytes: Vec<u8> = (0..len).map(|_| seeded.next() as u8).collect();
    // Whole numbers: a NaN is not equal to itself.
    let doubles: Vec<f64> = (0..len).map(|_| seeded.next() as i64 as f64).collect();
    let singles: Vec<f32> = doubles.iter().map(|&double| double as f32).collect();
    assert_is_bincode(bytes.clone());
    assert_is_bincode(ByteBuf::from(bytes.clone()));
    assert_is_bincode(String::from_utf8_lossy(&bytes).into_owned());
    assert_is_bincode(bytes.clone().into_boxed_slice());
    assert_is_bincode(Cow::<'static, [u8]>::Owned(bytes.clone()));
    assert_is_bincode(Some(bytes.clone()));
    assert_is_bincode(bytes.iter().map(|&byte| byte as i8).collect::<Vec<_>>());
    assert_is_bincode(doubles.clone());
    // These are only written in bulk.
    assert_is_bincode(Ok::<_, String>(bytes.clone()));
    assert_is_bincode((1u64, bytes.clone(), doubles.clone()));
    assert_is_bincode(VecDeque::from(bytes.clone()));
    assert_is_bincode(BTreeMap::from([(1u8, bytes.clone())]));
    assert_is_bincode(singles);
    assert_is_bincode(vec![bytes.clone(), Vec::new(), bytes.clone()]);
    assert_is_bincode(Record {
        before: 300,
        bytes: bytes.clone(),
        doubles,
        behind: "behind".into(),
    });
    assert_is_bincode(bytes.into_iter().collect::<BTreeSet<_>>());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    before: u16,
    bytes: Vec<u8>,
    doubles: Vec<f64>,
    behind: String,
}

#[test]
fn every_length_of_every_bulk_type_is_bincodes() {
    let mut seeded = Seeded::new(41);
    for len in LENGTHS {
        assert_all_of_length(len, &mut seeded);
    }
    for _ in 0..100 {
        let len = seeded.below(3000);
        assert_all_of_length(len, &mut seeded);
    }
    assert_is_bincode(None::<Vec<u8>>);
}

#[test]
fn the_bits_of_a_float_are_kept() {
    let strange = vec![f64::from_bits(0x7ff4_0000_dead_beef), -0.0, f64::INFINITY];
    let bytes = encoded(&strange);
    let back: Vec<f64> = codec::decode_typed(&bytes).unwrap();
    let bits = |floats: &[f64]| floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back), bits(&strange));
}

/// Serializes as two bytes, from an iterator of bytes that are not in a row.
struct Sparse;

impl Serialize for Sparse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq([1u8, 9, 2, 9].iter().step_by(2))
    }
}

/// Does not know how many bytes it is.
struct Endless;

impl Serialize for Endless {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq([1u8, 2].iter().filter(|byte| **byte > 1))
    }
}

#[test]
fn bytes_of_an_iterator_are_written_in_order_or_refused() {
    assert_eq!(encoded(&(7u8, Sparse, 7u8)), [7, 2, 1, 2, 7]);
    let mut out = vec![1];
    let error = codec::encode(&(vec![0u8; 5000], Endless), &mut out).unwrap_err();
    assert!(error.to_string().contains("does not know its length"), "{error}");
    assert_eq!(out, [1]);
}

/// Every way of reading refuses these bytes, and says why in the same words.
#[track_caller]
fn assert_refused<T: DeserializeOwned + Debug + PartialEq + 'static>(bytes: &[u8], why: &DecodeError) {
    assert_eq!(codec::decode_typed::<T>(bytes).as_ref(), Err(why));
    assert_eq!(codec::decode_owned::<T>(bytes.to_vec()).as_ref(), Err(why));
    let mut fields = Fields::new(bytes);
    let read = fields.take::<T>().and_then(|value| fields.end().map(|()| value));
    assert_eq!(read.as_ref(), Err(why));
}

#[test]
fn a_string_cut_off_or_continued_is_an_error() {
    fn check<T: Serialize + DeserializeOwned + Debug + PartialEq + 'static>(value: T) {
        let bytes = encoded(&value);
        for cut in 0..bytes.len() {
            assert_refused::<T>(&bytes[..cut], &DecodeError::Truncated);
        }
        let more = [&bytes[..], &[0, 1, 2]].concat();
        assert_refused::<T>(&more, &DecodeError::Trailing { unused: 3 });
    }
    check(vec![7u8; 300]);
    check(ByteBuf::from(vec![7u8; 300]));
    check("\u{e9}".repeat(150));
    check(vec![7u8; 300].into_boxed_slice());
    check(Cow::<'static, [u8]>::Owned(vec![7; 30]));
    check(Some(vec![7u8; 300]));
    check(vec![-7i8; 300]);
    check(vec![0.5f32; 80]);
    check(vec![0.5f64; 40]);
    check((1u8, vec![7u8; 30]));
}

#[test]
fn a_claimed_length_is_compared_with_the_input_first() {
    // Longer than the address space: an allocation for it would end the test.
    for claim in [10, 1 << 20, 1 << 48, (1 << 61) + 1, 1 << 62, u64::MAX] {
        let mut bytes = encoded(&claim);
        bytes.extend([0; 8]);
        assert_refused::<Vec<u8>>(&bytes, &DecodeError::Truncated);
        assert_refused::<ByteBuf>(&bytes, &DecodeError::Truncated);
        assert_refused::<Box<[u8]>>(&bytes, &DecodeError::Truncated);
        assert_refused::<Cow<'static, [u8]>>(&bytes, &DecodeError::Truncated);
        assert_refused::<Vec<i8>>(&bytes, &DecodeError::Truncated);
        assert_refused::<Vec<f32>>(&bytes, &DecodeError::Truncated);
        assert_refused::<Vec<f64>>(&bytes, &DecodeError::Truncated);
        bytes.insert(0, 1);
        assert_refused::<Option<Vec<u8>>>(&bytes, &DecodeError::Truncated);
    }
}

#[test]
fn a_wrong_tag_is_refused_in_the_same_words() {
    for bytes in [&[2u8, 1, 7][..], &[255, 0], &[254, 1]] {
        let why = codec::decode::<(Option<Vec<u8>>,)>(bytes).unwrap_err();
        assert_refused::<Option<Vec<u8>>>(bytes, &why);
    }
}

#[test]
fn a_length_that_is_no_length_is_refused() {
    for first in [254, 255] {
        let bytes = [&[first][..], &[0; 20]].concat();
        let why = codec::decode_typed::<Vec<u8>>(&bytes).unwrap_err();
        assert!(matches!(why, DecodeError::Invalid(_)), "{why:?}");
        assert_refused::<Vec<u8>>(&bytes, &why);
    }
}

#[test]
fn random_bytes_are_judged_alike_on_every_way() {
    fn check<T: DeserializeOwned + PartialEq + Debug + 'static>(bytes: &[u8]) {
        let slow = codec::decode::<T>(bytes);
        let typed = codec::decode_typed::<T>(bytes);
        // Only a length that is nowhere near the input may be refused for another reason.
        assert!(typed.is_ok() == slow.is_ok(), "{bytes:?}: {typed:?}, {slow:?}");
        assert_eq!(codec::decode_owned::<T>(bytes.to_vec()), typed, "{bytes:?}");
        assert!(typed.is_err() || typed == slow);
    }
    let mut seeded = Seeded::new(43);
    for _ in 0..20_000 {
        let bytes = seeded.bytes(24);
        check::<Vec<u8>>(&bytes);
        check::<ByteBuf>(&bytes);
        check::<String>(&bytes);
        check::<Option<Vec<u8>>>(&bytes);
        check::<Box<[u8]>>(&bytes);
        check::<Vec<i8>>(&bytes);
        check::<(u8, Vec<u8>, Option<Vec<u8>>)>(&bytes);
    }
}

#[test]
fn an_owned_byte_string_stays_in_its_memory() {
    let bytes = encoded(&vec![7u8; 5000]);
    let memory = bytes.as_ptr();
    let value: Vec<u8> = codec::decode_owned(bytes).unwrap();
    assert_eq!((value.as_ptr(), &value[..]), (memory, &[7; 5000][..]));
    let bytes = encoded(&ByteBuf::from(vec![7u8; 5000]));
    let memory = bytes.as_ptr();
    let value: ByteBuf = codec::decode_owned(bytes).unwrap();
    assert_eq!((value.as_ptr(), &value[..]), (memory, &[7; 5000][..]));
    let bytes = encoded(&"x".repeat(5000));
    let memory = bytes.as_ptr();
    let value: String = codec::decode_owned(bytes).unwrap();
    assert_eq!((value.as_ptr(), value), (memory, "x".repeat(5000)));
    let bytes = encoded(&Some(vec![7u8; 5000]));
    let memory = bytes.as_ptr();
    let value: Option<Vec<u8>> = codec::decode_owned(bytes).unwrap();
    let value = value.unwrap();
    assert_eq!((value.as_ptr(), &value[..]), (memory, &[7; 5000][..]));
}

#[test]
fn a_tuple_read_element_by_element_is_the_tuple() {
    type Tuple = (Vec<u8>, String, Vec<f64>, Option<u64>);
    let value: Tuple = (vec![7; 300], "text".to_owned(), vec![1.5], Some(3));
    let bytes = encoded(&value);
    for cut in 0..=bytes.len() {
        let read = || -> Result<Tuple, DecodeError> {
            let mut fields = Fields::new(&bytes[..cut]);
            let tuple = (fields.take()?, fields.take()?, fields.take()?, fields.take()?);
            fields.end()?;
            Ok(tuple)
        };
        let whole = codec::decode_typed::<Tuple>(&bytes[..cut]);
        assert_eq!(read(), whole, "at {cut}");
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Chain(Option<Box<Chain>>);

#[test]
fn a_tuple_read_element_by_element_has_the_bounds_of_the_tuple() {
    // A chain takes one level a node for its option; the tuple around it takes one more.
    let chain = |nodes: u32| -> Vec<u8> { [vec![1; nodes as usize], vec![0]].concat() };
    let by_element = |bytes: &[u8]| -> Result<(u8, Chain), DecodeError> {
        let mut fields = Fields::new(bytes);
        let tuple = (fields.take()?, fields.take()?);
        fields.end()?;
        Ok(tuple)
    };
    let mut refused = 0;
    for nodes in MAX_DEPTH / 2 - 3..MAX_DEPTH + 3 {
        let bytes = [&[9][..], &chain(nodes)].concat();
        let whole = codec::decode::<(u8, Chain)>(&bytes);
        assert_eq!(by_element(&bytes), whole, "{nodes}");
        refused += u32::from(whole == Err(DecodeError::TooDeep));
    }
    assert!((1..MAX_DEPTH / 2).contains(&refused));
    // The allowance for empty elements is one for all.
    let units = vec![(); codec::MAX_EMPTY_ELEMENTS - 10];
    let bytes = encoded(&(&units, &units));
    let mut fields = Fields::new(&bytes);
    assert_eq!(fields.take::<Vec<()>>().unwrap().len(), units.len());
    assert_eq!(fields.take::<Vec<()>>(), Err(DecodeError::TooManyElements));
}
