//! Tasks that are several items: their answers come one by one, and each counts as soon as it is here.

use std::time::Instant;

use pexec_proto::{Frame, Frames, FunctionRef, HEADER_LEN, Header, Kind, Stage};

use super::Driver;
use super::outbox::Outbox;
use crate::core::{Answer, Key, Policy, ResultKind};
use crate::error::TaskError;
use crate::future::batch::{Batch, Results};
use crate::future::slot::{Slot, SlotRef, Value};
use crate::observed::Observer;

/// The batch that a worker answers, as far as its answers are here.
pub(super) struct InProgress {
    pub(super) task: u64,
    pub(super) cell: u16,
    pub(super) slot: SlotRef,
    pub(super) results: Results,
    /// How many answers are due.
    expected: u32,
    /// Behind the last answer comes a word that the rest was passed over.
    cut: bool,
}

impl InProgress {
    pub(super) fn new(header: Header, slot: &SlotRef, batch: &Batch) -> InProgress {
        InProgress {
            task: header.task,
            cell: header.cell,
            slot: SlotRef::clone(slot),
            results: Results::default(),
            expected: batch.left(),
            cut: false,
        }
    }

    pub(super) fn is(&self, header: &Header) -> bool {
        self.task == header.task && self.cell == header.cell
    }

    /// Every answer is here, and every word about the rest.
    pub(super) fn is_complete(&self, passed_over: bool) -> bool {
        self.results.count() == self.expected && self.cut == passed_over
    }

    pub(super) fn expects_more(&self) -> bool {
        self.due() > 0
    }

    /// How many answers are still to come.
    pub(super) fn due(&self) -> u32 {
        self.expected.saturating_sub(self.results.count())
    }
}

/// Puts the call of a batch into its worker's outbox: the items that have no outcome yet.
pub(super) fn send(
    outbox: &mut Outbox,
    batch: &Batch,
    function: &[u8; FunctionRef::LEN],
    cell: u16,
    task: u64,
) {
    batch.arguments(|items| {
        // Whoever filled it kept it far below that.
        let len = (FunctionRef::LEN + items.len()) as u32;
        let mut head = [0; HEADER_LEN + FunctionRef::LEN];
        head[..HEADER_LEN].copy_from_slice(&Header::task(Kind::Batch, len, cell, task).encode());
        head[HEADER_LEN..].copy_from_slice(function);
        outbox.push(&head);
        outbox.push(items);
    });
}

impl Driver {
    /// Takes back what a worker has not started of a batch, and submits it anew. What it has started stays its own.
    pub(super) fn divide(&mut self, worker: usize, key: Key, cell: u16) {
        let Some((slot, rest)) = self.cut(worker, key, cell) else {
            return;
        };
        let Some(next) = Slot::with_rest(&slot, rest) else {
            return;
        };
        if let Some(batch) = slot.batch() {
            slot.tell_of_rest(&next, batch.kept().0);
            batch.go_on_in(SlotRef::clone(&next));
        }
        let policy = Some(Box::new(Policy::divisible()));
        match self.core.submit_rest(next.id().0, 0, policy) {
            Some(key) => {
                self.keep(key, next);
                self.divided = true;
            }
            None => {
                next.fail(TaskError::Cancelled);
            }
        }
    }

    /// Ends what has not started of a running batch. True: there was some.
    pub(super) fn cancel_rest(&mut self, key: Key, slot: &SlotRef) -> bool {
        let Some((worker, cell)) = self.core.place_of(key).filter(|_| slot.batch().is_some()) else {
            return false;
        };
        let Some((slot, rest)) = self.cut(worker, key, cell) else {
            return false;
        };
        let next = Slot::with_rest(&slot, rest);
        if let (Some(batch), Some(next)) = (slot.batch(), next) {
            slot.tell_of_rest(&next, batch.kept().0);
            batch.go_on_in(SlotRef::clone(&next));
            next.fail(TaskError::Cancelled);
        }
        true
    }

    /// Cuts a batch behind what has started of it.
    fn cut(&mut self, worker: usize, key: Key, cell: u16) -> Option<(SlotRef, Batch)> {
        let slot = SlotRef::clone(self.tasks.get(key as usize)?.as_ref()?);
        let batch = slot.batch()?;
        let link = self.links.0[worker].as_mut()?;
        // One that has not started at all is taken back as any task is.
        if !link.cells.has_started(cell) {
            return None;
        }
        let due = batch.left();
        let started = link.cells.recall_rest(cell)?.min(due);
        let rest = batch.cut(started)?;
        let header = Header::task(Kind::Batch, 0, cell, slot.next_id().0);
        let progress = link
            .batch
            .get_or_insert_with(|| Box::new(InProgress::new(header, &slot, batch)));
        (progress.expected, progress.cut) = (started, true);
        Some((slot, rest))
    }

    /// Every answer to a worker's batch is here.
    pub(super) fn end_batch(&mut self, worker: usize, now: Instant) -> bool {
        let Some(progress) = self.links.0[worker].as_mut().and_then(|link| link.batch.take()) else {
            return false;
        };
        complete(
            &mut self.core,
            &mut self.tasks,
            &self.observer,
            worker,
            *progress,
            now,
        )
    }

    /// A worker has ended: what it had answered of a batch and not put into its ring counts too.
    pub(super) fn read_notes(&mut self, worker: usize) {
        let Some(link) = &mut self.links.0[worker] else {
            return;
        };
        // Nothing is believed of one that broke the protocol, nor looked for where it cannot be.
        if link.fault.is_some() || link.stage != Stage::Serving {
            return;
        }
        let left = link.cells.left();
        let mut frames = Frames::new(&left.bytes, u32::MAX);
        let Some(Ok(first)) = frames.next() else { return };
        let header = first.header;
        let slot = self.core.running(worker, left.task);
        let slot = slot.and_then(|key| self.tasks.get(key as usize)?.as_ref());
        let Some((slot, batch)) = slot.and_then(|slot| Some((slot, slot.batch()?))) else {
            return;
        };
        let known = link.batch.as_ref();
        if header.task != left.task || known.is_some_and(|known| !known.is(&header)) {
            return;
        }
        // It may have ended between putting them into the ring and forgetting them.
        let answered = known.map_or(0, |known| known.results.count());
        let Some(had) = answered.checked_sub(left.first) else {
            return;
        };
        let progress = link
            .batch
            .get_or_insert_with(|| Box::new(InProgress::new(header, slot, batch)));
        for frame in std::iter::once(Ok(first)).chain(frames).skip(had as usize) {
            match frame {
                Ok(Frame { header, body })
                    if header.kind == Kind::Value && progress.is(&header) && progress.expects_more() =>
                {
                    progress.results.push(body);
                }
                _ => break,
            }
        }
    }

    /// A worker has ended: what is here of its batch counts. Gives the task that it may be charged with: none, if all
    /// that it had started is here.
    pub(super) fn save_batch(&mut self, worker: usize, running: Option<u64>, now: Instant) -> Option<u64> {
        let Some(link) = &mut self.links.0[worker] else {
            return running;
        };
        if link.batch.as_ref().is_some_and(|b| !b.expects_more()) {
            self.end_batch(worker, now);
            return None;
        }
        let Some(progress) = link.batch.take() else {
            return running;
        };
        let InProgress {
            task,
            cell,
            slot,
            results,
            expected,
            cut,
        } = *progress;
        let answered = results.count();
        // Once it was cut its cell does not tell any more; then another has started, or it would have ended above.
        let started = if cut { expected } else { link.cells.started(cell) };
        if let Some(batch) = slot.batch() {
            batch.add(results);
        }
        if let Some(key) = self.core.running(worker, task) {
            self.core.renumber(key, slot.next_id().0);
        }
        running.filter(|&running| running != task || started > answered)
    }

    /// One item of a batch has ended without an answer: the others go on.
    pub(super) fn end_item(&mut self, key: Key, slot: SlotRef, error: &TaskError) {
        let Some(batch) = slot.batch() else { return };
        let all = matches!(error, TaskError::Cancelled | TaskError::PoolBroken(_));
        batch.fail(if all { u32::MAX } else { 1 }, error);
        if batch.left() > 0 && self.core.resume(key) {
            self.core.renumber(key, slot.next_id().0);
            self.tasks[key as usize] = Some(slot);
            return;
        }
        slot.fail(TaskError::Cancelled);
        self.core.release(key);
    }
}

/// Puts a batch's outcome down. False: the worker does not have it.
pub(super) fn complete(
    core: &mut crate::core::Core,
    tasks: &mut [Option<SlotRef>],
    observer: &Observer,
    worker: usize,
    progress: InProgress,
    now: Instant,
) -> bool {
    let items = u64::from(progress.results.count());
    match core.answered(now, worker, progress.cell, progress.task, ResultKind::Value) {
        Answer::Outcome(key) => {
            core.count_items(worker, items.saturating_sub(1));
            if let Some(slot) = tasks[key as usize].take() {
                if let Some(batch) = slot.batch() {
                    batch.add(progress.results);
                }
                // Nothing more is to come: the results lie in the batch.
                observer.complete(worker, slot, Ok(Value::Batch));
            }
            core.release(key);
            true
        }
        Answer::Again(_) => true,
        Answer::Violation => false,
    }
}
