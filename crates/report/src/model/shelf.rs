//! Texts kept once, each in a place that costs four bytes to name.
//!
//! Reasons repeat ("exit 1" fifty thousand times) and are looked up; labels hardly do, and are only put down.

use std::collections::HashMap;

use super::Line;

/// How many texts are looked up: reasons may all be different.
const KNOWN: usize = 10_000;

/// Texts, one after the other in one allocation.
#[derive(Debug, Default)]
pub struct Shelf {
    bytes: String,
    /// Where each text ends.
    ends: Vec<usize>,
    known: HashMap<String, Line>,
}

impl Shelf {
    /// The text; that of the default line is empty.
    pub fn get(&self, line: Line) -> &str {
        let Some(at) = (line.0 as usize).checked_sub(1) else {
            return "";
        };
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[from..self.ends[at]]
    }

    /// Puts a text down.
    pub(super) fn put(&mut self, text: &str) -> Line {
        if text.is_empty() {
            return Line::default();
        }
        // Four thousand million labels do not fit into memory; if they did, the last ones would go nameless.
        let Ok(place) = u32::try_from(self.ends.len() + 1) else {
            return Line::default();
        };
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        Line(place)
    }

    /// Puts a text down that may be there already.
    pub(super) fn put_once(&mut self, text: &str) -> Line {
        if let Some(line) = self.known.get(text) {
            return *line;
        }
        let line = self.put(text);
        if self.known.len() < KNOWN {
            self.known.insert(text.to_owned(), line);
        }
        line
    }
}
