//! The actor where it was started, and the door for handles in other processes.
//!
//! A handle that is sent away is a *door*: one end of a socket pair, through which whoever has it sends us the ends of
//! lines of its own. So a door may be copied, sent on, and used by several attempts of one task. The door's thread has
//! a share of the actor until every copy is closed, and each line's two threads until its other end is done with: the
//! actor ends with the last handle anywhere.
//!
//! On a line, one thread takes calls in, the other answers them in their order, which is that in which the actor does
//! them. What is not answered is bounded: whoever calls faster waits.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use nix::sys::signal::Signal;
use pexec_ipc::socket;
use pexec_proto::codec;

use super::line::{self, CALL, FAILURE, Frame, KILL, SHUT_DOWN, VALUE};
use crate::error::TaskError;
use crate::function::Descriptor;
use crate::future::bytes::Bytes;
use crate::future::slot::{Carried, End, SlotRef, Value};
use crate::future::wait::until_done;
use crate::options::TaskOptions;
use crate::process::alone::Alone;

/// Calls of one line that wait for their answer.
const UNANSWERED: usize = 1024;

pub(super) struct Home {
    pub(super) alone: Alone,
    /// The door that was given out last, while anybody of ours still keeps it.
    door: Mutex<Weak<OwnedFd>>,
}

impl Home {
    pub(super) fn new(alone: Alone) -> Home {
        Home {
            alone,
            door: Mutex::default(),
        }
    }

    /// A door to give away.
    pub(super) fn door(self: &Arc<Home>) -> io::Result<Arc<OwnedFd>> {
        let mut given = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = given.upgrade() {
            return Ok(door);
        }
        let (ours, theirs) = socket::pair()?;
        let home = Arc::clone(self);
        start("pexec-door", move || home.keep_door(&ours))?;
        let door = Arc::new(theirs);
        *given = Arc::downgrade(&door);
        Ok(door)
    }

    fn keep_door(self: Arc<Home>, door: &OwnedFd) {
        let mut knock = [0; 1];
        while let Ok(lines) = socket::receive_exact_with_fds(door, &mut knock) {
            for line in lines {
                let home = Arc::clone(&self);
                // Without a thread the line is closed, which its other end sees.
                let started = start("pexec-line", move || home.keep_line(line));
                if let Err(error) = started {
                    tracing::warn!(%error, "an actor's handle in another process cannot be served");
                }
            }
        }
    }

    /// Takes calls in until the other end has no more.
    fn keep_line(self: Arc<Home>, line: OwnedFd) {
        let (answers, answered) = sync_channel(UNANSWERED);
        let line = Arc::new(line);
        let (home, back) = (Arc::clone(&self), Arc::clone(&line));
        if start("pexec-line", move || home.answer(&back, &answered)).is_err() {
            return;
        }
        loop {
            match line::receive(&line, self.alone.max_message()) {
                Ok(Some(frame)) => self.take_in(frame, &answers),
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "a line to an actor has ended");
                    return;
                }
            }
        }
    }

    fn take_in(&self, frame: Frame, answers: &SyncSender<Answer>) {
        let answer = match frame.kind {
            CALL => self.call(frame),
            KILL => return self.alone.signal(Signal::SIGKILL),
            SHUT_DOWN => {
                self.alone.close();
                Answer::Gone
            }
            other => Answer::Refused(TaskError::Decode(format!(
                "argument of an unknown request {other} to an actor"
            ))),
        };
        // The other thread lives as long as this one.
        let _ = answers.send(answer);
    }

    fn call(&self, frame: Frame) -> Answer {
        let Frame {
            mut body,
            descriptors,
            ..
        } = frame;
        let parts = line::split_call(&body)
            .ok_or_else(|| "of a call that is cut off".to_owned())
            .and_then(|(function, details, argument)| {
                let details = details.map_err(|e| format!("of a call with unreadable options: {e}"))?;
                let call = Descriptor::resolve(function).map_err(|e| format!("of an unknown call: {e}"))?;
                Ok((call, details, body.len() - argument.len()))
            });
        let (call, details, head) = match parts {
            Ok(parts) => parts,
            Err(why) => return Answer::Refused(TaskError::Decode(format!("argument {why}"))),
        };
        let mut options = TaskOptions::default();
        if let Some(label) = details.label {
            options.set().label = Some(label.into_boxed_str());
        }
        if let Some(timeout) = details.timeout {
            options.set().timeout = Some(timeout);
        }
        body.drain(..head);
        let bytes = Bytes::from(body);
        let carried = Carried { bytes, descriptors };
        Answer::Task(self.alone.submit_encoded(call, carried, options))
    }

    /// Answers in the order of the calls. One that nobody waits for any more is waited for all the same: the actor does
    /// not end before it is done.
    fn answer(&self, line: &OwnedFd, answers: &Receiver<Answer>) {
        for answer in answers {
            let end = match answer {
                Answer::Task(slot) => {
                    until_done(&slot, None);
                    slot.take().unwrap_or_else(|| Err(Box::new(TaskError::Cancelled)))
                }
                Answer::Refused(error) => Err(Box::new(error)),
                Answer::Gone => {
                    self.alone.wait_gone(None);
                    Ok(Value::Encoded(Bytes::copy(&[])))
                }
            };
            // To one that is gone nothing can be said.
            let _ = send_end(line, end);
        }
    }
}

/// What is due for a request.
enum Answer {
    Task(SlotRef),
    Refused(TaskError),
    /// Once the process is gone.
    Gone,
}

fn send_end(line: &OwnedFd, end: End) -> io::Result<()> {
    let error = match end {
        Ok(Value::Encoded(bytes)) => {
            let (front, rest) = bytes.parts();
            return line::send(line, VALUE, &[front, rest], &[]);
        }
        Ok(Value::Carried(carried)) => {
            let (front, rest) = carried.bytes.parts();
            return line::send(line, VALUE, &[front, rest], &carried.descriptors);
        }
        Ok(Value::Local(_) | Value::Batch) => Box::new(TaskError::Decode(
            "result of another kind than a call's".to_owned(),
        )),
        Err(error) => error,
    };
    let mut body = Vec::new();
    codec::encode(&*error, &mut body).map_err(io::Error::other)?;
    line::send(line, FAILURE, &[&body], &[])
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map(drop)
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.alone.terminate();
        } else {
            self.alone.close();
        }
        if self.alone.wait_gone(None) {
            self.alone.drain_callbacks();
        }
    }
}
