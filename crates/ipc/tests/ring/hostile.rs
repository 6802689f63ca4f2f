//! One side of a ring, step by step against a hostile other one, with the whole truth known: each step gives what the
//! words and bytes of that moment say, or that they cannot be; nothing else ever.
//!
//! Each session comes from one number. A failure prints it; `PEXEC_FUZZ_SEED` plays that session alone.

use std::io;
use std::time::{Duration, Instant};

use pexec_ipc::ring::{CAPACITY, Direction, Reader, Writer};

use crate::memory::{Hand, Mark, Numbers};

const SESSIONS_FOR: Duration = Duration::from_secs(2);
const STEPS: usize = 400;

/// Says which session it was when that panics.
struct Session(u64);

impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this session again: PEXEC_FUZZ_SEED={}", self.0);
        }
    }
}

/// Plays sessions until the time is up, or the one that was asked for.
fn sessions(play: impl Fn(Numbers)) {
    let run = |seed| {
        let _session = Session(seed);
        play(Numbers::new(seed));
    };
    if let Ok(seed) = std::env::var("PEXEC_FUZZ_SEED") {
        return run(seed.parse().expect("PEXEC_FUZZ_SEED is a number"));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let first = now.expect("a clock after 1970").as_nanos() as u64 >> 8;
    let start = Instant::now();
    for seed in first.. {
        run(seed);
        if start.elapsed() > SESSIONS_FOR {
            break;
        }
    }
}

/// The only error that there is.
fn refusal(error: io::Error) {
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
}

#[test]
fn a_reader_gives_what_is_there_or_says_that_the_mark_cannot_be() {
    sessions(|mut numbers| {
        let (segment, hand) = Hand::new(Direction::Answers);
        let mut reader = Reader::new(segment, Direction::Answers);
        let mut ring = vec![0; CAPACITY];
        let (mut tail, mut head) = (0, 0u64);
        for _ in 0..STEPS {
            match numbers.below(8) {
                0 | 1 => {
                    tail = numbers.mark(head);
                    hand.set(Mark::Tail, tail);
                }
                2 => hand.set(Mark::Head, numbers.next()),
                3 => {
                    let (place, n) = (numbers.below(CAPACITY), numbers.below(5000));
                    let bytes = numbers.bytes(n.min(CAPACITY - place));
                    hand.put(place, &bytes);
                    ring[place..place + bytes.len()].copy_from_slice(&bytes);
                }
                4 => {
                    hand.set(Mark::ReaderWaits, numbers.next());
                    reader.ask_to_be_told(numbers.below(2) == 0);
                }
                5 => {
                    let word = numbers.next() % 3;
                    hand.set(Mark::WriterWaits, word);
                    assert_eq!(reader.writer_waits(), word != 0);
                    reader.wake_writer();
                }
                _ => {
                    let largest = [100, 5000, 2 * CAPACITY][numbers.below(3)];
                    let mut bytes = vec![0; numbers.below(largest)];
                    let there = tail.checked_sub(head).filter(|&n| n <= CAPACITY as u64);
                    assert_eq!(reader.has_news(), tail != head);
                    match (reader.available(), there) {
                        (Ok(n), Some(there)) => assert_eq!(n as u64, there),
                        (Err(error), None) => refusal(error),
                        other => panic!("tail {tail}, head {head}: {other:?}"),
                    }
                    match (reader.read(&mut bytes), there) {
                        (Ok(n), Some(there)) => {
                            assert_eq!(n as u64, there.min(bytes.len() as u64));
                            for (i, &byte) in bytes[..n].iter().enumerate() {
                                let place = ((head + i as u64) % CAPACITY as u64) as usize;
                                assert_eq!(byte, ring[place], "at position {head} + {i}");
                            }
                            head += n as u64;
                            assert!(n == 0 || hand.get(Mark::Head) == head, "its own mark is private");
                        }
                        // Nobody asks for the mark when nothing is to be read.
                        (Ok(0), None) if bytes.is_empty() => {}
                        (Err(error), None) => refusal(error),
                        other => panic!("tail {tail}, head {head}: {other:?}"),
                    }
                }
            }
        }
    });
}

#[test]
fn a_writer_fills_what_is_free_or_says_that_the_mark_cannot_be_and_never_writes_over_what_is_unread() {
    sessions(|mut numbers| {
        let (segment, hand) = Hand::new(Direction::Calls);
        let mut writer = Writer::new(segment, Direction::Calls);
        let mut ring = vec![0; CAPACITY];
        // `believed`: the reader's mark that the writer has checked last.
        let (mut tail, mut head, mut believed) = (0u64, 0u64, 0u64);
        for _ in 0..STEPS {
            let possible = (believed..=tail).contains(&head);
            match numbers.below(9) {
                0 | 1 => {
                    head = match numbers.below(3) {
                        0 => numbers.mark(believed),
                        _ => believed + numbers.next() % (tail - believed + 1),
                    };
                    hand.set(Mark::Head, head);
                }
                2 => hand.set(Mark::Tail, numbers.next()),
                3 => hand.set(Mark::WriterWaits, numbers.next()),
                4 => {
                    let word = numbers.next() % 3;
                    hand.set(Mark::ReaderWaits, word);
                    assert_eq!(writer.publish(), word != 0);
                    assert_eq!(hand.get(Mark::Tail), tail, "its own mark is private");
                    writer.wake_reader();
                }
                5 => {
                    assert_eq!(writer.has_news(), head != believed);
                    let room = if numbers.below(2) == 0 {
                        writer.has_room()
                    } else {
                        writer.ask_for_room()
                    };
                    match room {
                        Ok(room) if possible => {
                            believed = head;
                            assert_eq!(room, tail - believed < CAPACITY as u64);
                        }
                        Err(error) if !possible => refusal(error),
                        other => panic!("tail {tail}, head {head}, believed {believed}: {other:?}"),
                    }
                }
                _ => {
                    let largest = [100, 5000, 2 * CAPACITY][numbers.below(3)];
                    let length = numbers.below(largest);
                    let bytes = numbers.bytes(length);
                    let looks = CAPACITY as u64 - (tail - believed) < bytes.len() as u64;
                    match writer.write(&bytes) {
                        Ok(n) if possible || !looks => {
                            if looks {
                                believed = head;
                            }
                            let room = CAPACITY - (tail - believed) as usize;
                            assert!(n <= room.min(bytes.len()));
                            assert_eq!(n == 0, room == 0 || bytes.is_empty());
                            for &byte in &bytes[..n] {
                                ring[(tail % CAPACITY as u64) as usize] = byte;
                                tail += 1;
                            }
                        }
                        Err(error) if !possible && looks => refusal(error),
                        other => panic!("tail {tail}, head {head}, believed {believed}: {other:?}"),
                    }
                }
            }
        }
        assert!(
            hand.ring() == ring,
            "every byte is where it belongs, and no other was touched"
        );
    });
}
