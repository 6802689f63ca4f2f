//! Marks in a worker's standard output and standard error, which tell where the text of a task begins and ends.
//!
//! A mark is one write, so nothing that others write lies inside it. It begins with 16 random bytes that only the two
//! sides know: no text looks like one by accident.

/// Length of a mark in bytes.
pub const MARK_LEN: usize = 16 + 1 + 8;

const BEGINS: u8 = b'<';
const ENDS: u8 = b'>';

/// What a mark says of the bytes around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// What follows is this task's.
    Begins(u64),
    /// What follows is nobody's, until the next one begins.
    Ends(u64),
}

impl Mark {
    /// Its bytes: the token, a byte that says which mark it is, the task's number in little endian.
    #[must_use]
    pub fn encode(self, token: &[u8; 16]) -> [u8; MARK_LEN] {
        let (kind, task) = match self {
            Mark::Begins(task) => (BEGINS, task),
            Mark::Ends(task) => (ENDS, task),
        };
        let mut bytes = [0; MARK_LEN];
        bytes[..16].copy_from_slice(token);
        bytes[16] = kind;
        bytes[17..].copy_from_slice(&task.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Mark> {
        let (&kind, task) = bytes.get(16..MARK_LEN)?.split_first()?;
        let task = u64::from_le_bytes(*task.first_chunk()?);
        match kind {
            BEGINS => Some(Mark::Begins(task)),
            ENDS => Some(Mark::Ends(task)),
            _ => None,
        }
    }
}

/// A part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes between two marks, or some of them.
    Text(&'a [u8]),
    /// A mark.
    Mark(Mark),
}

/// Cuts a stream at its marks, however it arrives.
///
/// ```
/// use pexec_proto::mark::{Cutter, Mark, Piece};
/// let token = [7; 16];
/// let mut cutter = Cutter::new(token);
/// let stream = [&b"a"[..], &Mark::Begins(3).encode(&token), b"b"].concat();
/// let mut seen = Vec::new();
/// cutter.feed(&stream, |piece| seen.push(format!("{piece:?}")));
/// assert_eq!(seen, ["Text([97])", "Mark(Begins(3))", "Text([98])"]);
/// ```
#[derive(Clone, Debug)]
pub struct Cutter {
    token: [u8; 16],
    /// What may be the beginning of a mark.
    held: Vec<u8>,
}

impl Cutter {
    /// A stream whose marks begin with these bytes.
    #[must_use]
    pub fn new(token: [u8; 16]) -> Cutter {
        Cutter {
            token,
            held: Vec::new(),
        }
    }

    /// The next bytes of the stream. What may be the beginning of a mark waits for more.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Piece<'_>)) {
        let joined;
        let mut left = if self.held.is_empty() {
            bytes
        } else {
            self.held.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.held);
            &joined[..]
        };
        let text = |bytes: &[u8], each: &mut dyn FnMut(Piece<'_>)| {
            if !bytes.is_empty() {
                each(Piece::Text(bytes));
            }
        };
        loop {
            let at = self.find(left);
            let (before, from) = left.split_at(at);
            if from.len() < MARK_LEN {
                text(before, &mut each);
                self.held = from.to_vec();
                return;
            }
            match Mark::decode(from) {
                Some(mark) => {
                    text(before, &mut each);
                    each(Piece::Mark(mark));
                    left = &from[MARK_LEN..];
                }
                // The token with something else behind it is no mark.
                None => {
                    text(&left[..=at], &mut each);
                    left = &left[at + 1..];
                }
            }
        }
    }

    /// The stream has ended: what was held back is text.
    #[must_use]
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Where a mark begins, or may begin; the length of `bytes` if nowhere.
    fn find(&self, bytes: &[u8]) -> usize {
        let mut from = 0;
        while let Some(at) = bytes[from..].iter().position(|&b| b == self.token[0]) {
            let here = &bytes[from + at..];
            let known = here.len().min(self.token.len());
            if here[..known] == self.token[..known] {
                return from + at;
            }
            from += at + 1;
        }
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: [u8; 16] = *b"aab aab aab aab ";

    fn cut(stream: &[u8], pieces: usize) -> (Vec<u8>, Vec<(Mark, usize)>) {
        let mut cutter = Cutter::new(TOKEN);
        let (mut text, mut marks) = (Vec::new(), Vec::new());
        for piece in stream.chunks(pieces) {
            cutter.feed(piece, |piece| match piece {
                Piece::Text(bytes) => text.extend_from_slice(bytes),
                Piece::Mark(mark) => marks.push((mark, text.len())),
            });
        }
        text.extend(cutter.rest());
        (text, marks)
    }

    #[test]
    fn a_mark_has_its_golden_bytes() {
        let bytes = Mark::Begins(0x0102).encode(&[0xee; 16]);
        let golden = [&[0xee; 16][..], b"<", &[2, 1, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(bytes[..], golden[..]);
        assert_eq!(Mark::Ends(1).encode(&[0; 16])[16], b'>');
    }

    #[test]
    fn marks_are_found_however_the_stream_is_cut() {
        let mut stream = b"before aab a".to_vec();
        stream.extend(Mark::Begins(1).encode(&TOKEN));
        stream.extend(b"of the task aab aab aab aab ");
        stream.extend(b"aab aab aab aab ?not a mark");
        stream.extend(Mark::Ends(1).encode(&TOKEN));
        stream.extend(Mark::Begins(u64::MAX).encode(&TOKEN));
        stream.extend(b"aab aab aab aab");
        let whole = cut(&stream, stream.len());
        assert_eq!(whole.1.len(), 3);
        assert_eq!(whole.1[0], (Mark::Begins(1), 12));
        assert_eq!(whole.1[2].0, Mark::Begins(u64::MAX));
        assert!(whole.0.ends_with(b"?not a markaab aab aab aab"));
        for pieces in 1..40 {
            assert_eq!(cut(&stream, pieces), whole, "in pieces of {pieces}");
        }
    }
}
