//! Finds values in bytes: the first of them from the left, and of those that begin at one place the longest. What comes
//! in pieces is cut in the same way wherever one piece ends and the next begins.

use std::sync::Arc;

use memchr::memmem::Finder;

use super::MARK;

/// What is looked for; at least one, none empty.
pub(super) struct Values(Vec<Finder<'static>>);

impl Values {
    pub(super) fn new(mut values: Vec<Vec<u8>>) -> Values {
        values.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Values(
            values
                .iter()
                .map(|value| Finder::new(value).into_owned())
                .collect(),
        )
    }

    pub(super) fn longest(&self) -> usize {
        self.0.first().map_or(1, |value| value.needle().len())
    }

    /// Writes `bytes` to `out` from `from` on, up to `to`, with a mark for each value that begins before `to`. True: there
    /// was one. It may reach over `to`; what is written then ends with it.
    pub(super) fn cut(&self, bytes: &[u8], from: usize, to: usize, out: &mut Vec<u8>) -> bool {
        let (found, _) = self.cut_to(bytes, from, to, out);
        found
    }

    /// The same, and where the rest begins.
    fn cut_to(&self, bytes: &[u8], from: usize, to: usize, out: &mut Vec<u8>) -> (bool, usize) {
        // Where each begins next, as far as that is known.
        let mut next: Vec<Option<usize>> = vec![Some(0); self.0.len()];
        let mut known = vec![false; self.0.len()];
        let (mut at, mut written, mut found) = (0, from, false);
        loop {
            let mut first: Option<(usize, usize)> = None;
            for (n, value) in self.0.iter().enumerate() {
                if !known[n] || next[n].is_some_and(|place| place < at) {
                    next[n] = value.find(&bytes[at..]).map(|place| at + place);
                    known[n] = true;
                }
                if let Some(place) = next[n]
                    && place < to
                    && first.is_none_or(|(earliest, _)| place < earliest)
                {
                    first = Some((place, value.needle().len()));
                }
            }
            let Some((place, len)) = first else {
                break;
            };
            at = place + len;
            if at > from {
                out.extend_from_slice(&bytes[written..place.max(written)]);
                out.extend_from_slice(MARK.as_bytes());
                written = at;
                found = true;
            }
        }
        let end = to.max(written);
        out.extend_from_slice(&bytes[written..end]);
        (found, end)
    }
}

/// Hides secrets in a stream.
pub struct Hider {
    values: Option<Arc<Values>>,
    /// What may be the beginning of a value.
    held: Vec<u8>,
}

impl Hider {
    pub(super) fn new(values: Option<Arc<Values>>) -> Hider {
        Hider {
            values,
            held: Vec::new(),
        }
    }

    /// Takes the next piece and adds to `out` what can be told by now.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(values) = &self.values else {
            out.extend_from_slice(bytes);
            return;
        };
        self.held.extend_from_slice(bytes);
        let sure = (self.held.len() + 1).saturating_sub(values.longest());
        let (_, end) = values.cut_to(&self.held, 0, sure, out);
        self.held.drain(..end);
    }

    /// That was all: adds the rest.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(values) = &self.values {
            values.cut(&self.held, 0, self.held.len(), out);
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Secrets;

    fn secrets(values: &[&str]) -> Secrets {
        Secrets::new(values.iter().map(|value| value.as_bytes().to_vec()))
    }

    fn hidden(values: &[&str], text: &str) -> String {
        String::from_utf8(secrets(values).hide(text.as_bytes()).into_owned()).expect("text")
    }

    #[test]
    fn the_first_from_the_left_and_the_longest_of_a_place_is_hidden() {
        assert_eq!(hidden(&["abc"], "xabcabcy"), "x******y");
        assert_eq!(hidden(&["ab", "abcd"], "ab abcd abc"), "*** *** ***c");
        assert_eq!(hidden(&["abc", "bcd"], "abcd"), "***d");
        assert_eq!(hidden(&["aa"], "aaaaa"), "******a");
        assert_eq!(hidden(&[], "abc"), "abc");
        assert_eq!(hidden(&["", " \n"], "a b \n"), "a b \n");
    }

    #[test]
    fn a_key_of_several_lines_is_hidden_line_by_line_and_escaped() {
        let key = "-----BEGIN\nMIIEvAIBADAN\nabc\n-----END--\n";
        assert_eq!(hidden(&[key], &format!("<{key}>")), "<***>");
        assert_eq!(hidden(&[key], "1: MIIEvAIBADAN"), "1: ***");
        assert_eq!(hidden(&[key], "abc"), "abc");
        assert_eq!(
            hidden(&["two\nlines"], r"not found: two\nlines"),
            "not found: ***"
        );
    }

    #[test]
    fn what_is_before_may_hold_the_beginning_of_a_value() {
        let secrets = secrets(&["secret"]);
        assert_eq!(secrets.hide_from(b"a secret b", 5).as_ref(), b"*** b");
        assert_eq!(secrets.hide_from(b"secret b", 6).as_ref(), b" b");
        assert_eq!(secrets.hide_from(b"secret secret", 6).as_ref(), b" ***");
    }

    #[test]
    fn a_stream_is_cut_in_the_same_way_wherever_its_pieces_end() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for _ in 0..2000 {
            let mut word = |least: usize, most: usize| -> Vec<u8> {
                let len = least + random(most - least + 1);
                (0..len).map(|_| b'a' + random(2) as u8).collect()
            };
            let secrets = Secrets::new([word(1, 4), word(1, 6)]);
            let text = word(0, 40);
            let whole = secrets.hide(&text).into_owned();
            let mut hider = secrets.hider();
            let (mut out, mut at) = (Vec::new(), 0);
            while at < text.len() {
                let end = (at + 1 + random(7)).min(text.len());
                hider.push(&text[at..end], &mut out);
                at = end;
            }
            hider.finish(&mut out);
            assert_eq!(out, whole, "{:?}", String::from_utf8_lossy(&text));
        }
    }
}
