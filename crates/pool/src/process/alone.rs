//! A pool whose only worker is never replaced: what a process of its own and an actor are made of.
//!
//! It has a driver and a thread like any other pool, which end with the worker. Its drop does nothing: whoever has it
//! decides what is waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use nix::sys::signal::Signal;

use super::encode;
use super::queue::{Command, NewTask, Pushed};
use super::shared::Shared;
use super::{HANDLE_WEIGHT, ProcessPoolBuilder};
use crate::autopsy::{Autopsy, Exit};
use crate::error::BuildError;
use crate::function::{Descriptor, Payload};
use crate::future::control::Controller;
use crate::future::slot::{Carried, Slot, SlotRef};
use crate::ids::next_task_id;
use crate::options::TaskOptions;

/// Whose only worker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sole {
    Process,
    Actor,
}

/// What is known of the only worker.
pub(crate) struct Only {
    pub(crate) kind: Sole,
    /// Somebody asked for a signal to be sent to it.
    signalled: AtomicBool,
    exit: OnceLock<Exit>,
    /// What its end is known by, to tasks that it did not start.
    end: OnceLock<Autopsy>,
    /// Why nothing is accepted any more.
    broken: OnceLock<String>,
}

impl Only {
    pub(crate) fn new(kind: Sole) -> Only {
        Only {
            kind,
            signalled: AtomicBool::new(false),
            exit: OnceLock::new(),
            end: OnceLock::new(),
            broken: OnceLock::new(),
        }
    }

    pub(crate) fn set_signalled(&self) {
        self.signalled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn was_signalled(&self) -> bool {
        self.signalled.load(Ordering::Relaxed)
    }

    pub(crate) fn set_exit(&self, exit: Exit) {
        self.exit.get_or_init(|| exit);
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        self.exit.get().copied()
    }

    pub(crate) fn set_end(&self, autopsy: impl FnOnce() -> Autopsy) {
        self.end.get_or_init(autopsy);
    }

    pub(crate) fn set_broken(&self, reason: &str) {
        self.broken.get_or_init(|| reason.to_owned());
    }

    pub(crate) fn end(&self) -> Option<&Autopsy> {
        self.end.get()
    }
}

pub(crate) struct Alone {
    shared: Arc<Shared>,
    controller: Controller,
    pid: u32,
}

impl Alone {
    pub(crate) fn start(builder: ProcessPoolBuilder, sole: Sole) -> Result<Alone, BuildError> {
        let (pool, pid) = builder.workers(1).start(Some(sole))?;
        let shared = pool.into_shared();
        Ok(Alone {
            controller: shared.controller(),
            shared,
            pid,
        })
    }

    /// Submits a call; a refusal is its outcome.
    pub(crate) fn submit<A: Payload>(
        &self,
        call: &'static Descriptor,
        arg: &A,
        mut options: TaskOptions,
    ) -> SlotRef {
        let mut descriptors = Vec::new();
        match encode(arg, self.shared.max_message, &mut descriptors) {
            Ok(bytes) => self.submit_encoded(call, Carried { bytes, descriptors }, options),
            Err(error) => {
                let control = Arc::clone(&self.controller);
                let slot = Slot::new(next_task_id(), control, options.take_extra());
                slot.fail(error);
                slot
            }
        }
    }

    /// Likewise, of an argument that has its form.
    pub(crate) fn submit_encoded(
        &self,
        call: &'static Descriptor,
        Carried { bytes, descriptors }: Carried,
        mut options: TaskOptions,
    ) -> SlotRef {
        let (id, control) = (next_task_id(), Arc::clone(&self.controller));
        let policy = options.given().and_then(|options| options.policy(None, None, 0));
        let size = bytes.len().max(descriptors.len() * HANDLE_WEIGHT);
        let (extra, kept) = (options.take_extra(), bytes.clone());
        let slot = if descriptors.is_empty() {
            Slot::with_call(id, control, extra, call, kept)
        } else {
            let carried = Carried {
                bytes: kept,
                descriptors,
            };
            Slot::with_handles(id, control, extra, call, carried)
        };
        let task = NewTask {
            slot: SlotRef::clone(&slot),
            argument: bytes,
            size,
            policy,
        };
        if let Pushed::Refused(refusal) = self.shared.push_task(true, task) {
            slot.fail(self.shared.refused(&refusal));
        }
        slot
    }

    /// The longest argument or result in bytes.
    pub(crate) fn max_message(&self) -> u64 {
        self.shared.max_message
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How the process ended; `None` while it has not been reaped.
    pub(crate) fn exit(&self) -> Option<Exit> {
        self.shared.only.get().and_then(Only::exit)
    }

    /// Why the worker ended, or did not become one.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.shared.only.get()?.broken.get().map(String::as_str)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.shared.push(Command::Signal(signal));
    }

    /// Accepts nothing more; the worker leaves once what was submitted has ended.
    pub(crate) fn close(&self) {
        self.shared.push(Command::ShutDown { cancel_queued: false });
    }

    pub(crate) fn terminate(&self) {
        self.shared.push(Command::Terminate);
    }

    /// Waits until the process is gone and reaped. False: not until then, or this thread would have to see to it.
    pub(crate) fn wait_gone(&self, until: Option<Instant>) -> bool {
        self.shared.wait_finished(until)
    }

    /// Waits until every callback has run.
    pub(crate) fn drain_callbacks(&self) {
        self.shared.callbacks.drain();
    }
}
