//! Where what the instances wrote can be read, and how much of it goes into a file that people open.
//!
//! A report is to stay a file that can be mailed: there is a limit for each stream and one for all together, and what
//! is left out is said where it was.

use std::io;

use crate::model::Attempt;
use crate::plain;

/// The output that a run captured: one file of bytes, in which an attempt's standard output is directly followed by
/// its standard error.
pub trait Captured {
    /// Fills `into` with the bytes from `at`.
    ///
    /// # Errors
    ///
    /// When the bytes are not there or cannot be read.
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()>;
}

/// Nothing was captured, or it was not kept.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Captured for Nothing {
    fn read(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::NotFound, "no output was kept"))
    }
}

/// One stream of an attempt, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The beginning; the whole where nothing was left out.
    pub head: String,
    /// How many bytes were left out after it.
    pub cut: u64,
    /// What came after them.
    pub rest: String,
}

impl Excerpt {
    /// There is nothing to show, and nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.cut == 0
    }

    /// The whole as one text that says what is missing.
    pub fn to_text(&self) -> String {
        match self.cut {
            0 => self.head.clone(),
            cut => format!("{}\n[.. {cut} bytes left out ..]\n{}", self.head, self.rest),
        }
    }
}

/// Both streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// Standard output.
    pub stdout: Excerpt,
    /// Standard error.
    pub stderr: Excerpt,
}

/// Reads excerpts until there have been enough.
pub struct Reader<'a> {
    from: &'a dyn Captured,
    left: u64,
    each: u64,
    ends: bool,
}

impl<'a> Reader<'a> {
    /// At most `total` bytes, and at most `each` of any one stream: its beginning and its end.
    pub fn whole(from: &'a dyn Captured, total: u64, each: u64) -> Reader<'a> {
        Reader {
            from,
            left: total,
            each,
            ends: false,
        }
    }

    /// The same, but only the end of each stream.
    pub fn ends(from: &'a dyn Captured, total: u64, each: u64) -> Reader<'a> {
        Reader {
            from,
            left: total,
            each,
            ends: true,
        }
    }

    /// There is no room left.
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// What an attempt wrote. `None`: it wrote nothing, or it cannot be read.
    pub fn of(&mut self, attempt: &Attempt) -> Option<Streams> {
        let at = attempt.output_at?;
        if attempt.stdout + attempt.stderr == 0 {
            return None;
        }
        let stdout = self.excerpt(at, attempt.stdout).ok()?;
        let stderr = self.excerpt(at + attempt.stdout, attempt.stderr).ok()?;
        Some(Streams { stdout, stderr })
    }

    fn excerpt(&mut self, at: u64, len: u64) -> io::Result<Excerpt> {
        let take = len.min(self.each).min(self.left);
        self.left -= take;
        let cut = len - take;
        let first = match (cut, self.ends) {
            (0, _) => take,
            (_, true) => 0,
            (_, false) => take / 2,
        };
        let head = self.text(at, first)?;
        let rest = self.text(at + first + cut, take - first)?;
        Ok(Excerpt { head, cut, rest })
    }

    fn text(&self, at: u64, len: u64) -> io::Result<String> {
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        if len > 0 {
            self.from.read(at, &mut bytes)?;
        }
        Ok(plain::text(&bytes))
    }
}
