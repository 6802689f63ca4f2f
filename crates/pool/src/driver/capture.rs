//! What tasks write to one of a worker's streams, cut at the worker's marks, until the tasks' answers are here.
//!
//! Always true: a mark that the worker has written before an answer is read before that answer is used, because
//! whoever uses it reads the stream until the mark is there. So the text is exactly what was written between the two.

use std::collections::VecDeque;

use pexec_proto::mark::{Cutter, Mark, Piece};

/// A stream whose marks are known.
pub(super) struct Capture {
    cutter: Cutter,
    /// How much of a task's text is kept.
    most: usize,
    /// The task that writes.
    current: Option<(u64, Kept)>,
    /// Those that have written, and whose answers have not been read.
    ended: VecDeque<(u64, Kept)>,
}

impl Capture {
    pub(super) fn new(token: [u8; 16], most: usize) -> Capture {
        Capture {
            cutter: Cutter::new(token),
            most,
            current: None,
            ended: VecDeque::new(),
        }
    }

    /// The next bytes. `all` gets those that are no mark, `nobodys` those among them that were written outside of
    /// tasks.
    pub(super) fn feed(&mut self, bytes: &[u8], all: &mut Vec<u8>, nobodys: &mut Vec<u8>) {
        let Capture {
            cutter,
            most,
            current,
            ended,
        } = self;
        cutter.feed(bytes, |piece| match piece {
            Piece::Text(text) => {
                all.extend_from_slice(text);
                match current {
                    Some((_, kept)) => kept.push(text, *most),
                    None => nobodys.extend_from_slice(text),
                }
            }
            Piece::Mark(Mark::Begins(task)) => *current = Some((task, Kept::default())),
            Piece::Mark(Mark::Ends(_)) => ended.extend(current.take()),
        });
    }

    /// The text of a task that has ended, if its mark is here.
    pub(super) fn take(&mut self, task: u64) -> Option<Vec<u8>> {
        let at = self.ended.iter().position(|(id, _)| *id == task)?;
        // Those before it have no answer: their worker broke the protocol, or nobody wants to know.
        let (_, kept) = self.ended.drain(..=at).next_back()?;
        Some(kept.into_bytes())
    }

    /// The stream is at its end: what looked like the beginning of a mark is text like any other.
    pub(super) fn finish(&mut self, all: &mut Vec<u8>, nobodys: &mut Vec<u8>) {
        let rest = self.cutter.rest();
        match &mut self.current {
            Some((_, kept)) => kept.push(&rest, self.most),
            None => nobodys.extend_from_slice(&rest),
        }
        all.extend(rest);
    }

    /// What the task has written in which the worker has ended.
    pub(super) fn take_unfinished(&mut self, task: u64) -> Vec<u8> {
        match self.current.take() {
            Some((id, kept)) if id == task => kept.into_bytes(),
            Some(_) | None => self.take(task).unwrap_or_default(),
        }
    }
}

/// The first half and the last half of what may be kept.
#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Kept {
    fn push(&mut self, mut bytes: &[u8], most: usize) {
        let room = (most / 2).saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        bytes = &bytes[room..];
        let keeps = most - most / 2;
        self.tail.extend(bytes);
        let over = self.tail.len().saturating_sub(keeps);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }

    fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head;
        if self.left_out > 0 {
            bytes.extend(format!("\n[pexec: {} bytes left out]\n", self.left_out).into_bytes());
        }
        bytes.extend(self.tail);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: [u8; 16] = [1; 16];

    fn feed(capture: &mut Capture, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut all, mut nobodys) = (Vec::new(), Vec::new());
        capture.feed(bytes, &mut all, &mut nobodys);
        (all, nobodys)
    }

    #[test]
    fn each_task_has_its_own_text_and_nobody_that_between_them() {
        let mut capture = Capture::new(TOKEN, 1000);
        let mut stream = b"start".to_vec();
        for (task, text) in [(1, "one"), (2, ""), (3, "three")] {
            stream.extend(Mark::Begins(task).encode(&TOKEN));
            stream.extend(text.as_bytes());
            stream.extend(Mark::Ends(task).encode(&TOKEN));
            stream.extend(b".");
        }
        let (all, nobodys) = feed(&mut capture, &stream);
        assert_eq!(
            (&all[..], &nobodys[..]),
            (&b"startone..three."[..], &b"start..."[..])
        );
        assert_eq!(capture.take(1).unwrap(), b"one");
        assert_eq!(capture.take(3).unwrap(), b"three");
        assert_eq!(capture.take(2), None, "it was passed over");
    }

    #[test]
    fn what_was_written_before_a_crash_is_there() {
        let mut capture = Capture::new(TOKEN, 1000);
        feed(&mut capture, &Mark::Begins(7).encode(&TOKEN));
        feed(&mut capture, b"last words");
        let (all, _) = feed(&mut capture, &TOKEN[..3]);
        assert_eq!(all, b"", "it may be a mark");
        let (mut all, mut nobodys) = (Vec::new(), Vec::new());
        capture.finish(&mut all, &mut nobodys);
        assert_eq!((&all[..], &nobodys[..]), (&TOKEN[..3], &b""[..]));
        assert_eq!(
            capture.take_unfinished(7),
            [&b"last words"[..], &TOKEN[..3]].concat()
        );
        let mut capture = Capture::new(TOKEN, 1000);
        feed(&mut capture, &Mark::Begins(7).encode(&TOKEN));
        assert_eq!(capture.take_unfinished(8), b"", "another task's");
    }

    #[test]
    fn of_much_text_the_beginning_and_the_end_are_kept() {
        let mut capture = Capture::new(TOKEN, 10);
        feed(&mut capture, &Mark::Begins(1).encode(&TOKEN));
        for n in 0..100u8 {
            feed(&mut capture, &[b'0' + n % 10]);
        }
        feed(&mut capture, &Mark::Ends(1).encode(&TOKEN));
        let text = String::from_utf8(capture.take(1).unwrap()).unwrap();
        assert_eq!(text, "01234\n[pexec: 90 bytes left out]\n56789");
    }
}
