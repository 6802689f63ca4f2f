//! The report as one HTML file: nothing in it is fetched, and what tasks wrote is data, never markup.
//!
//! The page's own style and script are named by their digests in its content security policy, so that nothing else
//! in the file can run or load, whatever a label or an output holds. Everything that tasks wrote stands in two JSON
//! blocks in which `<` does not occur, and the script only ever makes text of it.

mod data;
mod output;
mod page;
mod safe;

use std::io::{self, Write};

use crate::captured::Captured;
use crate::model::Report;

/// Writes the page.
///
/// # Errors
///
/// What `out` says.
pub fn write(report: &Report, output: &dyn Captured, out: &mut dyn Write) -> io::Result<()> {
    page::write(report, output, out)
}
