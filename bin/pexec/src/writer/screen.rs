//! The block of lines at the bottom of a terminal, redrawn in place.
//!
//! The cursor rests at the start of the block's first line. That is what keeps the block right when the window is
//! resized: a terminal may wrap the lines anew or cut them, but the cursor stays with the text that it stands on, and
//! what is below it is the block's and nothing else's. Nothing of the terminal's state is changed (no mode, no hidden
//! cursor), so there is nothing to put back, even after SIGKILL.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use unicode_width::UnicodeWidthChar;

use crate::terminal::{self, Size};

/// To the left edge, and everything from there on is gone.
const ERASE: &str = "\r\x1b[J";
/// The rest of the line is gone.
const ERASE_LINE: &str = "\x1b[K";
/// What comes in between appears at once, on terminals that know it; the others ignore it.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

/// There is a block on the screen; for a panic's message, which must not be written into it.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// The block.
#[derive(Default)]
pub(super) struct Screen {
    /// The lines as they stand there.
    lines: Vec<String>,
    size: Size,
}

impl Screen {
    /// Shows these lines instead of the ones that are there.
    pub(super) fn show(&mut self, lines: &[String]) {
        if !terminal::is_ours() {
            // In the background the terminal is somebody else's, and what was shown was taken off before.
            return;
        }
        let size = terminal::size();
        let mut fitting: Vec<String> = lines.iter().map(|line| fit(line, size.columns)).collect();
        fitting.truncate(size.rows.max(1));
        let text = redraw(&self.lines, &fitting, size == self.size);
        if !text.is_empty() {
            put(&text);
        }
        SHOWN.store(!fitting.is_empty(), Ordering::Relaxed);
        self.lines = fitting;
        self.size = size;
    }

    /// Takes it off the screen, for good or for a moment.
    pub(super) fn clear(&mut self) {
        if !self.lines.is_empty() {
            self.lines.clear();
            SHOWN.store(false, Ordering::Relaxed);
            put(ERASE);
        }
    }

    /// The cursor is so many lines further down than it was left: the terminal has shown that Enter was pressed.
    pub(super) fn moved_down(&mut self, lines: usize) {
        if lines > 0 && !self.lines.is_empty() {
            self.lines.clear();
            SHOWN.store(false, Ordering::Relaxed);
            put(&format!("\x1b[{lines}A{ERASE}"));
        }
    }
}

/// Should this program panic, its message comes on a clean line.
pub(super) fn clear_before_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if SHOWN.swap(false, Ordering::Relaxed) {
                put(ERASE);
            }
            before(panic);
        }));
    });
}

fn put(text: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = super::streams::persist(&mut std::io::stderr(), text.as_bytes());
    let _ = std::io::stderr().flush();
}

/// What takes the screen from `old` to `new`, the cursor at the start of the first line before and after; `same_size`:
/// the lines that are there are where they were put.
fn redraw(old: &[String], new: &[String], same_size: bool) -> String {
    if new.is_empty() {
        return if old.is_empty() {
            String::new()
        } else {
            ERASE.to_owned()
        };
    }
    let last = if same_size && old.len() >= new.len() {
        // Only as far down as something has changed.
        let changed = |at: &usize| old.get(*at) != new.get(*at);
        match (0..old.len()).rev().find(changed) {
            None => return String::new(),
            Some(at) => at.min(new.len() - 1),
        }
    } else {
        new.len() - 1
    };
    let mut text = String::from(BEGIN);
    text.push('\r');
    for (at, line) in new.iter().enumerate().take(last + 1) {
        if at > 0 {
            text.push_str("\r\n");
        }
        if !same_size || old.get(at) != Some(line) {
            text.push_str(line);
            text.push_str(ERASE_LINE);
        }
    }
    if !same_size || old.len() > new.len() {
        text.push_str("\x1b[J");
    }
    if last > 0 {
        text.push_str(&format!("\x1b[{last}A"));
    }
    text.push('\r');
    text.push_str(END);
    text
}

/// As much of a line as fits into these columns, less one: a cursor behind the last column is in different places on
/// different terminals. What could move the cursor or turn the line's direction is shown as an escape.
fn fit(line: &str, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    let mut text = String::new();
    let mut used = 0;
    // Where to cut if the rest turns out not to fit.
    let mut cut = 0;
    let mut push = |piece: &str, width: usize, text: &mut String| {
        used += width;
        if used > room {
            return false;
        }
        text.push_str(piece);
        if used + 2 <= room {
            cut = text.len();
        }
        true
    };
    let mut utf8 = [0; 4];
    let fits = line.chars().all(|c| match c {
        // Asks for the wide form of the character before it.
        '\u{fe0f}' => push(c.encode_utf8(&mut utf8), 1, &mut text),
        '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{61c}'
        | '\u{2028}'
        | '\u{2029}' => {
            let escaped = c.escape_unicode().to_string();
            push(&escaped, escaped.len(), &mut text)
        }
        c => match c.width() {
            Some(width) => push(c.encode_utf8(&mut utf8), width, &mut text),
            None => {
                let escaped = c.escape_default().to_string();
                push(&escaped, escaped.len(), &mut text)
            }
        },
    });
    if !fits {
        text.truncate(cut);
        if room > 2 {
            text.push_str("..");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_the_width_that_it_has_on_the_screen() {
        for (line, columns, expected) in [
            ("12345678", 9, "12345678"),
            ("123456789", 9, "123456.."),
            ("漢字漢字", 9, "漢字漢字"),
            ("漢字漢字漢", 9, "漢字漢.."),
            ("e\u{301}e\u{301}e\u{301}", 4, "e\u{301}e\u{301}e\u{301}"),
            ("abc", 3, ""),
            ("abc", 1, ""),
            ("a", 2, "a"),
            ("a\tb\x1b[2Jc", 40, "a\\tb\\u{1b}[2Jc"),
            ("\u{202e}x", 40, "\\u{202e}x"),
            ("", 0, ""),
        ] {
            assert_eq!(fit(line, columns), expected, "{line:?} in {columns} columns");
        }
    }

    #[test]
    fn only_what_has_changed_is_sent() {
        let lines = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
        let old = lines(&["a long line at the top", "one", "two"]);
        assert_eq!(redraw(&old, &old, true), "");
        let new = lines(&["a long line at the top", "ONE", "two"]);
        let text = redraw(&old, &new, true);
        assert!(
            text.contains("ONE") && !text.contains("top") && !text.contains("two"),
            "{text:?}"
        );
        assert!(
            redraw(&old, &new, false).contains("two"),
            "a resized screen is drawn anew"
        );
        assert!(
            redraw(&old, &lines(&["x"]), true).contains("\x1b[J"),
            "what is left over is erased"
        );
        assert_eq!(redraw(&old, &[], true), ERASE);
        assert_eq!(redraw(&[], &[], true), "");
    }
}
