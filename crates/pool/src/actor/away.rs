//! A handle of an actor that another process has started.
//!
//! It has a door to that process, and makes itself a line through it with its first call. A thread of its own reads the
//! answers, which come in the order of the calls. When the handle is dropped no more is sent; the line goes on until
//! what was called is answered.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use pexec_ipc::socket;
use pexec_proto::codec;

use super::line::{self, CALL, Details, FAILURE, Frame, KILL, SHUT_DOWN, VALUE};
use crate::autopsy::{Autopsy, Exit, Phase};
use crate::callbacks::Callbacks;
use crate::error::TaskError;
use crate::function::{Descriptor, Payload};
use crate::future::bytes::Bytes;
use crate::future::control::{Control, Controller};
use crate::future::slot::{Carried, End, Slot, SlotRef, Value};
use crate::ids::next_task_id;
use crate::options::TaskOptions;
use crate::process::encode;

pub(super) struct Away {
    pub(super) door: Arc<OwnedFd>,
    pub(super) pid: u32,
    pub(super) max_message: u64,
    controller: Controller,
    /// `None`: no call was made yet.
    line: Mutex<Option<Arc<Line>>>,
}

struct Line {
    socket: OwnedFd,
    pid: u32,
    /// Taken by whoever sends, so that calls are noted down in the order in which they are sent.
    calls: Mutex<()>,
    /// Those that wait for an answer; `None`: there will be none any more.
    waiting: Mutex<Option<VecDeque<SlotRef>>>,
    exit: OnceLock<Exit>,
    /// Why this end has ended it.
    fault: OnceLock<String>,
}

/// What can be asked about a call of an actor elsewhere: nothing.
struct NoControl(Callbacks);

impl Control for NoControl {
    fn cancel(&self, _: &SlotRef) -> bool {
        false
    }
    fn kill(&self, _: &SlotRef) -> bool {
        false
    }
    fn interrupt(&self, _: &SlotRef) -> bool {
        false
    }
    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>) {
        self.0.run(callback);
    }
}

impl Away {
    pub(super) fn new(door: Arc<OwnedFd>, pid: u32, max_message: u64) -> Away {
        Away {
            door,
            pid,
            max_message,
            controller: Arc::new(Box::new(NoControl(Callbacks::new("actor")))),
            line: Mutex::default(),
        }
    }

    pub(super) fn submit<A: Payload>(
        &self,
        call: &'static Descriptor,
        arg: &A,
        mut options: TaskOptions,
    ) -> SlotRef {
        let timeout = options.given().and_then(|options| options.timeout);
        let slot = self.new_slot(options);
        let details = Details {
            label: slot.label().map(str::to_owned),
            timeout,
        };
        let mut descriptors = Vec::new();
        match encode(arg, self.max_message, &mut descriptors) {
            Ok(bytes) => {
                let head = line::call_head(call.reference(), &details);
                let (front, rest) = bytes.parts();
                self.request(CALL, &[&head, front, rest], &descriptors, &slot);
            }
            Err(error) => {
                slot.fail(error);
            }
        }
        slot
    }

    /// Closes the actor for all; the answer comes when its process is gone.
    pub(super) fn shut_down(&self) -> SlotRef {
        let slot = self.new_slot(TaskOptions::default());
        self.request(SHUT_DOWN, &[], &[], &slot);
        slot
    }

    pub(super) fn kill(&self) {
        if let Ok(line) = self.line() {
            let _sending = line.sending();
            // An actor whose supervisor is gone is gone as well.
            let _ = line::send(&line.socket, KILL, &[], &[]);
        }
    }

    /// How the actor has ended, as far as an answer has told.
    pub(super) fn exit(&self) -> Option<Exit> {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.as_ref()?.exit.get().copied()
    }

    fn new_slot(&self, mut options: TaskOptions) -> SlotRef {
        let control = Arc::clone(&self.controller);
        Slot::new(next_task_id(), control, options.take_extra())
    }

    fn request(&self, kind: u8, pieces: &[&[u8]], descriptors: &[Arc<OwnedFd>], slot: &SlotRef) {
        match self.line() {
            Ok(line) => line.request(kind, pieces, descriptors, slot),
            Err(error) => {
                let why = format!("actor {} cannot be reached: {error}", self.pid);
                slot.fail(TaskError::PoolBroken(why));
            }
        }
    }

    /// The line, made now if there is none.
    fn line(&self) -> io::Result<Arc<Line>> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = &*line {
            return Ok(Arc::clone(line));
        }
        let (ours, theirs) = socket::pair()?;
        let new = Arc::new(Line {
            socket: ours,
            pid: self.pid,
            calls: Mutex::default(),
            waiting: Mutex::new(Some(VecDeque::new())),
            exit: OnceLock::new(),
            fault: OnceLock::new(),
        });
        let reader = Arc::clone(&new);
        let max_message = self.max_message;
        // Should the door be shut, the thread finds the other end closed.
        std::thread::Builder::new()
            .name("pexec-actor".to_owned())
            .spawn(move || reader.read(max_message))?;
        socket::send_with_fds(&*self.door, &[IoSlice::new(b"k")], &[theirs.as_fd()])?;
        Ok(Arc::clone(line.insert(new)))
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let line = self.line.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = line {
            socket::end_sending(&line.socket);
        }
    }
}

impl Line {
    fn sending(&self) -> MutexGuard<'_, ()> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<VecDeque<SlotRef>>> {
        // Nothing that can panic runs under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&self, kind: u8, pieces: &[&[u8]], descriptors: &[Arc<OwnedFd>], slot: &SlotRef) {
        let _sending = self.sending();
        match &mut *self.waiting() {
            Some(waiting) => waiting.push_back(SlotRef::clone(slot)),
            None => {
                slot.fail(TaskError::Died(self.gone(slot)));
                return;
            }
        }
        if let Err(error) = line::send(&self.socket, kind, pieces, descriptors) {
            self.fault
                .get_or_init(|| format!("a call could not be sent to the actor: {error}"));
            // Half a frame may be out. The reader ends with this end, and tells everybody who waits.
            socket::end(&self.socket);
        }
    }

    /// Puts answers down until there are no more.
    fn read(&self, max_message: u64) {
        while let Ok(Some(frame)) = line::receive(&self.socket, max_message) {
            let slot = self.waiting().as_mut().and_then(VecDeque::pop_front);
            let (Some(slot), Some(end)) = (slot, end_of(frame)) else {
                break;
            };
            if let Err(error) = &end
                && let Some(autopsy) = error.autopsy()
            {
                self.exit.get_or_init(|| autopsy.exit);
            }
            slot.complete(end);
        }
        let waiting = self.waiting().take();
        for slot in waiting.into_iter().flatten() {
            slot.fail(TaskError::Crashed(self.gone(&slot)));
        }
    }

    /// All that is known from here, when the line has ended with calls on it.
    fn gone(&self, slot: &Slot) -> Autopsy {
        Autopsy {
            task: slot.name(),
            pid: self.pid,
            slot: 0,
            attempt: 1,
            phase: Phase::Running,
            exit: Exit::Unknown,
            ran_for: Duration::ZERO,
            cpu_time: None,
            peak_rss: None,
            output_tail: String::new(),
            last_progress: None,
            verdict: self.fault.get().cloned().unwrap_or_else(|| {
                "the process that had started the actor is gone, and the actor with it".to_owned()
            }),
            history: None,
        }
    }
}

/// `None`: not an answer.
fn end_of(frame: Frame) -> Option<End> {
    let Frame {
        kind,
        body,
        descriptors,
    } = frame;
    match kind {
        VALUE if descriptors.is_empty() => Some(Ok(Value::Encoded(Bytes::from(body)))),
        VALUE => Some(Ok(Value::Carried(Box::new(Carried {
            bytes: Bytes::from(body),
            descriptors,
        })))),
        FAILURE => Some(Err(codec::decode(&body).ok()?)),
        _ => None,
    }
}
