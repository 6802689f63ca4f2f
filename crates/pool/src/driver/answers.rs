//! What the answers of one worker mean, and what goes along with them.

use std::os::fd::OwnedFd;
use std::time::Instant;

use pexec_ipc::cells::Cells;
use pexec_proto::codec;
use pexec_proto::{Header, Kind, Stage, WorkerFailure};

use super::batches::{self, InProgress};
use super::channel::Fault;
use super::inbox::Received;
use super::link::Pace;
use super::stderr::{Stderr, Terminal};
use super::timings::Timings;
use super::watch::Watch;
use crate::autopsy::Panic;
use crate::carried::Arrived;
use crate::core::{Answer, Core, ResultKind};
use crate::error::{Side, TaskError};
use crate::future::batch::Results;
use crate::future::bytes::Descriptors;
use crate::future::slot::{Carried, SlotRef, Value};
use crate::observed::Observer;
use crate::outcome::Output;

/// One worker's answers on their way to the core and to the tasks' slots.
pub(super) struct Reader<'a> {
    pub(super) slot: usize,
    pub(super) now: Instant,
    pub(super) core: &'a mut Core,
    pub(super) tasks: &'a mut Vec<Option<SlotRef>>,
    pub(super) stage: &'a mut Stage,
    pub(super) batch: &'a mut Option<Box<InProgress>>,
    pub(super) cells: &'a Cells,
    pub(super) pace: &'a mut Pace,
    pub(super) carried: &'a mut Option<Descriptors>,
    pub(super) max_message: u64,
    pub(super) stdout: &'a mut Option<Stderr>,
    pub(super) stderr: &'a mut Stderr,
    pub(super) terminal: &'a mut Terminal,
    pub(super) watch: &'a Watch,
    pub(super) observer: &'a mut Observer,
    pub(super) timings: &'a mut Timings,
}

/// What a worker has announced to go along with its next answer.
pub(super) fn announced(
    arrived: &mut Arrived,
    socket: &OwnedFd,
    in_rings: bool,
    body: &[u8],
) -> Result<Descriptors, Fault> {
    let count = body.try_into().map(u16::from_le_bytes);
    let count = count.map_err(|_| Fault("its count of descriptors is cut off".into()))?;
    if count == 0 {
        return Ok(Vec::new());
    }
    if let Some(set) = arrived.take() {
        return Ok(set);
    }
    if in_rings {
        arrived.receive_marked(socket)?;
    }
    let set = arrived.take();
    set.ok_or_else(|| Fault("it announced descriptors that it did not send".into()))
}

impl Reader<'_> {
    /// What the task has printed that has just been answered for, where that is captured.
    fn output(&mut self, task: u64) -> Option<Output> {
        let stdout = self.stdout.as_mut()?;
        Some(Output {
            stdout: stdout.take(task, self.terminal, self.watch),
            stderr: self.stderr.take(task, self.terminal, self.watch),
        })
    }

    pub(super) fn carry(&mut self, set: Descriptors) -> Result<(), Fault> {
        if self.carried.is_some() {
            return Err(Fault("it sent descriptors where none are due".into()));
        }
        *self.carried = Some(set);
        Ok(())
    }

    /// Handed on by reference: a small answer costs less than to move these.
    pub(super) fn handle(&mut self, header: &Header, body: &mut Received<'_, '_>) -> Result<(), Fault> {
        match header.kind {
            Kind::Ready => {
                if !self.core.ready(self.now, self.slot) {
                    return Err(Fault("it said twice that it is ready".into()));
                }
                *self.stage = Stage::Serving;
            }
            Kind::Value => {
                let carried = self.carried.take();
                match (self.is_item(header), carried) {
                    (true, None) => self.items(header, body)?,
                    (true, Some(descriptors)) => {
                        self.item(header, |results| results.push_carried(body.bytes(), descriptors))?;
                    }
                    (false, None) => {
                        self.answer(header, ResultKind::Value, |_| Ok(Value::Encoded(body.keep())))?;
                    }
                    (false, Some(descriptors)) => self.answer(header, ResultKind::Value, |_| {
                        let bytes = body.keep();
                        Ok(Value::Carried(Box::new(Carried { bytes, descriptors })))
                    })?,
                }
            }
            Kind::Failure => {
                let failure: WorkerFailure = codec::decode(body.bytes())
                    .map_err(|e| Fault(format!("its report of a failure cannot be decoded: {e}")))?;
                if self.is_item(header) {
                    let error = Box::new(task_error(failure, self.max_message));
                    return self.item(header, |results| results.push_error(error));
                }
                let kind = match failure {
                    WorkerFailure::Panicked(_) => ResultKind::Panicked,
                    _ => ResultKind::Failed,
                };
                self.answer(header, kind, |max| Err(Box::new(task_error(failure, max))))?;
            }
            Kind::Skipped if self.batch.as_ref().is_some_and(|b| b.is(header)) => {
                self.end_batch(header, true)?;
            }
            Kind::Skipped => {
                if !self.core.skipped(self.now, self.slot, header.cell, header.task) {
                    return Err(Fault(format!(
                        "it skipped task {}, which was not taken back",
                        header.task
                    )));
                }
            }
            // A thread that a task has left behind may speak for it after its answer: that is no fault, only late.
            Kind::Emit => {
                if let Some(task) = self.running(header.task) {
                    task.emit(body.bytes());
                }
            }
            Kind::Progress => {
                let Some((share, text)) = body.bytes().split_first_chunk() else {
                    return Err(Fault("its progress is cut off".into()));
                };
                if let Some(task) = self.running(header.task) {
                    let text = String::from_utf8_lossy(text).into_owned();
                    task.set_progress(f64::from_le_bytes(*share), text);
                }
            }
            Kind::Trace => {
                let label = self.core.running(self.slot, header.task);
                let label = label.and_then(|key| self.tasks[key as usize].as_ref()?.label());
                self.observer.take(self.slot, header.task, label, body.bytes());
            }
            Kind::Timing => {
                let number = |at: usize| {
                    let bytes = body.bytes().get(at * 8..at * 8 + 8)?;
                    Some(u64::from_le_bytes(bytes.try_into().ok()?))
                };
                let (Some(start), Some(each), Some(items)) = (number(0), number(1), number(2)) else {
                    return Err(Fault("its timing is cut off".into()));
                };
                self.timings.told(header.task, start, each, items);
            }
            Kind::Leaving => {}
            Kind::Hello
            | Kind::Proof
            | Kind::Setup
            | Kind::Refused
            | Kind::Call
            | Kind::Batch
            | Kind::Descriptors
            | Kind::Context
            | Kind::Fork
            | Kind::Forked
            | Kind::Stop => {
                return Err(Fault(format!(
                    "a {:?} frame came where none is allowed",
                    header.kind
                )));
            }
        }
        Ok(())
    }

    /// Whether it is an answer to one item of several.
    #[inline]
    fn is_item(&mut self, header: &Header) -> bool {
        if let Some(batch) = &*self.batch {
            return batch.is(header);
        }
        let Some(slot) = self.running(header.task) else {
            return false;
        };
        let Some(batch) = slot.batch() else { return false };
        let progress = Box::new(InProgress::new(*header, slot, batch));
        *self.batch = Some(progress);
        true
    }

    /// The next item's answer is here.
    #[inline]
    fn item(&mut self, header: &Header, put: impl FnOnce(&mut Results)) -> Result<(), Fault> {
        let Some(batch) = &mut *self.batch else {
            return Ok(());
        };
        if !batch.expects_more() {
            return Err(Fault(format!(
                "it answered for more items of task {} than it has",
                header.task
            )));
        }
        put(&mut batch.results);
        if batch.is_complete(false) {
            self.end_batch(header, false)?;
        }
        Ok(())
    }

    /// Likewise, and with it those behind it that are here: to look at each by itself would cost more than to run a small
    /// one.
    #[inline]
    fn items(&mut self, header: &Header, body: &mut Received<'_, '_>) -> Result<(), Fault> {
        self.item(header, |results| results.push(body.bytes()))?;
        let Some(batch) = &mut *self.batch else {
            return Ok(());
        };
        let (frames, count) = body.alike(header, batch.due());
        batch.results.push_frames(frames, count);
        if count > 0 && batch.is_complete(false) {
            self.end_batch(header, false)?;
        }
        Ok(())
    }

    fn end_batch(&mut self, header: &Header, passed_over: bool) -> Result<(), Fault> {
        let complete = self.batch.as_ref().is_some_and(|b| b.is_complete(passed_over));
        if let Some(mut progress) = self.batch.take().filter(|_| complete) {
            progress.results.pace = self.pace.of(self.cells);
            if let Some(pace) = progress.results.pace {
                self.core.set_pace(self.slot, pace);
            }
            if batches::complete(
                self.core,
                self.tasks,
                self.observer,
                self.slot,
                *progress,
                self.now,
            ) {
                return Ok(());
            }
        }
        Err(Fault(format!(
            "it passed over items of task {} that were not taken back",
            header.task
        )))
    }

    /// What the worker runs, if it is this task.
    fn running(&self, task: u64) -> Option<&SlotRef> {
        let key = self.core.running(self.slot, task)?;
        self.tasks[key as usize].as_ref()
    }

    fn answer(
        &mut self,
        header: &Header,
        kind: ResultKind,
        end: impl FnOnce(u64) -> Result<Value, Box<TaskError>>,
    ) -> Result<(), Fault> {
        let answer = self
            .core
            .answered(self.now, self.slot, header.cell, header.task, kind);
        let output = match answer {
            Answer::Violation => None,
            Answer::Outcome(_) | Answer::Again(_) => self.output(header.task),
        };
        match answer {
            Answer::Outcome(key) => {
                if let Some(task) = self.tasks[key as usize].take() {
                    if let Some(output) = output {
                        task.set_output(output);
                    }
                    self.observer.complete(self.slot, task, end(self.max_message));
                    tracing::trace!(
                        task = header.task,
                        slot = self.slot,
                        ok = kind == ResultKind::Value,
                        "outcome"
                    );
                }
                self.core.release(key);
                Ok(())
            }
            Answer::Again(key) => {
                if let (Some(task), Err(error)) = (&self.tasks[key as usize], end(self.max_message)) {
                    task.keep_attempt(*error);
                }
                Ok(())
            }
            Answer::Violation => Err(Fault(format!(
                "it answered for task {}, which it does not have",
                header.task
            ))),
        }
    }
}

fn task_error(failure: WorkerFailure, limit: u64) -> TaskError {
    match failure {
        WorkerFailure::Panicked(p) => TaskError::Panicked(Panic {
            message: p.message,
            location: p.location,
            backtrace: p.backtrace,
            thread: p.thread,
            history: None,
        }),
        WorkerFailure::Encode(why) => TaskError::Encode(format!("result {why}")),
        WorkerFailure::Decode(why) => TaskError::Decode(format!("argument {why}")),
        WorkerFailure::TooLarge { size, .. } => TaskError::too_large(Side::Result, size, limit),
        WorkerFailure::UnknownFunction(why) => {
            TaskError::Decode(format!("argument of an unknown function: {why}"))
        }
        WorkerFailure::Poisoned(why) => TaskError::Poisoned(why),
    }
}
