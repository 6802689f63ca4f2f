//! What a map has pulled and started: single tasks, and batches whose items are read one by one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pexec_proto::codec;

use crate::error::TaskError;
use crate::function::Payload;
use crate::future::batch::Results;
use crate::future::slot::{Slot, SlotRef};
use crate::future::{TaskFuture, decode};

/// Tasks that were started together: at most one batch, and behind it at most one task of its own.
#[doc(hidden)]
pub struct Run<R> {
    /// The batch, and how many inputs are in it.
    pub(crate) batch: Option<(SlotRef, usize)>,
    pub(crate) one: Option<TaskFuture<R>>,
}

impl<R> Run<R> {
    pub(crate) fn of_one(one: Option<TaskFuture<R>>) -> Run<R> {
        Run { batch: None, one }
    }
}

/// A run, and how it came about.
pub(crate) struct Fed<R> {
    pub(super) run: Run<R>,
    /// How many inputs went into it.
    pub(super) pulled: usize,
    /// There are no more.
    pub(super) ended: bool,
    /// Because the input iterator panicked.
    pub(super) panic: Option<Box<dyn Any + Send>>,
}

/// A map's input iterator.
pub(crate) struct Inputs<I> {
    inputs: I,
}

impl<I: Iterator> Inputs<I> {
    pub(crate) fn new(inputs: I) -> Inputs<I> {
        Inputs { inputs }
    }

    /// Lets `start` pull what it wants. A panic of the iterator ends the inputs, and does not disturb those before it.
    #[inline]
    pub(crate) fn feed<R>(
        &mut self,
        start: impl FnOnce(&mut dyn FnMut() -> Option<I::Item>) -> Run<R>,
    ) -> Fed<R> {
        let (mut pulled, mut ended, mut panic) = (0, false, None);
        let mut pull = || match catch_unwind(AssertUnwindSafe(|| self.inputs.next())) {
            Ok(Some(input)) => {
                pulled += 1;
                Some(input)
            }
            Ok(None) => {
                ended = true;
                None
            }
            Err(payload) => {
                ended = true;
                panic = Some(payload);
                None
            }
        };
        let run = start(&mut pull);
        Fed {
            run,
            pulled,
            ended,
            panic,
        }
    }
}

/// Something that was started and not read to its end.
pub(super) enum Pending<R> {
    One(TaskFuture<R>),
    Many(SlotRef),
}

impl<R> Pending<R> {
    pub(super) fn slot(&self) -> &SlotRef {
        match self {
            Pending::One(future) => future.slot(),
            Pending::Many(slot) => slot,
        }
    }

    pub(super) fn cancel(&self) {
        Slot::cancel(self.slot());
    }
}

/// Results that are here, and are read item by item.
#[derive(Default)]
pub(super) struct Reading {
    results: Results,
}

impl Reading {
    /// Of a batch that is done. Also gives what became of its rest, if it was cut.
    pub(super) fn of(slot: &Slot) -> (Reading, Option<SlotRef>) {
        let (results, rest) = slot.batch().map(|batch| batch.take()).unwrap_or_default();
        (Reading { results }, rest)
    }

    pub(super) fn results(&self) -> &Results {
        &self.results
    }

    #[inline]
    pub(super) fn next<R: Payload>(&mut self) -> Option<Result<R, TaskError>> {
        Some(match self.results.next()? {
            Ok((bytes, descriptors)) => decode(descriptors, || codec::decode_typed(bytes)),
            Err(error) => Err(*error),
        })
    }
}

/// How many inputs go into one batch: as many as keep a worker busy for a moment, so that handing them over costs
/// little beside, and no more, so that the work can still be shared out.
pub(super) struct Chunk {
    size: usize,
    fixed: bool,
}

/// How long a batch should keep its worker busy, in nanoseconds.
const AIM: u64 = 100_000;
/// How many bytes of results should wait in one piece.
const RESULTS: usize = 256 << 10;
const MOST: usize = 8192;

impl Chunk {
    pub(super) fn adaptive() -> Chunk {
        Chunk {
            size: 1,
            fixed: false,
        }
    }

    pub(super) fn fixed(size: usize) -> Chunk {
        Chunk { size, fixed: true }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn is_adaptive(&self) -> bool {
        !self.fixed
    }

    /// Learns from a batch that is done: grows step by step, shrinks at once.
    pub(super) fn learn(&mut self, results: &Results) {
        let count = results.count().max(1) as usize;
        let Some(pace) = results.pace.filter(|_| !self.fixed) else {
            return;
        };
        let by_time = usize::try_from(AIM / pace.max(1)).unwrap_or(MOST);
        let by_bytes = RESULTS / (results.len() / count).max(1);
        self.size = by_time.min(by_bytes).min(self.size * 4).clamp(1, MOST);
    }
}
