//! Bytes that a task wrote, as plain text: what would control a terminal is gone, and what is left is valid in every
//! format that this crate writes.

/// UTF-8 as it is, anything else as replacement characters. Escape sequences of terminals are taken out, a carriage
/// return begins a line, and other control characters become visible.
pub fn text(bytes: &[u8]) -> String {
    let lossy = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(lossy.len());
    let mut chars = lossy.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\x1b' => escape(&mut chars),
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

/// One line of it: a label, a reason.
pub fn line(bytes: &[u8]) -> String {
    text(bytes).replace(['\n', '\t'], " ")
}

/// Skips an escape sequence whose first character is behind us.
fn escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        // Parameters, then one final letter.
        Some('[') => {
            chars.next();
            while let Some(c) = chars.next_if(|c| (' '..='\x7e').contains(c)) {
                if ('@'..='~').contains(&c) {
                    return;
                }
            }
        }
        // A command to the terminal, such as a title; ended by BEL or by `ESC \`. Without an end it is no command, and
        // what follows is not to be lost: at most a line is.
        Some(']') => {
            while let Some(c) = chars.next_if(|c| *c != '\n') {
                match c {
                    '\x07' => return,
                    '\x1b' => {
                        chars.next_if_eq(&'\\');
                        return;
                    }
                    _ => {}
                }
            }
        }
        Some(c) if ('@'..='_').contains(c) => {
            chars.next();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_titles_and_progress_bars_leave_their_text() {
        assert_eq!(text(b"\x1b[1;31mred\x1b[0m plain\n"), "red plain\n");
        assert_eq!(text(b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b"), "ab");
        assert_eq!(text(b"10%\r20%\r\ndone"), "10%\n20%\ndone");
        assert_eq!(text(b"\x1b"), "");
        assert_eq!(text(b"\x1b[38"), "");
    }

    #[test]
    fn what_no_xml_may_hold_is_replaced() {
        assert_eq!(
            text(b"a\0b\x08c\xffd\x7f"),
            "a\u{2400}b\u{2408}c\u{fffd}d\u{2421}"
        );
        assert_eq!(text("\u{ffff}\u{85}".as_bytes()), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_label_is_one_line() {
        assert_eq!(line(b"a\nb\tc"), "a b c");
    }
}
