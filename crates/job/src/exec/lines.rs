//! Cuts a stream of bytes into whole lines, keeping at most one piece of an unfinished line.

use super::note::PIECE;

/// The unfinished line of one stream.
#[derive(Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
    /// A piece of the current line has gone out already.
    within: bool,
}

impl Lines {
    /// Takes what was read and gives out what is ready: whole lines together, over-long lines in pieces.
    pub(crate) fn push(&mut self, bytes: &[u8], mut send: impl FnMut(&[u8])) {
        let (whole, open) = match bytes.iter().rposition(|&b| b == b'\n') {
            Some(at) => bytes.split_at(at + 1),
            None => (&[][..], bytes),
        };
        if !whole.is_empty() {
            if self.rest.is_empty() {
                send(whole);
            } else {
                self.rest.extend_from_slice(whole);
                send(&self.rest);
                self.rest.clear();
            }
            self.within = false;
        }
        self.rest.extend_from_slice(open);
        while self.rest.len() >= PIECE {
            send(&self.rest[..PIECE]);
            self.rest.drain(..PIECE);
            self.within = true;
        }
    }

    /// The stream has ended: an unfinished line is completed.
    pub(crate) fn finish(&mut self, mut send: impl FnMut(&[u8])) {
        if !self.rest.is_empty() || self.within {
            self.rest.push(b'\n');
            send(&self.rest);
            self.rest.clear();
            self.within = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(reads: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut sent = Vec::new();
        for read in reads {
            lines.push(read, |l| sent.push(l.to_vec()));
        }
        lines.finish(|l| sent.push(l.to_vec()));
        sent
    }

    #[test]
    fn lines_go_out_whole_whatever_the_reads() {
        assert_eq!(cut(&[b"a\nb", b"c\n", b"\n"]), [&b"a\n"[..], b"bc\n", b"\n"]);
        assert_eq!(cut(&[b"a\nb\n"]), [&b"a\nb\n"[..]]);
        assert!(cut(&[b""]).is_empty());
    }

    #[test]
    fn the_last_line_is_completed() {
        assert_eq!(cut(&[b"a\n", b"b"]), [&b"a\n"[..], b"b\n"]);
    }

    #[test]
    fn a_line_without_end_goes_out_in_bounded_pieces() {
        let long = vec![b'x'; 3 * PIECE / 2];
        let sent = cut(&[&long, &long, b"\nz"]);
        assert!(
            sent.iter().all(|s| s.len() <= PIECE + 1),
            "{:?}",
            sent.iter().map(Vec::len).collect::<Vec<_>>()
        );
        let mut all = [long.clone(), long, b"\nz\n".to_vec()].concat();
        assert_eq!(sent.concat(), all);
        assert_eq!(cut(&[&vec![b'x'; PIECE]]).concat(), {
            all.truncate(PIECE);
            all.push(b'\n');
            all
        });
    }
}
