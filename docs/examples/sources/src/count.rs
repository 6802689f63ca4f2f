//! What one file is made of.

use std::fs;
use std::path::PathBuf;

use pexec::Failure;
use serde::{Deserialize, Serialize};

/// Lines of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lines {
    pub(crate) code: u64,
    pub(crate) comment: u64,
    pub(crate) blank: u64,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) path: PathBuf,
    pub(crate) lines: Lines,
}

/// Counts the lines of code, comment and blank lines of a Rust file.
#[pexec::task(name = "count")]
fn count(path: PathBuf) -> Result<Counted, Failure> {
    let text =
        fs::read_to_string(&path).map_err(|error| Failure::msg(format!("{}: {error}", path.display())))?;
    let lines = lines(&text);
    Ok(Counted { path, lines })
}

fn lines(text: &str) -> Lines {
    let mut lines = Lines::default();
    // Block comments nest.
    let mut depth = 0usize;
    for line in text.lines().map(str::trim) {
        let commented = depth > 0 || line.starts_with("//") || line.starts_with("/*");
        if !line.starts_with("//") && commented {
            depth = (depth + line.matches("/*").count()).saturating_sub(line.matches("*/").count());
        }
        if line.is_empty() {
            lines.blank += 1;
        } else if commented {
            lines.comment += 1;
        } else {
            lines.code += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_of_one_kind() {
        let text = "//! Says.\n\nfn f() {} // no comment line\n/* one\n /* two */\n\n three */\nfn g() {}\n";
        let expected = Lines {
            code: 2,
            comment: 4,
            blank: 2,
        };
        assert_eq!(lines(text), expected);
    }
}
