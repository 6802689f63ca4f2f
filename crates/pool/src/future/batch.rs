//! Several inputs of a map that travel as one task: their arguments, and what became of each.
//!
//! Items run in order, and each has its own outcome: what is here of one that is done survives the worker. A batch
//! may be cut, and its rest go on as another task; whoever reads the results goes on there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use pexec_proto::{HEADER_LEN, Header, Kind};

use super::bytes::Descriptors;
use super::slot::SlotRef;
use crate::error::TaskError;

/// The length of an item's length.
const PREFIX: usize = 4;
/// Encoded arguments, one behind the other, each behind its length.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    bytes: Vec<u8>,
    count: u32,
}

impl Arguments {
    /// Appends an item that `encode` appends; an error leaves everything as it was.
    #[inline]
    pub(crate) fn push<E>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; PREFIX]);
        if let Err(error) = encode(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let len = (self.bytes.len() - start - PREFIX) as u32;
        self.bytes[start..start + PREFIX].copy_from_slice(&len.to_le_bytes());
        self.count += 1;
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// What there is by now.
    pub(crate) fn mark(&self) -> (usize, u32) {
        (self.bytes.len(), self.count)
    }

    /// Takes out again what came after that, be it an item or what a panic has left of one.
    pub(crate) fn reset(&mut self, (len, count): (usize, u32)) {
        self.bytes.truncate(len);
        self.count = count;
    }
}

/// The next item of a run of them: its bytes, and those behind it.
#[inline]
pub(crate) fn split_item(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

/// An item's value: its bytes, and what came along.
type Item<'a> = (&'a [u8], &'a mut Descriptors);

/// The length of what stands before a value: as in the frame that it came in, so that many are taken over as they lie.
const HEAD: usize = HEADER_LEN;
/// Before a failure.
const FAILED: [u8; HEAD] = head(u32::MAX);

const fn head(len: u32) -> [u8; HEAD] {
    // Nobody reads more of it than the length.
    Header::control(Kind::Value, len).encode()
}

/// What became of items, in order.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// Values, each behind a frame's header, of which only the length counts.
    bytes: Vec<u8>,
    errors: VecDeque<Box<TaskError>>,
    /// What came along with values that have handles, by where in `bytes` they begin.
    descriptors: VecDeque<(usize, Descriptors)>,
    /// What came along with the value that was read last.
    along: Descriptors,
    count: u32,
    /// How far they were read.
    read: usize,
    /// Nanoseconds that an item took, as the worker says.
    pub(crate) pace: Option<u64>,
}

impl Results {
    #[inline]
    pub(crate) fn push(&mut self, value: &[u8]) {
        // A frame is never as long as a failure claims to be.
        self.bytes.extend_from_slice(&head(value.len() as u32));
        self.bytes.extend_from_slice(value);
        self.count += 1;
    }

    /// Likewise so many, each in its frame.
    #[inline]
    pub(crate) fn push_frames(&mut self, frames: &[u8], count: u32) {
        self.bytes.extend_from_slice(frames);
        self.count += count;
    }

    /// Likewise, of a value with handles.
    pub(crate) fn push_carried(&mut self, value: &[u8], descriptors: Descriptors) {
        self.descriptors.push_back((self.bytes.len(), descriptors));
        self.push(value);
    }

    pub(crate) fn push_error(&mut self, error: Box<TaskError>) {
        self.bytes.extend_from_slice(&FAILED);
        self.errors.push_back(error);
        self.count += 1;
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes that they take.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The next one, once.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Result<Item<'_>, Box<TaskError>>> {
        let from = self.read + HEAD;
        let head = self.bytes.get(self.read..from)?;
        let len = u32::from_le_bytes(*head.first_chunk()?);
        if len == u32::MAX {
            self.read = from;
            return Some(Err(self.errors.pop_front()?));
        }
        if let Some((_, along)) = self.descriptors.pop_front_if(|(at, _)| *at == self.read) {
            self.along = along;
        }
        self.read = from + len as usize;
        let value = self.bytes.get(from..self.read)?;
        Some(Ok((value, &mut self.along)))
    }
}

/// A batch on its way.
struct State {
    arguments: Arc<Arguments>,
    /// Where the first item that has no outcome begins.
    at: usize,
    /// How many items have one.
    done: u32,
    /// How many items have none and are not cut off.
    left: u32,
    results: Results,
    /// Goes on where this one was cut.
    rest: Option<SlotRef>,
}

/// See the module's text.
pub(crate) struct Batch(Mutex<State>);

impl Batch {
    pub(crate) fn new(arguments: Arguments) -> Batch {
        let left = arguments.count;
        Batch::of(Arc::new(arguments), 0, left)
    }

    fn of(arguments: Arc<Arguments>, at: usize, left: u32) -> Batch {
        Batch(Mutex::new(State {
            arguments,
            at,
            done: 0,
            left,
            results: Results::default(),
            rest: None,
        }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // Nothing that panics runs under this lock.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many items have no outcome yet.
    pub(crate) fn left(&self) -> u32 {
        self.with(|s| s.left)
    }

    /// How many items have one.
    pub(crate) fn done(&self) -> u32 {
        self.with(|s| s.done)
    }

    /// The arguments of the items that have no outcome, each behind its length.
    pub(crate) fn arguments<T>(&self, read: impl FnOnce(&[u8]) -> T) -> T {
        self.with(|s| read(&s.arguments.bytes[s.at..end_of(&s.arguments.bytes, s.at, s.left)]))
    }

    /// The next items have these outcomes.
    pub(crate) fn add(&self, results: Results) {
        self.with(|s| {
            let done = results.count.min(s.left);
            s.at = end_of(&s.arguments.bytes, s.at, done);
            s.left -= done;
            s.done += done;
            s.results.pace = results.pace.or(s.results.pace);
            s.results.count += results.count;
            let before = s.results.bytes.len();
            if before == 0 {
                s.results.bytes = results.bytes;
            } else {
                s.results.bytes.extend_from_slice(&results.bytes);
            }
            let descriptors = results.descriptors.into_iter();
            s.results
                .descriptors
                .extend(descriptors.map(|(at, d)| (before + at, d)));
            s.results.errors.extend(results.errors);
        });
    }

    /// The next item, or all that have none, have this error as their outcome.
    pub(crate) fn fail(&self, items: u32, error: &TaskError) {
        let mut results = Results::default();
        for _ in 0..items.min(self.left()) {
            results.push_error(Box::new(error.clone()));
        }
        self.add(results);
    }

    /// Cuts off all but the next `keep` items. Gives those that were cut off.
    pub(crate) fn cut(&self, keep: u32) -> Option<Batch> {
        self.with(|s| {
            let rest = s.left.checked_sub(keep).filter(|&n| n > 0)?;
            let at = end_of(&s.arguments.bytes, s.at, keep);
            s.left = keep;
            Some(Batch::of(Arc::clone(&s.arguments), at, rest))
        })
    }

    /// What was cut off last goes on there; what was cut off before, behind it.
    pub(crate) fn go_on_in(&self, slot: SlotRef) {
        let before = self.with(|s| s.rest.replace(SlotRef::clone(&slot)));
        if let (Some(batch), Some(before)) = (slot.batch(), before) {
            batch.go_on_in(before);
        }
    }

    /// How many items are its own, and where those that were cut off are.
    pub(crate) fn kept(&self) -> (usize, Option<SlotRef>) {
        self.with(|s| ((s.done + s.left) as usize, s.rest.clone()))
    }

    /// Where those that were cut off are; once.
    pub(crate) fn take_rest(&self) -> Option<SlotRef> {
        self.with(|s| s.rest.take())
    }

    /// What became of the items, and where those that were cut off are; once.
    pub(crate) fn take(&self) -> (Results, Option<SlotRef>) {
        self.with(|s| (std::mem::take(&mut s.results), s.rest.take()))
    }
}

/// Where the `n` items that begin at `at` end.
fn end_of(bytes: &[u8], mut at: usize, n: u32) -> usize {
    for _ in 0..n {
        let Some((_, rest)) = split_item(&bytes[at..]) else {
            break;
        };
        at = bytes.len() - rest.len();
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(items: &[&[u8]]) -> Batch {
        let mut arguments = Arguments::default();
        for item in items {
            arguments
                .push(|out| {
                    out.extend_from_slice(item);
                    Ok::<(), ()>(())
                })
                .unwrap();
        }
        Batch::new(arguments)
    }

    fn items(batch: &Batch) -> Vec<Vec<u8>> {
        batch.arguments(|mut bytes| {
            let mut all = Vec::new();
            while let Some((item, rest)) = split_item(bytes) {
                all.push(item.to_vec());
                bytes = rest;
            }
            assert!(bytes.is_empty());
            all
        })
    }

    fn values(results: &mut Results) -> Vec<Result<Vec<u8>, String>> {
        std::iter::from_fn(|| {
            Some(
                results
                    .next()?
                    .map(|(value, _)| value.to_vec())
                    .map_err(|e| e.to_string()),
            )
        })
        .collect()
    }

    #[test]
    fn an_item_that_cannot_be_encoded_leaves_no_trace() {
        let mut arguments = Arguments::default();
        let failed = arguments.push(|out| {
            out.push(1);
            Err("no")
        });
        assert_eq!((failed, arguments.count(), arguments.len()), (Err("no"), 0, 0));
    }

    #[test]
    fn what_is_done_survives_and_the_rest_goes_on() {
        let whole = batch(&[b"a", b"", b"ccc", b"dd"]);
        let mut results = Results::default();
        results.push(b"A");
        whole.add(results);
        whole.fail(1, &TaskError::Cancelled);
        assert_eq!(items(&whole), [b"ccc".to_vec(), b"dd".to_vec()]);
        let mut results = Results::default();
        results.push(b"C");
        results.push(b"");
        whole.add(results);
        assert_eq!(whole.left(), 0);
        let cancelled = TaskError::Cancelled.to_string();
        let (mut results, rest) = whole.take();
        assert!(rest.is_none());
        assert_eq!(
            values(&mut results),
            [
                Ok(b"A".to_vec()),
                Err(cancelled),
                Ok(b"C".to_vec()),
                Ok(Vec::new())
            ]
        );
    }

    #[test]
    fn a_batch_is_cut_behind_what_has_started() {
        let whole = batch(&[b"a", b"b", b"c", b"d"]);
        let rest = whole.cut(1).unwrap();
        assert_eq!(items(&whole), [b"a".to_vec()]);
        assert_eq!(items(&rest), [b"b".to_vec(), b"c".to_vec(), b"d".to_vec()]);
        assert!(rest.cut(3).is_none(), "nothing is left to cut off");
        let last = rest.cut(2).unwrap();
        assert_eq!((rest.left(), last.left()), (2, 1));
        assert_eq!(items(&last), [b"d".to_vec()]);
    }
}
