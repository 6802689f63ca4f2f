//! What users send: every shape of value comes back as it went, and what cannot be sent says why.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use pexec_proto::codec::{self, DecodeError};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A bit of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rich {
    flag: bool,
    small: Vec<u64>,
    wide: (u128, i128, i8, f32, f64),
    letters: Vec<char>,
    text: String,
    boxed: Box<str>,
    maybe: Option<Option<u8>>,
    units: Vec<()>,
    map: BTreeMap<String, Vec<i32>>,
    tree: Tree,
    fixed: [u16; 4],
    wrapped: Wrapped,
    unit: Unit,
    pair: Pair,
    wait: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Value(i64),
    Branch(Box<Tree>, Box<Tree>),
    Named { left: Box<Tree>, name: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(Vec<Wrapped>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, Option<String>);

impl Rich {
    pub(crate) fn example() -> Rich {
        Rich {
            flag: true,
            small: vec![0, 1, 250, 251, u64::MAX],
            wide: (u128::MAX, i128::MIN, -1, 0.5, f64::MAX),
            letters: vec!['a', 'é', '文', '🦀'],
            text: "text".into(),
            boxed: "boxed".into(),
            maybe: Some(None),
            units: vec![(); 3],
            map: BTreeMap::from([("a".into(), vec![1, -1]), ("b".into(), vec![])]),
            tree: Tree::Branch(
                Box::new(Tree::Named {
                    left: Box::new(Tree::Leaf),
                    name: "n".into(),
                }),
                Box::new(Tree::Value(-7)),
            ),
            fixed: [1, 2, 3, 4],
            wrapped: Wrapped(vec![Wrapped(vec![]), Wrapped(vec![Wrapped(vec![])])]),
            unit: Unit,
            pair: Pair(1, Some("p".into())),
            wait: Duration::from_millis(1500),
        }
    }
}

fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(value, &mut bytes).unwrap();
    bytes
}

#[track_caller]
fn assert_comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
    assert_eq!(codec::decode::<T>(&encoded(&value)).unwrap(), value);
}

#[test]
fn every_shape_of_value_comes_back() {
    assert_comes_back(Rich::example());
    assert_comes_back(HashMap::from([(1u8, "one".to_owned()), (2, String::new())]));
    assert_comes_back(HashSet::from(["x".to_owned()]));
    assert_comes_back(VecDeque::from([1u32, 2, 3]));
    assert_comes_back(Err::<(), String>("no".into()));
    assert_comes_back(std::path::PathBuf::from("/tmp/ü"));
    assert_comes_back(std::net::IpAddr::from([127, 0, 0, 1]));
    assert_comes_back(std::ffi::CString::new("bytes").unwrap());
}

#[test]
fn values_of_many_small_parts_are_not_taken_for_hostile_ones() {
    // One byte each on the wire, and up to sixteen in memory.
    assert_comes_back(vec![0u64; 100_000]);
    assert_comes_back(vec![1u128; 100_000]);
    assert_comes_back(vec!['x'; 100_000]);
    assert_comes_back(vec![String::new(); 100_000]);
    assert_comes_back(vec![Vec::<u8>::new(); 100_000]);
    assert_comes_back(vec![None::<Box<Tree>>; 100_000]);
    assert_comes_back("long ".repeat(100_000));
    assert_comes_back(vec![7u8; 1 << 20]);
}

#[test]
fn an_unsized_value_is_encoded_behind_what_is_there() {
    let mut out = vec![0xff];
    codec::encode("ab", &mut out).unwrap();
    codec::encode(&[1u8, 2][..], &mut out).unwrap();
    assert_eq!(out, [0xff, 2, b'a', b'b', 2, 1, 2]);
}

#[test]
fn a_value_cut_off_at_any_byte_is_an_error() {
    let bytes = encoded(&Rich::example());
    for cut in 0..bytes.len() {
        assert_eq!(
            codec::decode::<Rich>(&bytes[..cut]),
            Err(DecodeError::Truncated),
            "at {cut}"
        );
    }
}

#[test]
fn bytes_behind_a_value_are_an_error() {
    let mut bytes = encoded(&Rich::example());
    for unused in 1..4 {
        bytes.push(0);
        assert_eq!(
            codec::decode::<Rich>(&bytes),
            Err(DecodeError::Trailing { unused })
        );
    }
    assert_eq!(
        codec::decode::<()>(&[0]),
        Err(DecodeError::Trailing { unused: 1 })
    );
    assert_eq!(
        codec::decode::<u8>(&encoded(&300u16)),
        Err(DecodeError::Trailing { unused: 2 })
    );
}

#[track_caller]
fn assert_invalid<T: DeserializeOwned + std::fmt::Debug>(bytes: &[u8], says: &str) {
    match codec::decode::<T>(bytes) {
        Err(DecodeError::Invalid(reason)) => assert!(reason.contains(says), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_of_no_value_say_what_is_wrong() {
    assert_invalid::<bool>(&[2], "2 is not a boolean");
    assert_invalid::<String>(&[2, 0xc3, 0x28], "not UTF-8");
    assert_invalid::<u16>(&[252, 0, 0, 0, 0], "U32 stands where U16 is wanted");
    assert_invalid::<Tree>(&[4], "variant");
    assert_invalid::<Option<u8>>(&[2, 0], "variant");
    assert_invalid::<char>(&[0xff, 0, 0, 0], "character");
    assert_invalid::<std::num::NonZeroU8>(&[0], "nonzero");
}

#[test]
fn a_type_that_asks_the_bytes_what_they_are_is_refused_with_the_reason() {
    #[derive(Debug, Deserialize, Serialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
    }
    assert_invalid::<Untagged>(&encoded(&Untagged::Number(1)), "untagged");
}

#[test]
fn what_cannot_be_encoded_leaves_nothing_behind() {
    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_seq(None)?.end()
        }
    }
    struct Unwilling;
    impl Serialize for Unwilling {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("will not travel"))
        }
    }
    let mut out = vec![1, 2, 3];
    let error = codec::encode(&("text", Endless), &mut out).unwrap_err();
    assert!(error.to_string().contains("collect it first"), "{error}");
    let error = codec::encode(&(vec![0u8; 100], Unwilling), &mut out).unwrap_err();
    assert_eq!(error.to_string(), "will not travel");
    let locked = RefCell::new(1u8);
    let _held = locked.borrow_mut();
    assert!(codec::encode(&locked, &mut out).is_err());
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn a_types_own_refusal_reaches_the_reader_in_its_words() {
    #[derive(Debug)]
    struct Even;
    impl<'de> Deserialize<'de> for Even {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Even, D::Error> {
            match u32::deserialize(deserializer)? {
                n if n % 2 == 0 => Ok(Even),
                n => Err(D::Error::custom(format_args!("{n} is odd"))),
            }
        }
    }
    assert!(codec::decode::<Even>(&[4]).is_ok());
    assert_invalid::<Even>(&[5], "5 is odd");
}

#[test]
fn what_is_short_has_the_same_bytes_without_memory_of_its_own() {
    fn same<T: Serialize>(value: &T) {
        let (mut room, mut bytes) = ([0; 22], Vec::new());
        codec::encode(value, &mut bytes).expect("it can be encoded");
        let len = codec::encode_short(value, &mut room).expect("it is short");
        assert_eq!(room[..len], bytes);
    }
    for number in [0, 250, 251, 65_536, u64::MAX] {
        same(&number);
        same(&(number as i64));
        same(&(number, number as u32));
        same(&[number as u16; 7]);
        same(&Duration::from_nanos(number));
    }
    same(&());
    same(&('🦀', true, -0.0f64, Unit));
    same(&Some(Some(())));
    same(&"a text that is here");
    let mut room = [0; 22];
    assert_eq!(
        codec::encode_short(&"a text that is longer than it", &mut room),
        None
    );
    assert_eq!(codec::encode_short(&Vec::<u8>::new(), &mut room), None);
    assert_eq!(codec::encode_short(&[0u8; 23], &mut room), None);
}
