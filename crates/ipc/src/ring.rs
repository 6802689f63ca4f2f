//! A stream of bytes through shared memory, one ring for each direction, one writer and one reader each.
//!
//! Positions only grow; a position's place is its remainder by the capacity. The writer owns `tail`, the reader
//! owns `head`; each keeps its own mark in private memory and takes nothing from the segment but the other's mark,
//! which it checks: a mark that cannot be is an error of the other side, never an access out of bounds.
//!
//! Race: a reader that finds nothing and goes to sleep, while the writer publishes and looks whether the reader
//! sleeps. Both store first (`waits` the one, `tail` the other), put a fence with sequential consistency behind the
//! store and load then, so at least one of them sees the other. The same holds for a writer that waits for room.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use rustix::thread::futex::{self, Timespec};

use crate::segment::Segment;

/// How many bytes a ring holds.
pub const CAPACITY: usize = 256 << 10;

/// How much of a long message one side handles before the other may go on with it.
const PIECE: usize = CAPACITY / 4;

/// Which of the two rings of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the supervisor to the worker.
    Calls,
    /// From the worker to the supervisor.
    Answers,
}

/// A word that shares no cache line with another, nor the pair of lines that some processors fetch together.
#[derive(Debug)]
#[repr(C, align(128))]
struct Alone<T>(T);

/// The words of one ring.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Marks {
    tail: Alone<AtomicU64>,
    head: Alone<AtomicU64>,
    /// The reader wants to be woken when there is something to read.
    reader_waits: Alone<AtomicU32>,
    /// The writer wants to be woken when there is room.
    writer_waits: Alone<AtomicU32>,
}

fn marks(segment: &Segment, direction: Direction) -> &Marks {
    match direction {
        Direction::Calls => &segment.head().calls,
        Direction::Answers => &segment.head().answers,
    }
}

fn impossible(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the other side of the ring says that {what}"),
    )
}

/// A word on which one side sleeps or asks to be told.
struct Waits<'a>(&'a AtomicU32);

impl Waits<'_> {
    /// From now on the other side is to wake this one. Look once more for what is waited for after this.
    fn announce(&self) {
        self.0.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    fn withdraw(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Sleeps until the other side has taken the announcement away, or for no reason.
    fn sleep(&self, at_most: Option<Duration>) {
        let at_most = at_most.and_then(|time| Timespec::try_from(time).ok());
        // Interrupted, late, or taken away already: whoever sleeps looks again in each case.
        let _ = futex::wait(self.0, futex::Flags::empty(), 1, at_most.as_ref());
    }

    /// After a store that the other side may wait for: whether it wants to be woken; that is this caller's to do then.
    #[inline]
    fn taken(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) != 0 && self.0.swap(0, Ordering::Relaxed) != 0
    }

    fn wake(&self) {
        let _ = futex::wake(self.0, futex::Flags::empty(), 1);
    }
}

/// The writing end.
#[derive(Debug)]
pub struct Writer {
    segment: Arc<Segment>,
    direction: Direction,
    tail: u64,
    /// The reader's mark as last seen.
    head: u64,
}

impl Writer {
    /// The writing end of a ring that nobody has written to.
    #[must_use]
    pub fn new(segment: Arc<Segment>, direction: Direction) -> Writer {
        Writer {
            segment,
            direction,
            tail: 0,
            head: 0,
        }
    }

    fn marks(&self) -> &Marks {
        marks(&self.segment, self.direction)
    }

    fn room(&self) -> usize {
        CAPACITY - (self.tail - self.head) as usize
    }

    fn look(&mut self) -> io::Result<()> {
        let head = self.marks().head.0.load(Ordering::Acquire);
        if head < self.head || head > self.tail {
            return Err(impossible("it has read what was not written"));
        }
        self.head = head;
        Ok(())
    }

    /// Writes as much as there is room for, of a long message only a piece; the reader sees it after the next
    /// [`publish`](Writer::publish).
    ///
    /// # Errors
    ///
    /// `InvalidData` when the reader's mark cannot be.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room() < bytes.len() {
            self.look()?;
        }
        let n = self.room().min(bytes.len()).min(PIECE);
        self.segment.copy_in(self.direction, self.tail, &bytes[..n]);
        self.tail += n as u64;
        Ok(n)
    }

    /// Shows the reader what was written. True: the reader wants to be woken.
    #[inline]
    #[must_use]
    pub fn publish(&mut self) -> bool {
        let marks = self.marks();
        marks.tail.0.store(self.tail, Ordering::Release);
        Waits(&marks.reader_waits.0).taken()
    }

    /// Lets a reader that looks see what was written, and leaves one that sleeps asleep: [`publish`](Writer::publish)
    /// is to follow.
    #[inline]
    pub fn show(&mut self) {
        self.marks().tail.0.store(self.tail, Ordering::Release);
    }

    /// Wakes a reader that sleeps in [`Reader::sleep`].
    pub fn wake_reader(&self) {
        Waits(&self.marks().reader_waits.0).wake();
    }

    /// Asks to be told about room. True: there is some by now.
    ///
    /// # Errors
    ///
    /// As [`write`](Writer::write).
    pub fn ask_for_room(&mut self) -> io::Result<bool> {
        Waits(&self.marks().writer_waits.0).announce();
        self.look()?;
        Ok(self.room() > 0)
    }

    /// Whether something was read since this end looked last, or something is wrong that a write will tell.
    #[inline]
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.marks().head.0.load(Ordering::Acquire) != self.head
    }

    /// Whether there is room by now.
    ///
    /// # Errors
    ///
    /// As [`write`](Writer::write).
    pub fn has_room(&mut self) -> io::Result<bool> {
        self.look()?;
        Ok(self.room() > 0)
    }

    /// Sleeps until there is room, or for no reason.
    ///
    /// # Errors
    ///
    /// As [`write`](Writer::write).
    pub fn sleep(&mut self) -> io::Result<()> {
        if !self.ask_for_room()? {
            Waits(&self.marks().writer_waits.0).sleep(None);
        }
        Waits(&self.marks().writer_waits.0).withdraw();
        Ok(())
    }
}

/// The reading end.
#[derive(Debug)]
pub struct Reader {
    segment: Arc<Segment>,
    direction: Direction,
    head: u64,
}

impl Reader {
    /// The reading end of a ring that nobody has read from.
    #[must_use]
    pub fn new(segment: Arc<Segment>, direction: Direction) -> Reader {
        Reader {
            segment,
            direction,
            head: 0,
        }
    }

    fn marks(&self) -> &Marks {
        marks(&self.segment, self.direction)
    }

    /// How many bytes are there.
    ///
    /// # Errors
    ///
    /// `InvalidData` when the writer's mark cannot be.
    #[inline]
    pub fn available(&self) -> io::Result<usize> {
        let tail = self.marks().tail.0.load(Ordering::Acquire);
        match tail.checked_sub(self.head) {
            Some(n) if n <= CAPACITY as u64 => Ok(n as usize),
            _ => Err(impossible("it has written more than the ring holds")),
        }
    }

    /// Whether there is something to read, or something wrong that [`read`](Reader::read) will tell.
    #[inline]
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.marks().tail.0.load(Ordering::Acquire) != self.head
    }

    /// Takes as many bytes as there are and fit; 0 when there are none.
    ///
    /// # Errors
    ///
    /// As [`available`](Reader::available).
    #[inline]
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut taken = 0;
        // Piece by piece, so that a writer which has more goes on meanwhile.
        while taken < into.len() {
            let n = self.available()?.min(into.len() - taken).min(PIECE);
            if n == 0 {
                break;
            }
            self.segment
                .copy_out(self.direction, self.head, &mut into[taken..taken + n]);
            self.head += n as u64;
            self.marks().head.0.store(self.head, Ordering::Release);
            taken += n;
        }
        Ok(taken)
    }

    /// As [`read`](Reader::read), onto the end of a vector: `most` bytes at most, and no more than there is room for.
    ///
    /// # Errors
    ///
    /// As [`available`](Reader::available).
    pub fn read_onto(&mut self, onto: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        let mut taken = 0;
        while taken < most {
            let n = self.available()?.min(most - taken).min(PIECE);
            let n = self.segment.copy_out_onto(self.direction, self.head, n, onto);
            if n == 0 {
                break;
            }
            self.head += n as u64;
            self.marks().head.0.store(self.head, Ordering::Release);
            taken += n;
        }
        Ok(taken)
    }

    /// After a read: whether the writer waits for the room.
    #[inline]
    #[must_use]
    pub fn writer_waits(&self) -> bool {
        Waits(&self.marks().writer_waits.0).taken()
    }

    /// Wakes a writer that sleeps in [`Writer::sleep`].
    pub fn wake_writer(&self) {
        Waits(&self.marks().writer_waits.0).wake();
    }

    /// Asks to be told when there is something to read, or does without being told. Look again after asking.
    pub fn ask_to_be_told(&self, told: bool) {
        let waits = Waits(&self.marks().reader_waits.0);
        if told {
            waits.announce();
        } else {
            waits.withdraw();
        }
    }

    /// Sleeps until there is something to read, or so much time has passed, or for no reason.
    pub fn sleep(&self, at_most: Option<Duration>) {
        let waits = Waits(&self.marks().reader_waits.0);
        waits.announce();
        if !self.has_news() {
            waits.sleep(at_most);
        }
        waits.withdraw();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Marks {
        /// Where the words lie, for marks that lie at `at`.
        pub(crate) fn offsets(at: usize) -> [usize; 4] {
            [
                at + std::mem::offset_of!(Marks, tail),
                at + std::mem::offset_of!(Marks, head),
                at + std::mem::offset_of!(Marks, reader_waits),
                at + std::mem::offset_of!(Marks, writer_waits),
            ]
        }
    }

    fn ends() -> (Writer, Reader) {
        let (ours, memfd) = Segment::create().unwrap();
        let theirs = Segment::open(&memfd).unwrap();
        let writer = Writer::new(ours, Direction::Answers);
        (writer, Reader::new(theirs, Direction::Answers))
    }

    /// A small generator: the same bytes on both sides.
    fn next(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    #[test]
    fn nothing_is_seen_before_it_is_published() {
        let (mut writer, mut reader) = ends();
        assert_eq!(writer.write(b"abc").unwrap(), 3);
        assert!(!reader.has_news());
        assert!(!writer.publish(), "nobody waits");
        let mut bytes = [0; 8];
        assert_eq!(reader.read(&mut bytes).unwrap(), 3);
        assert_eq!(&bytes[..3], b"abc");
        assert_eq!(reader.read(&mut bytes).unwrap(), 0);
    }

    #[test]
    fn a_full_ring_takes_no_more_until_something_is_read() {
        let (mut writer, mut reader) = ends();
        let long = vec![7; CAPACITY];
        let pieces: Vec<usize> = (0..5).map(|_| writer.write(&long).unwrap()).collect();
        assert_eq!(pieces, [PIECE, PIECE, PIECE, PIECE, 0]);
        assert!(!writer.publish());
        assert_eq!(writer.write(b"x").unwrap(), 0);
        assert!(!writer.ask_for_room().unwrap());
        assert_eq!(reader.read(&mut [0; 100]).unwrap(), 100);
        assert!(reader.writer_waits());
        assert!(!reader.writer_waits(), "it is told once");
        assert_eq!(writer.write(&long).unwrap(), 100);
    }

    #[test]
    fn a_stream_arrives_whole_between_threads_that_both_sleep() {
        const TOTAL: u64 = 6 << 20;
        let (mut writer, mut reader) = ends();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut seed, mut sizes, mut sent) = (1, 2, 0);
                while sent < TOTAL {
                    let n = (next(&mut sizes) % 5000).min(TOTAL - sent);
                    let bytes: Vec<u8> = (0..n).map(|_| next(&mut seed) as u8).collect();
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        let n = writer.write(rest).unwrap();
                        if writer.publish() {
                            writer.wake_reader();
                        }
                        rest = &rest[n..];
                        if n == 0 {
                            writer.sleep().unwrap();
                        }
                    }
                    sent += n;
                }
            });
            let (mut seed, mut got, mut buffer) = (1, 0, vec![0; 3000]);
            while got < TOTAL {
                let n = reader.read(&mut buffer).unwrap();
                if n == 0 {
                    reader.sleep(None);
                    continue;
                }
                if reader.writer_waits() {
                    reader.wake_writer();
                }
                for &byte in &buffer[..n] {
                    assert_eq!(byte, next(&mut seed) as u8);
                }
                got += n as u64;
            }
        });
    }

    #[test]
    fn marks_that_cannot_be_are_errors_and_nothing_else() {
        let (ours, memfd) = Segment::create().unwrap();
        let theirs = Segment::open(&memfd).unwrap();
        let mut state = 0x9e37_79b9_7f4a_7c15;
        for round in 0..20_000u64 {
            let mut writer = Writer::new(Arc::clone(&ours), Direction::Calls);
            let mut reader = Reader::new(Arc::clone(&ours), Direction::Answers);
            let hostile = theirs.head();
            let word = match round % 4 {
                0 => next(&mut state),
                1 => next(&mut state) % (3 * CAPACITY as u64),
                2 => u64::MAX - next(&mut state) % 64,
                _ => 0,
            };
            hostile.calls.head.0.store(word, Ordering::Release);
            hostile.answers.tail.0.store(word, Ordering::Release);
            let mut bytes = vec![1; (next(&mut state) % 3000) as usize];
            let possible = word <= CAPACITY as u64;
            // A reader that wants nothing looks at nothing.
            let refused = reader.read(&mut bytes).is_err();
            assert_eq!(refused, !possible && !bytes.is_empty(), "{word}");
            let mut written = 0;
            let refused = loop {
                match writer.write(&bytes) {
                    Ok(0) if written > 0 || bytes.is_empty() => break false,
                    Ok(n) => written += n as u64,
                    Err(_) => break true,
                }
                // A reader that keeps up with the writer is believed, as far as that was written.
                if written > 2 * CAPACITY as u64 {
                    break false;
                }
            };
            assert!(
                word == 0 || bytes.is_empty() || refused || word <= written,
                "{word}"
            );
        }
        ours.head().calls.head.0.store(0, Ordering::Release);
        ours.head().answers.tail.0.store(0, Ordering::Release);
    }
}
