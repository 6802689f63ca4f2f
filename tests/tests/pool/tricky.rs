//! A value whose serialisation goes wrong where it is told to.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where and how it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    None,
    EncodeHereFails,
    EncodeHerePanics,
    DecodeThereFails,
    DecodeTherePanics,
    DecodeThereAborts,
    DecodeThereExits,
    EncodeThereFails,
    EncodeTherePanics,
    EncodeThereAborts,
    EncodeThereExits,
    DecodeHereFails,
    DecodeHerePanics,
}

impl Trick {
    const ALL: [Trick; 13] = [
        Trick::None,
        Trick::EncodeHereFails,
        Trick::EncodeHerePanics,
        Trick::DecodeThereFails,
        Trick::DecodeTherePanics,
        Trick::DecodeThereAborts,
        Trick::DecodeThereExits,
        Trick::EncodeThereFails,
        Trick::EncodeTherePanics,
        Trick::EncodeThereAborts,
        Trick::EncodeThereExits,
        Trick::DecodeHereFails,
        Trick::DecodeHerePanics,
    ];
}

/// The value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tricky(pub(crate) Trick);

/// In a worker, while it has a task.
fn there() -> bool {
    pexec::task::current().is_some()
}

impl Serialize for Tricky {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0, there()) {
            (Trick::EncodeHereFails, false) | (Trick::EncodeThereFails, true) => {
                return Err(serde::ser::Error::custom("it will not be written"));
            }
            (Trick::EncodeHerePanics, false) | (Trick::EncodeTherePanics, true) => panic!("writing panics"),
            (Trick::EncodeThereAborts, true) => std::process::abort(),
            (Trick::EncodeThereExits, true) => std::process::exit(9),
            _ => {}
        }
        let index = Trick::ALL.iter().position(|t| *t == self.0).expect("one of them");
        serializer.serialize_u8(index as u8)
    }
}

impl<'de> Deserialize<'de> for Tricky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let trick = Trick::ALL[usize::from(u8::deserialize(deserializer)?)];
        match (trick, there()) {
            (Trick::DecodeHereFails, false) | (Trick::DecodeThereFails, true) => {
                Err(serde::de::Error::custom("it will not be read"))
            }
            (Trick::DecodeHerePanics, false) | (Trick::DecodeTherePanics, true) => panic!("reading panics"),
            (Trick::DecodeThereAborts, true) => std::process::abort(),
            (Trick::DecodeThereExits, true) => std::process::exit(9),
            _ => Ok(Tricky(trick)),
        }
    }
}

/// A task that takes the value.
pub(crate) fn take(_: Tricky) -> u32 {
    std::process::id()
}

/// A task that takes it and gives it back.
pub(crate) fn give_back(value: Tricky) -> Tricky {
    value
}
