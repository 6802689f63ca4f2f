//! A JSON object whose values are left as they are until somebody asks for them: a reader of a hundred thousand lines
//! pays for the keys it wants and for no copies of the others. All of it is checked to be JSON.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// As many keys as most events have.
const KEYS: usize = 24;

/// The keys in their order, each with the JSON of its value.
pub(super) struct Object<'a> {
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Where the last one was found: they are asked for in about the order in which they were written.
    next: Cell<usize>,
}

impl<'a> Object<'a> {
    pub(super) fn parse(json: &'a str) -> serde_json::Result<Object<'a>> {
        serde_json::from_str(json)
    }

    /// The JSON of this key's value.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        let from = self.next.get();
        let (before, after) = self.entries.split_at_checked(from)?;
        let at = match after.iter().position(|(name, _)| name == key) {
            Some(at) => from + at,
            None => before.iter().position(|(name, _)| name == key)?,
        };
        self.next.set(at + 1);
        Some(self.entries[at].1.get())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<'a>, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut entries = Vec::with_capacity(KEYS);
                while let Some(entry) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    entries.push((entry.0.0, entry.1));
                }
                Ok(Object {
                    entries,
                    next: Cell::new(0),
                })
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// A key, borrowed unless it has escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'de>, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
