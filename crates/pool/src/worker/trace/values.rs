//! The fields of a record as they travel: bounded, however much somebody's `Debug` writes.

use std::error::Error;
use std::fmt::{self, Debug, Write};

use pexec_proto::trace::{FieldValue, TraceValue};
use tracing::field::{Field, Visit};

/// The longest text of one field, and of all fields of one record.
const FIELD: usize = 8 << 10;
const RECORD: usize = 24 << 10;

/// What the visitor is shown.
pub(super) fn of(show: impl FnOnce(&mut dyn Visit)) -> Vec<FieldValue> {
    let mut collector = Collector {
        values: Vec::new(),
        room: RECORD,
    };
    show(&mut collector);
    collector.values
}

struct Collector {
    values: Vec<FieldValue>,
    /// For so many more bytes of text.
    room: usize,
}

impl Collector {
    fn push(&mut self, field: &Field, value: TraceValue) {
        if let Ok(place) = u16::try_from(field.index()) {
            self.values.push((place, value));
        }
    }

    fn text(&mut self, write: impl FnOnce(&mut Text) -> fmt::Result) -> String {
        let mut text = Text {
            text: String::new(),
            room: self.room.min(FIELD),
            cut: false,
        };
        // What did not fit is what an error means here, or a `Debug` gave up by itself.
        let _ = write(&mut text);
        self.room = self.room.saturating_sub(text.text.len());
        text.text
    }
}

impl Visit for Collector {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, TraceValue::F64(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, TraceValue::I64(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, TraceValue::U64(value));
    }
    fn record_i128(&mut self, field: &Field, value: i128) {
        self.push(field, TraceValue::I128(value));
    }
    fn record_u128(&mut self, field: &Field, value: u128) {
        self.push(field, TraceValue::U128(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, TraceValue::Bool(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        let text = self.text(|text| text.write_str(value));
        self.push(field, TraceValue::Str(text));
    }
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let text = self.text(|text| {
            write!(text, "{value}")?;
            let mut source = value.source();
            while let Some(error) = source {
                write!(text, ": {error}")?;
                source = error.source();
            }
            Ok(())
        });
        self.push(field, TraceValue::Shown(text));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = self.text(|text| write!(text, "{value:?}"));
        self.push(field, TraceValue::Shown(text));
    }
}

/// A text that takes so many bytes and no more.
struct Text {
    text: String,
    room: usize,
    cut: bool,
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.cut {
            return Err(fmt::Error);
        }
        if more.len() <= self.room {
            self.text.push_str(more);
            self.room -= more.len();
            return Ok(());
        }
        self.text.push_str(&more[..more.floor_char_boundary(self.room)]);
        self.text.push_str(" ..");
        self.cut = true;
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        let mut text = Text {
            text: String::new(),
            room: 4,
            cut: false,
        };
        assert!(write!(text, "ab").is_ok());
        assert!(write!(text, "cäd").is_err());
        assert_eq!(text.text, "abc ..");
        assert!(write!(text, "e").is_err());
        assert_eq!(text.text, "abc ..");
    }
}
