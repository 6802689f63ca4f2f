//! What workers send, frame by frame. A frame that its sender may not send now, or that names a task which that
//! worker does not have, is the end of the worker: nothing else is ever touched by it.

use std::time::Instant;

use pexec_proto::codec;
use pexec_proto::{FrameError, HandshakeError, Header, Kind, Progress, Refused, Role, Stage, WorkerFailure};

use super::inbox::{Read, Received};
use super::link::Link;
use super::{Driver, Payload, Source};
use crate::autopsy::Panic;
use crate::core::{Answer, Core, ResultKind};
use crate::error::{Side, TaskError};
use crate::future::slot::Value;

/// A report of a failure has room to say what happened, however small a pool's messages may be.
const SMALLEST_LIMIT: u32 = 64 << 10;

/// What a worker did wrong.
struct Fault(String);

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Fault {
        Fault(format!("frame refused: {error}"))
    }
}

impl From<HandshakeError> for Fault {
    fn from(error: HandshakeError) -> Fault {
        Fault(format!("handshake failed: {error}"))
    }
}

impl Driver {
    /// Reads what the events say is there.
    pub(super) fn read_ready(&mut self, now: Instant, ready: &[Source]) {
        for source in ready {
            match *source {
                Source::Channel(slot) => {
                    self.read_from(slot, now);
                }
                Source::Stderr(slot) => {
                    if let Some(link) = self.links.0.get_mut(slot).and_then(Option::as_mut) {
                        link.stderr.read(&mut self.terminal, &self.shared.watch);
                    }
                }
                Source::Terminal => self.resume_stderr(),
                Source::Exit(_) | Source::Wake => {}
            }
        }
    }

    /// Our own standard error takes bytes again: on with those that were held back.
    fn resume_stderr(&mut self) {
        self.terminal.flush(&self.shared.watch);
        for (slot, link) in self.links.0.iter_mut().enumerate() {
            if let Some(link) = link {
                link.stderr.resume(slot, &mut self.terminal, &self.shared.watch);
            }
        }
    }

    /// Reads from one worker. True: its channel is at its end.
    pub(super) fn read_from(&mut self, slot: usize, now: Instant) -> bool {
        let Some(link) = self.links.0.get_mut(slot).and_then(Option::as_mut) else {
            return true;
        };
        if link.hung_up {
            return true;
        }
        let Link {
            inbox,
            socket,
            stage,
            handshake,
            outbox,
            fault,
            pid,
            started,
            ..
        } = link;
        let mut reader = Reader {
            slot,
            now,
            core: &mut self.core,
            payloads: &mut self.payloads,
            stage,
            max_message: self.shared.max_message,
        };
        let launch = &self.launch;
        let generation = self.generations[slot];
        let read = inbox.read(socket, |header, body| -> Result<Option<u32>, Fault> {
            match reader.stage {
                Stage::Handshake => {
                    let Some(steps) = handshake.as_mut() else {
                        return Err(Fault("no handshake is due".into()));
                    };
                    match steps.receive(&header, body.bytes())? {
                        Progress::Continue(bytes) => outbox.push(&bytes),
                        Progress::Done { peer, send } => {
                            if peer.pid != *pid as u32 {
                                return Err(Fault(format!(
                                    "handshake failed: it says it is process {}",
                                    peer.pid
                                )));
                            }
                            outbox.push(&send);
                            *handshake = None;
                            *reader.stage = Stage::Setup;
                            reader.core.authenticated(slot);
                            let mut body = Vec::new();
                            codec::encode(&launch.setup(slot, generation), &mut body)
                                .map_err(|e| Fault(format!("its set-up cannot be encoded: {e}")))?;
                            outbox.push(&Header::control(Kind::Setup, body.len() as u32).encode());
                            outbox.push(&body);
                            return Ok(Some(
                                u32::try_from(launch.max_message)
                                    .unwrap_or(u32::MAX)
                                    .max(SMALLEST_LIMIT),
                            ));
                        }
                    }
                    Ok(None)
                }
                Stage::Setup | Stage::Serving => {
                    if !header.kind.allowed(Role::Worker, *reader.stage) {
                        return Err(Fault(format!(
                            "a {:?} frame came where none is allowed",
                            header.kind
                        )));
                    }
                    if header.kind == Kind::Refused {
                        let refused: Refused = codec::decode(body.bytes())
                            .map_err(|e| Fault(format!("its refusal cannot be decoded: {e}")))?;
                        *fault = Some(format!("the initializer failed: {}", refused.reason));
                        return Ok(None);
                    }
                    if header.kind == Kind::Ready {
                        tracing::debug!(slot, pid, after = ?started.elapsed(), "worker ready");
                    }
                    reader.handle(header, body).map(|()| None)
                }
            }
        });
        match read {
            Ok(Read::Some) => return false,
            Ok(Read::End) => {
                link.hang_up(&self.shared.watch);
                self.core.hung_up(now, slot);
            }
            Err(Fault(what)) => {
                tracing::warn!(slot, pid = link.pid, fault = %what, "worker broke the protocol");
                link.hang_up(&self.shared.watch);
                link.fault = Some(what);
                self.core.fault(now, slot, &mut self.links);
            }
        }
        true
    }
}

struct Reader<'a> {
    slot: usize,
    now: Instant,
    core: &'a mut Core,
    payloads: &'a mut Vec<Option<Payload>>,
    stage: &'a mut Stage,
    max_message: u64,
}

impl Reader<'_> {
    fn handle(&mut self, header: Header, body: Received<'_>) -> Result<(), Fault> {
        match header.kind {
            Kind::Ready => {
                if !self.core.ready(self.slot) {
                    return Err(Fault("it said twice that it is ready".into()));
                }
                *self.stage = Stage::Serving;
            }
            Kind::Value => self.answer(header, ResultKind::Value, |_| Ok(Value::Encoded(body.into_vec())))?,
            Kind::Failure => {
                let failure: WorkerFailure = codec::decode(body.bytes())
                    .map_err(|e| Fault(format!("its report of a failure cannot be decoded: {e}")))?;
                let kind = match failure {
                    WorkerFailure::Panicked(_) => ResultKind::Panicked,
                    _ => ResultKind::Failed,
                };
                self.answer(header, kind, |max| Err(Box::new(task_error(failure, max))))?;
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
                if let Some(payload) = self.running(header.task) {
                    payload.slot.emit(body.bytes());
                }
            }
            Kind::Progress => {
                let Some((share, text)) = body.bytes().split_first_chunk() else {
                    return Err(Fault("its progress is cut off".into()));
                };
                if let Some(payload) = self.running(header.task) {
                    let text = String::from_utf8_lossy(text).into_owned();
                    payload.slot.set_progress(f64::from_le_bytes(*share), text);
                }
            }
            Kind::Leaving => {}
            Kind::Hello
            | Kind::Proof
            | Kind::Setup
            | Kind::Refused
            | Kind::Call
            | Kind::Context
            | Kind::Stop => {
                return Err(Fault(format!(
                    "a {:?} frame came where none is allowed",
                    header.kind
                )));
            }
        }
        Ok(())
    }

    /// What the worker runs, if it is this task.
    fn running(&self, task: u64) -> Option<&Payload> {
        let key = self.core.running(self.slot, task)?;
        self.payloads[key as usize].as_ref()
    }

    fn answer(
        &mut self,
        header: Header,
        kind: ResultKind,
        end: impl FnOnce(u64) -> Result<Value, Box<TaskError>>,
    ) -> Result<(), Fault> {
        match self
            .core
            .answered(self.now, self.slot, header.cell, header.task, kind)
        {
            Answer::Outcome(key) => {
                if let Some(payload) = self.payloads[key as usize].take() {
                    payload.slot.complete(end(self.max_message));
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
            Answer::Again => Ok(()),
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
        }),
        WorkerFailure::Encode(why) => TaskError::Encode(format!("result {why}")),
        WorkerFailure::Decode(why) => TaskError::Decode(format!("argument {why}")),
        WorkerFailure::TooLarge { size, .. } => TaskError::too_large(Side::Result, size, limit),
        WorkerFailure::UnknownFunction(why) => {
            TaskError::Decode(format!("argument of an unknown function: {why}"))
        }
    }
}
