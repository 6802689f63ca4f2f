//! An argument from a job file, and how it becomes a function's own type: text will do for a number or a boolean,
//! for items are text whatever they hold. Text that is wanted as text stays text, so nothing is guessed.

use serde::de::value::{Error, MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize, forward_to_deserialize_any};

use crate::text::Text;

/// A value of TOML, with everything substituted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Argument {
    /// Left out; TOML has no such value.
    None,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A string, or a date.
    Text(Text),
    /// An array.
    List(Vec<Argument>),
    /// A table, in the order of the file.
    Table(Vec<(String, Argument)>),
}

impl Argument {
    /// Shows every text of it; the names in a table are not among them.
    pub(crate) fn each_text(&mut self, show: &mut dyn FnMut(&mut Text)) {
        match self {
            Argument::None | Argument::Boolean(_) | Argument::Integer(_) | Argument::Float(_) => {}
            Argument::Text(text) => show(text),
            Argument::List(items) => items.iter_mut().for_each(|item| item.each_text(show)),
            Argument::Table(entries) => entries.iter_mut().for_each(|(_, value)| value.each_text(show)),
        }
    }
}

impl Argument {
    /// The text, if it is one that is UTF-8.
    fn text(&self) -> Option<Result<&str, Error>> {
        match self {
            Argument::Text(text) => Some(
                std::str::from_utf8(text.as_bytes())
                    .map_err(|_| Error::custom(format!("`{text}` is not UTF-8, and a call takes only that"))),
            ),
            _ => None,
        }
    }
}

/// A scalar from the text that holds it.
macro_rules! scalar {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.text().transpose()?.map(|text| text.trim().parse::<$type>()) {
                Some(Ok(scalar)) => visitor.$visit(scalar),
                Some(Err(_)) | None => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for &'de Argument {
    type Error = Error;

    scalar!(
        deserialize_bool visit_bool bool,
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_u128 visit_u128 u128,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Argument::None => visitor.visit_unit(),
            Argument::Boolean(value) => visitor.visit_bool(*value),
            Argument::Integer(value) => visitor.visit_i64(*value),
            Argument::Float(value) => visitor.visit_f64(*value),
            Argument::Text(_) => visitor.visit_borrowed_str(self.text().transpose()?.unwrap_or_default()),
            Argument::List(list) => {
                let mut elements = SeqDeserializer::new(list.iter());
                let value = visitor.visit_seq(&mut elements)?;
                elements.end()?;
                Ok(value)
            }
            Argument::Table(entries) => {
                let mut entries =
                    MapDeserializer::new(entries.iter().map(|(key, value)| (key.as_str(), value)));
                let value = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Argument::None => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Argument::Text(_) => {
                let name = self.text().transpose()?.unwrap_or_default();
                visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(name))
            }
            Argument::Table(entries) if entries.len() == 1 => {
                let entries = MapDeserializer::new(entries.iter().map(|(key, value)| (key.as_str(), value)));
                visitor.visit_enum(MapAccessDeserializer::new(entries))
            }
            Argument::Table(_) => Err(Error::invalid_value(
                Unexpected::Map,
                &"a table with one key, the variant's name",
            )),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any!(char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any);
}

impl<'de> IntoDeserializer<'de, Error> for &'de Argument {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    fn read<T: for<'a> Deserialize<'a>>(argument: &Argument) -> Result<T, String> {
        T::deserialize(argument).map_err(|error| error.to_string())
    }

    fn text(text: &str) -> Argument {
        Argument::Text(text.into())
    }

    fn table<const N: usize>(entries: [(&str, Argument); N]) -> Argument {
        Argument::Table(entries.map(|(key, value)| (key.to_owned(), value)).to_vec())
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Size {
        width: u32,
        name: String,
        deep: Option<Vec<f64>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Fast,
        Slow(u8),
        By { steps: u8 },
    }

    #[test]
    fn text_becomes_the_number_that_is_wanted_however_deep_it_lies() {
        let deep = Argument::List(vec![text("1.5"), Argument::Integer(2)]);
        let size = Size {
            width: 7,
            name: "8".to_owned(),
            deep: Some(vec![1.5, 2.0]),
        };
        let argument = table([("width", text(" 7")), ("name", text("8")), ("deep", deep)]);
        assert_eq!(read::<Size>(&argument), Ok(size));
        let pair = Argument::List(vec![text("true"), text("-5")]);
        assert_eq!(read::<(bool, i8)>(&pair), Ok((true, -5)));
        assert_eq!(
            read::<BTreeMap<String, u8>>(&table([("a", text("1"))])),
            Ok(BTreeMap::from([("a".to_owned(), 1)]))
        );
    }

    #[test]
    fn what_is_wanted_as_text_stays_text() {
        assert_eq!(read::<String>(&text("007")), Ok("007".to_owned()));
        assert_eq!(read::<PathBuf>(&text("a b")), Ok(PathBuf::from("a b")));
        assert_eq!(read::<char>(&text("x")), Ok('x'));
        assert!(
            read::<String>(&Argument::Integer(5)).is_err(),
            "a number is no text"
        );
    }

    #[test]
    fn what_is_left_out_is_nothing_and_what_is_given_is_something() {
        assert_eq!(read::<Option<u8>>(&Argument::None), Ok(None));
        assert_eq!(read::<Option<u8>>(&text("3")), Ok(Some(3)));
        assert_eq!(read::<()>(&Argument::None), Ok(()));
        assert!(read::<u8>(&Argument::None).is_err());
    }

    #[test]
    fn variants_come_from_names_and_from_tables_of_one_key() {
        assert_eq!(read(&text("fast")), Ok(Mode::Fast));
        assert_eq!(read(&table([("slow", text("3"))])), Ok(Mode::Slow(3)));
        let steps = table([("steps", Argument::Integer(2))]);
        assert_eq!(read(&table([("by", steps)])), Ok(Mode::By { steps: 2 }));
        let error = read::<Mode>(&text("fsat")).expect_err("no such variant");
        assert!(error.contains("fsat") && error.contains("fast"), "{error}");
        let two = table([("fast", Argument::None), ("slow", Argument::None)]);
        assert!(read::<Mode>(&two).expect_err("two").contains("one key"));
    }

    #[test]
    fn text_that_holds_no_such_number_is_refused_with_what_was_wanted() {
        for wrong in ["x", "300", "-1", ""] {
            let error = read::<u8>(&text(wrong)).expect_err("no number");
            assert!(error.contains(wrong) && error.ends_with("expected u8"), "{error}");
        }
        let error = read::<String>(&Argument::Text(Text(b"\xff".to_vec()))).expect_err("no text");
        assert!(error.contains("`\\xff` is not UTF-8"), "{error}");
        let three = Argument::List(vec![Argument::Integer(1); 3]);
        assert!(read::<(u8, u8)>(&three).is_err());
    }
}
