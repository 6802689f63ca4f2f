//! Answers to items of a batch that count already and are not in the ring yet.
//!
//! The worker alone writes here, and the supervisor reads once the worker has ended. So while a worker answers one short
//! item after the other nobody fetches these bytes from its CPU, and no lock is taken; the answers go into the ring many
//! at a time.
//!
//! Race: a worker may end when it has put its notes into the ring and not forgotten them. So they say which item is the
//! first of them, and the supervisor passes over those that it has had from the ring.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::cells::Cells;
use crate::segment::{NOTES, Segment};

/// What tells of the notes, as it lies in the segment.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Words {
    task: AtomicU64,
    first: AtomicU32,
    len: AtomicU32,
}

/// The worker's side.
#[derive(Debug)]
pub struct Notes {
    segment: Arc<Segment>,
    /// The same bytes: from the segment nothing is believed.
    bytes: Vec<u8>,
    first: u32,
    count: u32,
}

/// What a worker has left behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// The batch that it answered, as it says.
    pub task: u64,
    /// Which of the items that it was sent is the first that is answered here.
    pub first: u32,
    /// Their answers.
    pub bytes: Vec<u8>,
}

impl Notes {
    /// Those of the worker with these cells.
    #[must_use]
    pub fn new(cells: &Cells) -> Notes {
        Notes {
            segment: Arc::clone(cells.segment()),
            bytes: Vec::with_capacity(NOTES),
            first: 0,
            count: 0,
        }
    }

    fn words(&self) -> &Words {
        &self.segment.head().notes
    }

    /// Another batch; nothing is noted.
    pub fn begin(&mut self, task: u64) {
        self.words().len.store(0, Ordering::Release);
        self.words().task.store(task, Ordering::Release);
        self.go_on_at(0);
    }

    fn go_on_at(&mut self, first: u32) {
        self.bytes.clear();
        (self.first, self.count) = (first, 0);
        self.words().len.store(0, Ordering::Release);
        self.words().first.store(first, Ordering::Release);
    }

    /// Notes the next item's answer: from now on it counts. False: there is no room.
    #[inline]
    #[must_use]
    pub fn add(&mut self, answer: &[u8]) -> bool {
        let at = self.bytes.len();
        if answer.len() > NOTES - at {
            return false;
        }
        self.segment.copy_note_in(at, answer);
        self.bytes.extend_from_slice(answer);
        self.count += 1;
        self.words().len.store(self.bytes.len() as u32, Ordering::Release);
        true
    }

    /// What is noted, to be put into the ring.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// It is there now.
    pub fn forget(&mut self) {
        self.go_on_at(self.first + self.count);
    }

    /// The next item's answer went its own way; nothing is noted.
    pub fn pass(&mut self) {
        self.go_on_at(self.first + 1);
    }
}

impl Left {
    pub(crate) fn of(segment: &Segment) -> Left {
        let words = &segment.head().notes;
        let len = words.len.load(Ordering::Acquire) as usize;
        let mut bytes = vec![0; len.min(NOTES)];
        segment.copy_notes_out(&mut bytes);
        Left {
            task: words.task.load(Ordering::Acquire),
            first: words.first.load(Ordering::Acquire),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Words {
        /// Where the words lie: task, first, length.
        pub(crate) fn offsets() -> [usize; 3] {
            [
                std::mem::offset_of!(Words, task),
                std::mem::offset_of!(Words, first),
                std::mem::offset_of!(Words, len),
            ]
        }
    }

    fn sides() -> (Notes, Cells) {
        let (ours, memfd) = Segment::create().unwrap();
        let theirs = Cells::new(Segment::open(&memfd).unwrap());
        (Notes::new(&theirs), Cells::new(ours))
    }

    #[test]
    fn what_is_noted_is_left_behind_until_it_is_forgotten() {
        let (mut notes, supervisor) = sides();
        notes.begin(7);
        assert!(notes.add(b"one"));
        assert!(notes.add(b"two"));
        let left = |first, bytes: &[u8]| Left {
            task: 7,
            first,
            bytes: bytes.to_vec(),
        };
        assert_eq!(
            (notes.bytes(), supervisor.left()),
            (&b"onetwo"[..], left(0, b"onetwo"))
        );
        notes.forget();
        assert_eq!(supervisor.left(), left(2, b""));
        notes.pass();
        assert!(notes.add(b"four"));
        assert_eq!(supervisor.left(), left(3, b"four"));
        notes.begin(8);
        assert_eq!((supervisor.left().task, supervisor.left().bytes.len()), (8, 0));
    }

    #[test]
    fn what_does_not_fit_leaves_no_trace() {
        let (mut notes, supervisor) = sides();
        notes.begin(1);
        while notes.add(&[9; 100]) {}
        let before = supervisor.left();
        assert!(before.bytes.len() > NOTES - 100 && before.bytes.iter().all(|&b| b == 9));
        assert!(!notes.add(&[8; 100]));
        assert_eq!(supervisor.left(), before);
    }

    #[test]
    fn a_length_that_cannot_be_is_cut() {
        let (notes, supervisor) = sides();
        notes.words().len.store(u32::MAX, Ordering::Release);
        assert_eq!(supervisor.left().bytes.len(), NOTES);
    }
}
