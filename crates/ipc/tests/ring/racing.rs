//! The same with the other side at work all the time: nobody can say what each step gives, but it is an answer within
//! bounds or a refusal, and the process lives.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pexec_ipc::ring::{CAPACITY, Direction, Reader, Writer};

use crate::memory::{Hand, Mark, Numbers};

const FOR: Duration = Duration::from_millis(700);

/// Ends the scribbler, also when the step fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Plays `step` while another thread stores marks, near the position that `step` gives, and bytes.
fn against_a_scribbler(hand: Hand, theirs: Mark, mut step: impl FnMut(&mut Numbers) -> u64) {
    let (done, near) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut numbers = Numbers::new(5);
            while !done.load(Ordering::Relaxed) {
                hand.set(theirs, numbers.mark(near.load(Ordering::Relaxed)));
                let mark = [Mark::Tail, Mark::Head, Mark::ReaderWaits, Mark::WriterWaits][numbers.below(4)];
                hand.set(mark, numbers.next());
                let (place, n) = (numbers.below(CAPACITY), numbers.below(3000));
                hand.put(place, &numbers.bytes(n));
            }
        });
        let _done = Done(&done);
        let (mut numbers, start) = (Numbers::new(11), Instant::now());
        while start.elapsed() < FOR {
            near.store(step(&mut numbers), Ordering::Relaxed);
        }
    });
}

/// Counts an answer, checks a refusal.
fn judge<T>(answer: io::Result<T>, answers: &mut u64, refusals: &mut u64) -> Option<T> {
    match answer {
        Ok(value) => {
            *answers += 1;
            Some(value)
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
            *refusals += 1;
            None
        }
    }
}

#[test]
fn a_reader_survives_a_writer_that_scribbles_all_the_time() {
    let (segment, hand) = Hand::new(Direction::Answers);
    let (mut answers, mut refusals, mut position) = (0, 0, 0);
    let mut reader = Reader::new(Arc::clone(&segment), Direction::Answers);
    against_a_scribbler(hand, Mark::Tail, |numbers| {
        if let Some(n) = judge(reader.available(), &mut answers, &mut refusals) {
            assert!(n <= CAPACITY);
        }
        let mut bytes = vec![0; numbers.below(2 * CAPACITY)];
        if let Some(n) = judge(reader.read(&mut bytes), &mut answers, &mut refusals) {
            assert!(n <= bytes.len());
            position += n as u64;
        } else {
            // Pieces before a bad mark may have been taken; from the start, then.
            reader = Reader::new(Arc::clone(&segment), Direction::Answers);
            position = 0;
        }
        reader.ask_to_be_told(numbers.below(2) == 0);
        if reader.writer_waits() {
            reader.wake_writer();
        }
        position
    });
    assert!(
        answers > 0 && refusals > 0,
        "{answers} answers, {refusals} refusals"
    );
}

#[test]
fn a_writer_survives_a_reader_that_scribbles_all_the_time() {
    let (segment, hand) = Hand::new(Direction::Calls);
    let (mut answers, mut refusals, mut position) = (0, 0, 0);
    let mut writer = Writer::new(Arc::clone(&segment), Direction::Calls);
    let text = vec![7; 2 * CAPACITY];
    against_a_scribbler(hand, Mark::Head, |numbers| {
        let n = numbers.below(text.len());
        if let Some(written) = judge(writer.write(&text[..n]), &mut answers, &mut refusals) {
            assert!(written <= n.min(CAPACITY));
            position += written as u64;
        }
        if writer.publish() {
            writer.wake_reader();
        }
        judge(writer.ask_for_room(), &mut answers, &mut refusals);
        if judge(writer.has_room(), &mut answers, &mut refusals).is_none() {
            writer = Writer::new(Arc::clone(&segment), Direction::Calls);
            position = 0;
        }
        position
    });
    assert!(
        answers > 0 && refusals > 0,
        "{answers} answers, {refusals} refusals"
    );
}
