//! Carrying out what the core has decided, in its order.

use std::sync::atomic::Ordering;
use std::time::Instant;

use nix::sys::signal::Signal;
use pexec_ipc::process;
use pexec_proto::codec;
use pexec_proto::{Context, FunctionRef, HEADER_LEN, Header, Kind};

use super::link::Link;
use super::outbox::Outbox;
use super::{Driver, Source, batches};
use crate::core::{Action, Ending, Key};
use crate::error::{Deadline, TaskError};
use crate::future::bytes::Bytes;
use crate::future::slot::SlotRef;
use crate::process::StartMethod;
use crate::process::info::resident_bytes;

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
            self.shared.queue.left(left_queue);
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
            } => self.send(worker, key, cell, attempt, None, left_queue),
            Action::Divide { worker, key, cell } => self.divide(worker, key, cell),
            Action::Leave { worker } => {
                if let Some(link) = &mut self.links.0[worker] {
                    link.outbox.push(&Header::control(Kind::Stop, 0).encode());
                    self.unsent.insert(worker);
                }
            }
            Action::Weigh { worker } => {
                if let Some(link) = &self.links.0[worker] {
                    self.core.weighed(worker, resident_bytes(link.pid as u32));
                }
            }
            Action::Terminate { worker } => {
                self.signal(worker, Signal::SIGTERM);
                // A stopped process takes the signal only once it continues.
                self.signal(worker, Signal::SIGCONT);
            }
            Action::Kill { worker } if self.links.0[worker].is_none() => self.withdraw(now, worker),
            Action::Kill { worker } => self.signal(worker, Signal::SIGKILL),
            Action::AskToStop { worker, id } => {
                if let Some(link) = &self.links.0[worker] {
                    link.cells.ask_to_stop(id);
                    // A full pipe already says that there is something to look at.
                    let _ = nix::unistd::write(&link.lifeline, &[1]);
                }
            }
            Action::Again { key, ending } => {
                if let Some(task) = &self.tasks[key as usize] {
                    task.keep_attempt(self.error_of(task, key, ending));
                }
            }
            Action::Complete { key, ending } => self.complete(key, ending, left_queue),
            Action::Broken { reason } => {
                self.note_only_end(None);
                if let Some(only) = self.shared.only.get() {
                    only.set_broken(&reason);
                }
                tracing::error!(pool = %self.shared.name, %reason, "pool broken");
                self.shared.queue.refuse_from_now_on(reason);
            }
            Action::Closed => self.closed = true,
        }
    }

    fn spawn(&mut self, now: Instant, worker: usize) {
        self.generations[worker] += 1;
        let started = match self.launch.method {
            StartMethod::Spawn => {
                let generation = self.generations[worker];
                let started = self.launch.start(worker, generation, now, &self.shared.watch);
                started.map(|link| self.has_started(worker, link))
            }
            StartMethod::Zygote => self.want_fork(now, worker),
        };
        let told = match started {
            Ok(pid) => Ok(pid),
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

    /// There is a process in this slot: its number.
    pub(super) fn has_started(&mut self, worker: usize, link: Link) -> u32 {
        let pid = link.pid as u32;
        tracing::debug!(pool = %self.shared.name, slot = worker, pid, "worker started");
        self.shared.set_page(worker, Some(link.cells.clone()));
        self.suspend_new(&link);
        self.links.0[worker] = Some(link);
        // Nobody has asked its bell to ring.
        self.silent.insert(worker);
        pid
    }

    /// Puts a task's call into its worker's outbox. `argument`: what the task keeps, where it is at hand.
    pub(super) fn send(
        &mut self,
        worker: usize,
        key: Key,
        cell: u16,
        attempt: u32,
        argument: Option<&Bytes>,
        left_queue: &mut usize,
    ) {
        let (Some(link), Some(task)) = (&mut self.links.0[worker], &self.tasks[key as usize]) else {
            return;
        };
        let id = task.next_id().0;
        if task.waiting.load(Ordering::Relaxed) {
            *left_queue += usize::from(task.waiting.swap(false, Ordering::Relaxed));
        }
        link.cells.send(cell);
        let label = task.label();
        let timeout = self.core.timeout(key);
        let limits = self.core.limits(key);
        let timed = self.timings.wants(id, attempt);
        if timed || label.is_some() || attempt > 1 || timeout.is_some() || limits.is_some() {
            let context = Context {
                label: label.map(str::to_owned),
                attempt,
                timeout_ms: timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
                limits,
                timed,
            };
            let mut body = Vec::new();
            // Numbers and a text always have a form; without one the task runs without its context.
            if codec::encode(&context, &mut body).is_ok() {
                link.outbox
                    .push(&Header::task(Kind::Context, body.len() as u32, cell, id).encode());
                link.outbox.push(&body);
            }
        }
        let function = task.call.map(|call| match &self.function {
            Some((last, bytes)) if std::ptr::eq(*last, call) => *bytes,
            _ => self.function.insert((call, call.reference().encode())).1,
        });
        self.busy.insert(worker);
        self.unsent.insert(worker);
        tracing::trace!(task = id, slot = worker, attempt, "dispatched");
        if let Some(descriptors) = task.descriptors() {
            link.push_descriptors(descriptors);
        }
        if let (Some(batch), Some(function)) = (task.batch(), &function) {
            return batches::send(&mut link.outbox, batch, function, cell, id);
        }
        let kept = if argument.is_none() { task.argument() } else { None };
        let (Some(function), Some(argument)) = (function, argument.or(kept.as_ref())) else {
            // A task that is sent has a function, and an argument until it has ended.
            return;
        };
        // Submission refused what would not fit.
        let len = (FunctionRef::LEN + argument.len()) as u32;
        let mut head = [0; HEADER_LEN + FunctionRef::LEN];
        head[..HEADER_LEN].copy_from_slice(&Header::task(Kind::Call, len, cell, id).encode());
        head[HEADER_LEN..].copy_from_slice(&function);
        link.outbox.push(&head);
        link.outbox.push_body(argument);
    }

    pub(super) fn signal(&self, worker: usize, signal: Signal) {
        if let Some(link) = &self.links.0[worker] {
            // The leader was not reaped, so the group is still this worker's.
            process::kill_group(link.pid, signal);
            if signal == Signal::SIGKILL {
                link.end_groups();
            }
        }
    }

    /// How the attempt of a task ended that gave no answer.
    fn error_of(&self, task: &SlotRef, key: Key, ending: Ending) -> TaskError {
        match ending {
            Ending::Cancelled => TaskError::Cancelled,
            Ending::Expired => TaskError::Expired(Deadline::Queue),
            Ending::Broken(reason) => self.not_started(task, reason),
            Ending::Crashed(ran) => self.crashed(self.autopsy(task, ran)),
            Ending::TimedOut(ran) => {
                let mut autopsy = self.autopsy(task, ran);
                let limit = self.core.timeout(key).unwrap_or(ran.ran_for);
                autopsy.verdict = format!("it ran longer than its timeout of {limit:?}");
                TaskError::TimedOut(autopsy)
            }
            Ending::LimitExceeded(ran) => TaskError::LimitExceeded(self.autopsy(task, ran)),
            Ending::Killed(ran) => {
                let mut autopsy = self.autopsy(task, ran);
                autopsy.verdict = "it was ended on request".to_owned();
                TaskError::Killed(autopsy)
            }
        }
    }

    fn complete(&mut self, key: Key, ending: Ending, left_queue: &mut usize) {
        if let Some(task) = self.tasks[key as usize].take() {
            self.timings.forget(task.id().0);
            let worker = ending.worker();
            if let Some(worker) = worker
                && let Some(output) = self.last_output(worker)
            {
                task.set_output(output);
            }
            *left_queue += usize::from(task.waiting.swap(false, Ordering::Relaxed));
            let error = self.error_of(&task, key, ending);
            tracing::debug!(task = task.id().0, %error, "outcome");
            self.note_only_end(error.autopsy());
            if task.batch().is_some() {
                return self.end_item(key, task, &error);
            }
            let end = Err(Box::new(error));
            match worker {
                Some(worker) => self.observer.complete(worker, task, end),
                None => {
                    task.complete(end);
                }
            }
        }
        self.core.release(key);
    }

    /// Writes what waits, as far as it goes.
    pub(super) fn flush(&mut self, now: Instant) {
        let mut from = 0;
        while let Some(slot) = self.unsent.next(from) {
            from = slot + 1;
            let Some(link) = self.links.0[slot].as_mut().filter(|link| !link.hung_up) else {
                self.unsent.remove(slot);
                continue;
            };
            let flushed = link.flush();
            if let Err(error) = &flushed
                && error.kind() == std::io::ErrorKind::InvalidData
            {
                // A ring whose marks cannot be.
                self.fault(slot, now, error.to_string());
                self.unsent.remove(slot);
                continue;
            }
            let left = flushed.unwrap_or_else(|error| {
                tracing::debug!(slot, %error, "writing to a worker failed");
                // What the worker had sent before may still be unread: the next turn reads it, then the end.
                link.outbox = Outbox::default();
                self.core.hung_up(now, slot);
                false
            });
            if !left {
                self.unsent.remove(slot);
            }
            // A ring has its bell for that.
            let wants_room = left && link.live_rings().is_none();
            if wants_room != link.wants_room {
                link.wants_room = wants_room;
                self.shared
                    .watch
                    .want_room(&link.socket, Source::Channel(slot), wants_room);
            }
        }
    }
}
