//! What the code in a worker tells `tracing`, on its way to the supervisor's subscriber.
//!
//! One record a frame. Where a record comes from (its *site*: level, target, file, names of the fields) is told with
//! the first records of that site, and by its number afterwards.

use serde::{Deserialize, Serialize};

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Trace {
    /// A span has begun.
    Span {
        /// Its number in this worker.
        id: u64,
        /// The span that it is in.
        parent: Option<u64>,
        /// Where it stands.
        site: SiteRef,
        /// Its fields.
        values: Vec<FieldValue>,
    },
    /// A span has got more fields.
    Record {
        /// Which.
        span: u64,
        /// The fields.
        values: Vec<FieldValue>,
    },
    /// An event.
    Event {
        /// The span that it is in.
        span: Option<u64>,
        /// Where it stands.
        site: SiteRef,
        /// Its fields.
        values: Vec<FieldValue>,
    },
    /// A span has ended.
    Close {
        /// Which.
        span: u64,
    },
    /// So many records were left out since this was told last.
    Lost {
        /// How many.
        count: u64,
    },
}

/// Which site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteRef {
    /// Its number in this worker.
    pub number: u32,
    /// What it is, if the supervisor may not have been told.
    pub site: Option<Box<Site>>,
}

/// A place in the code that tells something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Site {
    /// A span's name; of an event, where it stands.
    pub name: String,
    /// The part of the program.
    pub target: String,
    /// From 1, an error, to 5, a trace.
    pub level: u8,
    /// The module.
    pub module: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// The names of the fields.
    pub fields: Vec<String>,
    /// It is a span's, and not an event's.
    pub span: bool,
}

/// A field's value, with the place of its name among those of the site.
pub type FieldValue = (u16, TraceValue);

/// What a field may hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TraceValue {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A whole number.
    U64(u64),
    /// A whole number.
    I128(i128),
    /// A whole number.
    U128(u128),
    /// A number.
    F64(f64),
    /// A text.
    Str(String),
    /// What something's `Debug` or `Display` wrote.
    Shown(String),
}
