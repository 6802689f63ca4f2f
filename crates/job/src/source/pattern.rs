//! One component of a glob pattern against one file name.
//!
//! Names are bytes that are usually UTF-8: `?` and `[..]` take a whole character where there is one, and a
//! single byte where there is none. That, and names that are no text at all, is why this is not left to a regular
//! expression over bytes.

/// A component of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// `*`
    Any,
    /// `?`
    One,
    /// `[a-z]`, `[!a-z]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Exactly(char),
}

impl Pattern {
    /// Reads a component. The error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            let token = match c {
                '*' => Token::Any,
                '?' => Token::One,
                '[' => class(&mut rest)?,
                '\\' => Token::Exactly(rest.next().ok_or("it ends with a single `\\`")?),
                c => Token::Exactly(c),
            };
            // More stars in a row match nothing more, and would cost time.
            if token != Token::Any || tokens.last() != Some(&Token::Any) {
                tokens.push(token);
            }
        }
        Ok(Pattern(tokens))
    }

    /// The only name that it matches, if it is only one.
    pub(super) fn as_literal(&self) -> Option<String> {
        self.0
            .iter()
            .map(|token| match token {
                Token::Exactly(c) => Some(*c),
                Token::Any | Token::One | Token::Class { .. } => None,
            })
            .collect()
    }

    /// Whether a name matches. One that begins with a dot does so only if the pattern does.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        if name.first() == Some(&b'.') && self.0.first() != Some(&Token::Exactly('.')) {
            return false;
        }
        let (mut token, mut at) = (0, 0);
        // Where to go on if the last `*` takes one character more: only the last one can matter.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let (c, len) = first(&name[at..]);
            let fits = match self.0.get(token) {
                None => len == 0,
                Some(Token::Any) => {
                    retry = Some((token + 1, at));
                    token += 1;
                    continue;
                }
                Some(Token::One) => len > 0,
                Some(Token::Class { negated, ranges }) => {
                    let within =
                        c.is_some_and(|c| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)));
                    len > 0 && within != *negated
                }
                Some(Token::Exactly(wanted)) => c == Some(*wanted),
            };
            match (fits, retry) {
                (true, _) if token == self.0.len() => return true,
                (true, _) => {
                    token += 1;
                    at += len;
                }
                (false, Some((after, from))) if from < name.len() => {
                    let from = from + first(&name[from..]).1;
                    retry = Some((after, from));
                    (token, at) = (after, from);
                }
                (false, _) => return false,
            }
        }
    }
}

/// After the `[`.
fn class(rest: &mut std::str::Chars<'_>) -> Result<Token, String> {
    const OPEN: &str = "a `[` is not closed (write `\\[` for the character)";
    let mut negated = false;
    if rest.as_str().starts_with(['!', '^']) {
        rest.next();
        negated = true;
    }
    let mut ranges = Vec::new();
    loop {
        let from = match rest.next().ok_or(OPEN)? {
            // The first may be the bracket itself.
            ']' if !ranges.is_empty() => return Ok(Token::Class { negated, ranges }),
            '\\' => rest.next().ok_or(OPEN)?,
            c => c,
        };
        let mut ahead = rest.clone();
        let to = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) if to != ']' => {
                *rest = ahead;
                if to == '\\' { rest.next().ok_or(OPEN)? } else { to }
            }
            _ => from,
        };
        if from > to {
            return Err(format!("the range `{from}-{to}` is the wrong way round"));
        }
        ranges.push((from, to));
    }
}

/// The character at the beginning and its length; a byte that begins none has a length all the same.
fn first(name: &[u8]) -> (Option<char>, usize) {
    let head = &name[..name.len().min(4)];
    match head.utf8_chunks().next() {
        None => (None, 0),
        Some(chunk) => match chunk.valid().chars().next() {
            Some(c) => (Some(c), c.len_utf8()),
            None => (None, 1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: impl AsRef<[u8]>) -> bool {
        Pattern::parse(pattern).expect("a pattern").matches(name.as_ref())
    }

    #[test]
    fn stars_take_any_characters_and_question_marks_one() {
        for (pattern, name) in [
            ("*", "a"),
            ("*.txt", "a.b.txt"),
            ("a*b*c", "aXbYbZc"),
            ("?", "é"),
            ("a?c", "aéc"),
            ("*a*a*a", "aaaa"),
            ("**", "x"),
            ("\\*", "*"),
            ("a\\?", "a?"),
            ("{a,b}", "{a,b}"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.txt", "a.txt.gz"),
            ("?", ""),
            ("?", "ab"),
            ("a*b", "ac"),
            ("\\*", "x"),
            ("a", "aa"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn classes_take_one_of_their_characters() {
        assert!(matches("[a-c]x", "bx"));
        assert!(!matches("[a-c]x", "dx"));
        assert!(matches("[!a-c]", "d"));
        assert!(matches("[^a]", "é"));
        assert!(!matches("[!é]", "é"));
        assert!(matches("[]]", "]"));
        assert!(matches("[a-]", "-"));
        assert!(matches("[\\]]", "]"));
        assert!(!matches("[!a]", ""));
    }

    #[test]
    fn names_that_are_no_text_match_byte_by_byte() {
        assert!(matches("?", b"\xff"));
        assert!(!matches("?", b"\xff\xfe"));
        assert!(matches("*.txt", b"\xff\xfe.txt"));
        assert!(matches("[!a]", b"\xff"));
        assert!(!matches("[a-z]", b"\xff"));
        assert!(matches("a\\\n*", "a\nb"));
    }

    #[test]
    fn a_dot_at_the_beginning_has_to_be_written() {
        assert!(!matches("*", ".hidden"));
        assert!(!matches("?hidden", ".hidden"));
        assert!(!matches("[.]hidden", ".hidden"));
        assert!(matches(".*", ".hidden"));
        assert!(matches("a*", "a.b"));
    }

    #[test]
    fn a_pattern_of_many_stars_is_quick() {
        let pattern = "*a".repeat(200);
        assert!(!matches(&pattern, "a".repeat(199)));
        assert!(matches(&pattern, "a".repeat(200)));
        assert!(!matches(&(pattern + "b"), "a".repeat(5000)));
    }

    #[test]
    fn what_is_no_pattern_is_told_why() {
        for (pattern, why) in [
            ("[a", "not closed"),
            ("[", "not closed"),
            ("a\\", "`\\`"),
            ("[z-a]", "`z-a`"),
        ] {
            let error = Pattern::parse(pattern).expect_err(pattern);
            assert!(error.contains(why), "{pattern}: {error}");
        }
    }
}
