//! Bytes that claim more than they are: no memory, no time, no stack for them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use pexec_proto::codec::{self, DecodeError, MAX_DEPTH, MAX_EMPTY_ELEMENTS};
use pexec_proto::{Refused, Setup, WorkerFailure};
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

const CLAIMS: [u64; 12] = [
    1 << 16,
    1 << 20,
    1 << 24,
    1 << 30,
    (1 << 31) - 1,
    (1 << 32) - 1,
    1 << 38,
    1 << 40,
    1 << 45,
    1 << 62,
    u64::MAX - 1,
    u64::MAX,
];

/// A length as the codec writes it, whatever it is the length of, and a few bytes that are there.
fn claiming(length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(&length, &mut bytes).unwrap();
    bytes.extend([1; 8]);
    bytes
}

/// The most address space this process has had, in bytes: what an allocation takes even if it is never touched.
fn peak_address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmPeak:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_claimed_length_is_never_allocated() {
    fn refuses<T: DeserializeOwned + fmt::Debug>() {
        for claim in CLAIMS {
            let refused = codec::decode::<T>(&claiming(claim));
            assert!(
                matches!(
                    refused,
                    Err(DecodeError::Truncated | DecodeError::TooManyElements)
                ),
                "{claim}: {refused:?}"
            );
        }
    }
    let before = peak_address_space();
    refuses::<String>();
    refuses::<Box<str>>();
    refuses::<std::path::PathBuf>();
    refuses::<std::ffi::CString>();
    refuses::<Vec<u8>>();
    refuses::<Vec<u128>>();
    refuses::<Vec<String>>();
    refuses::<Vec<[u64; 32]>>();
    refuses::<HashMap<u8, String>>();
    refuses::<BTreeMap<String, ()>>();
    refuses::<Bytes>();
    refuses::<Refused>();
    // Half the smallest claim that could not hide among what the other tests of this process allocate meanwhile.
    let grown = peak_address_space() - before;
    assert!(
        grown < 1 << 29,
        "{grown} bytes of address space for a few bytes of input"
    );
}

#[test]
fn a_claimed_length_inside_a_message_is_never_allocated() {
    for claim in CLAIMS {
        let text = claiming(claim);
        let setup = [&[3, 5][..], &text].concat();
        assert_eq!(codec::decode::<Setup>(&setup), Err(DecodeError::Truncated));
        for variant in [0, 1, 2, 4] {
            let failure = [&[variant][..], &text].concat();
            assert_eq!(
                codec::decode::<WorkerFailure>(&failure),
                Err(DecodeError::Truncated)
            );
        }
    }
}

/// Asks for owned bytes, and says what it was given.
#[derive(Debug, PartialEq)]
struct Bytes {
    borrowed: bool,
    len: usize,
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        struct Taker;
        impl<'de> Visitor<'de> for Taker {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Bytes, E> {
                Ok(Bytes {
                    borrowed: true,
                    len: bytes.len(),
                })
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes {
                    borrowed: false,
                    len: bytes.len(),
                })
            }
        }
        deserializer.deserialize_byte_buf(Taker)
    }
}

#[test]
fn owned_bytes_are_cut_out_of_the_input_before_they_are_copied() {
    assert_eq!(
        codec::decode::<Bytes>(&[3, 7, 7, 7]),
        Ok(Bytes {
            borrowed: true,
            len: 3
        })
    );
}

#[test]
fn elements_of_no_bytes_are_counted() {
    for claim in CLAIMS
        .into_iter()
        .filter(|claim| *claim > 2 * MAX_EMPTY_ELEMENTS as u64)
    {
        assert_eq!(
            codec::decode::<Vec<()>>(&claiming(claim)),
            Err(DecodeError::TooManyElements)
        );
        assert_eq!(
            codec::decode::<BTreeMap<(), ()>>(&claiming(claim)),
            Err(DecodeError::TooManyElements)
        );
    }
    let mut bytes = Vec::new();
    codec::encode(&vec![(); MAX_EMPTY_ELEMENTS], &mut bytes).unwrap();
    assert_eq!(
        codec::decode::<Vec<()>>(&bytes).unwrap().len(),
        MAX_EMPTY_ELEMENTS
    );
}

#[test]
fn elements_of_no_bytes_are_counted_over_all_sequences_together() {
    let many = vec![vec![(); MAX_EMPTY_ELEMENTS / 4]; 5];
    let mut bytes = Vec::new();
    codec::encode(&many, &mut bytes).unwrap();
    assert_eq!(
        codec::decode::<Vec<Vec<()>>>(&bytes),
        Err(DecodeError::TooManyElements)
    );
    bytes.clear();
    codec::encode(&many[..3], &mut bytes).unwrap();
    assert_eq!(codec::decode::<Vec<Vec<()>>>(&bytes).unwrap(), many[..3]);
}

/// One level each, without a base: `depth` zero bytes and one that ends it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Chain {
    Link(Box<Chain>),
    End,
}

fn chain(links: usize) -> Vec<u8> {
    let mut bytes = vec![0; links];
    bytes.push(1);
    bytes
}

/// Two levels for each node: the structure, and the option in it.
#[derive(Debug, Serialize, Deserialize)]
struct Node {
    next: Option<Box<Node>>,
}

#[test]
fn nesting_ends_in_an_error_and_not_in_a_stack_overflow() {
    let deepest = MAX_DEPTH as usize - 1;
    assert!(codec::decode::<Chain>(&chain(deepest)).is_ok());
    assert_eq!(
        codec::decode::<Chain>(&chain(deepest + 1)),
        Err(DecodeError::TooDeep)
    );
    assert_eq!(codec::decode::<Chain>(&chain(200_000)), Err(DecodeError::TooDeep));
    assert!(matches!(
        codec::decode::<Node>(&[1; 200_000]),
        Err(DecodeError::TooDeep)
    ));

    #[derive(Debug, Serialize, Deserialize)]
    struct Sequences(Vec<Sequences>);
    assert!(matches!(
        codec::decode::<Sequences>(&[1; 200_000]),
        Err(DecodeError::TooDeep)
    ));
    #[derive(Debug, Serialize, Deserialize)]
    struct Maps(BTreeMap<u8, Maps>);
    assert!(matches!(
        codec::decode::<Maps>(&[1; 200_000]),
        Err(DecodeError::TooDeep)
    ));
    #[derive(Debug, Serialize, Deserialize)]
    enum Fields {
        Tuple(u8, Box<Fields>),
        Named { next: Box<Fields> },
    }
    for variant in [0, 1] {
        assert!(matches!(
            codec::decode::<Fields>(&[variant; 200_000]),
            Err(DecodeError::TooDeep)
        ));
    }
}

#[test]
fn values_beside_one_another_do_not_count_as_nested() {
    let many: Vec<Option<(u8, Chain)>> = (0..10_000).map(|i| Some((i as u8, Chain::End))).collect();
    let mut bytes = Vec::new();
    codec::encode(&many, &mut bytes).unwrap();
    assert_eq!(codec::decode::<Vec<Option<(u8, Chain)>>>(&bytes).unwrap(), many);
}

#[test]
fn every_error_reads_on_behind_a_colon() {
    let errors = [
        DecodeError::Truncated,
        DecodeError::Trailing { unused: 3 },
        DecodeError::TooDeep,
        DecodeError::TooManyElements,
    ];
    for error in errors {
        let text = error.to_string();
        assert!(
            !text.starts_with(char::is_uppercase) && !text.ends_with('.'),
            "{text}"
        );
    }
}
