//! Carrying out what the core has decided, in its order.

use std::time::Instant;

use nix::sys::signal::Signal;
use pexec_ipc::process;
use pexec_proto::codec;
use pexec_proto::{Context, FunctionRef, Header, Kind};

use super::outbox::Outbox;
use super::{Driver, Source};
use crate::core::{Action, Ending, Key};
use crate::error::TaskError;

impl Driver {
    /// Carries out everything that is decided by now.
    pub(super) fn carry_out(&mut self, now: Instant) {
        let mut actions = std::mem::take(&mut self.actions);
        loop {
            self.core.take_actions(&mut actions);
            if actions.is_empty() {
                break;
            }
            let mut left_queue = 0;
            for action in actions.drain(..) {
                self.carry_out_one(now, action, &mut left_queue);
            }
            self.shared.left_queue(left_queue);
        }
        self.actions = actions;
    }

    fn carry_out_one(&mut self, now: Instant, action: Action, left_queue: &mut usize) {
        match action {
            Action::Spawn { worker } => self.spawn(now, worker),
            Action::Send {
                worker,
                key,
                cell,
                attempt,
            } => self.send(worker, key, cell, attempt, left_queue),
            Action::Leave { worker } => {
                if let Some(link) = &mut self.links.0[worker] {
                    link.outbox.push(&Header::control(Kind::Stop, 0).encode());
                }
            }
            Action::Terminate { worker } => {
                self.signal(worker, Signal::SIGTERM);
                // A stopped process takes the signal only once it continues.
                self.signal(worker, Signal::SIGCONT);
            }
            Action::Kill { worker } => self.signal(worker, Signal::SIGKILL),
            Action::AskToStop { worker, id } => {
                if let Some(link) = &self.links.0[worker] {
                    link.cells.ask_to_stop(id);
                    // A full pipe already says that there is something to look at.
                    let _ = nix::unistd::write(&link.lifeline, &[1]);
                }
            }
            Action::Started { key } => {
                if let Some(payload) = &self.payloads[key as usize] {
                    payload.slot.set_running();
                }
            }
            Action::Waiting { key } => {
                if let Some(payload) = &self.payloads[key as usize] {
                    payload.slot.set_queued();
                }
            }
            Action::Complete { key, ending } => self.complete(key, ending, left_queue),
            Action::Broken { reason } => {
                tracing::error!(pool = %self.shared.name, %reason, "pool broken");
                self.shared.refuse_from_now_on(reason);
            }
            Action::Closed => self.closed = true,
        }
    }

    fn spawn(&mut self, now: Instant, worker: usize) {
        self.generations[worker] += 1;
        let started = self
            .launch
            .start(worker, self.generations[worker], now, &self.shared.watch);
        let told = match started {
            Ok(link) => {
                tracing::debug!(pool = %self.shared.name, slot = worker, pid = link.pid, "worker started");
                self.links.0[worker] = Some(link);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(pool = %self.shared.name, slot = worker, %error, "worker could not be started");
                self.core
                    .start_refused(now, worker, &error.to_string(), &mut self.links);
                Err(error)
            }
        };
        if let Some(first) = self.first_start.take() {
            let _ = first.send(told);
        }
    }

    fn send(&mut self, worker: usize, key: Key, cell: u16, attempt: u32, left_queue: &mut usize) {
        let (Some(link), Some(payload)) = (&mut self.links.0[worker], &mut self.payloads[key as usize])
        else {
            return;
        };
        let task = payload.slot.id().0;
        *left_queue += usize::from(std::mem::take(&mut payload.waiting));
        link.cells.send(cell);
        let label = payload.slot.label();
        if label.is_some() || attempt > 1 || payload.timeout.is_some() {
            let timeout_ms = payload
                .timeout
                .map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
            let context = Context {
                label: label.map(str::to_owned),
                attempt,
                timeout_ms,
            };
            let mut body = Vec::new();
            // Two numbers and a text always have a form; without one the task runs without its context.
            if codec::encode(&context, &mut body).is_ok() {
                link.outbox
                    .push(&Header::task(Kind::Context, body.len() as u32, cell, task).encode());
                link.outbox.push(&body);
            }
        }
        // Submission refused what would not fit.
        let len = (FunctionRef::LEN + payload.arg.len()) as u32;
        let mut head = [0; pexec_proto::HEADER_LEN + FunctionRef::LEN];
        let (header, function) = head.split_at_mut(pexec_proto::HEADER_LEN);
        header.copy_from_slice(&Header::task(Kind::Call, len, cell, task).encode());
        function.copy_from_slice(&payload.function.encode());
        link.outbox.push(&head);
        link.outbox.push_body(&payload.arg);
        tracing::trace!(task, slot = worker, attempt, "dispatched");
    }

    fn signal(&self, worker: usize, signal: Signal) {
        if let Some(link) = &self.links.0[worker] {
            // The leader was not reaped, so the group is still this worker's.
            process::kill_group(link.pid, signal);
            if signal == Signal::SIGKILL {
                link.cells
                    .groups()
                    .for_each(|group| process::kill_group(group, signal));
            }
        }
    }

    fn complete(&mut self, key: Key, ending: Ending, left_queue: &mut usize) {
        if let Some(payload) = self.payloads[key as usize].take() {
            *left_queue += usize::from(payload.waiting);
            let error = match ending {
                Ending::Cancelled => TaskError::Cancelled,
                Ending::Broken(reason) => TaskError::PoolBroken(reason),
                Ending::Crashed(ran) => TaskError::Crashed(self.autopsy(&payload.slot, ran)),
                Ending::TimedOut(ran) => {
                    let mut autopsy = self.autopsy(&payload.slot, ran);
                    let limit = payload.timeout.unwrap_or(ran.ran_for);
                    autopsy.verdict = format!("it ran longer than its timeout of {limit:?}");
                    TaskError::TimedOut(autopsy)
                }
                Ending::Killed(ran) => {
                    let mut autopsy = self.autopsy(&payload.slot, ran);
                    autopsy.verdict = "it was ended on request".to_owned();
                    TaskError::Killed(autopsy)
                }
            };
            tracing::debug!(task = payload.slot.id().0, %error, "outcome");
            payload.slot.complete(Err(Box::new(error)));
        }
        self.core.release(key);
    }

    /// Writes what waits, as far as it goes.
    pub(super) fn flush(&mut self, now: Instant) {
        for slot in 0..self.links.0.len() {
            let Some(link) = &mut self.links.0[slot] else {
                continue;
            };
            if link.hung_up || (link.outbox.is_empty() && !link.wants_room) {
                continue;
            }
            if link.outbox.flush(&link.socket).is_err() {
                // What the worker had sent before may still be unread: the next turn reads it, then the end.
                link.outbox = Outbox::default();
                self.core.hung_up(now, slot);
            }
            let wants_room = !link.outbox.is_empty();
            if wants_room != link.wants_room {
                link.wants_room = wants_room;
                self.shared
                    .watch
                    .want_room(&link.socket, Source::Channel(slot), wants_room);
            }
        }
    }
}
