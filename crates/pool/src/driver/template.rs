//! The pool's template, where workers are forked: who waits for a fork, and what its end means for them.
//!
//! One fork at a time. What a worker waits for, the core need not know: to it such a worker is one that starts. When the
//! template ends, running workers go on, and the next one that is wanted brings a new template. A template that ends
//! before it is ready, or while it forks, is one failed start: of the worker that was first in the row; the others come
//! again with it.

mod running;

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use nix::sys::signal::Signal;
use pexec_ipc::{process, reap};
use pexec_proto::{Forked, Stage};

use super::departed::readable;
use super::spawn::Launch;
use super::stderr::Terminal;
use super::{Driver, Source, Watch};
use crate::core::{Departure, Standing};
use running::{Forking, Running, Said};

/// What workers are forked from; nothing, until the first one is wanted.
#[derive(Default)]
pub(super) struct Template {
    running: Option<Box<Running>>,
    /// The slots that a worker is wanted for, in order. There is a template while there are any.
    waiting: VecDeque<usize>,
    generation: u64,
}

impl Template {
    pub(super) fn read_stderr(&mut self, terminal: &mut Terminal, watch: &Watch) {
        if let Some(running) = &mut self.running {
            running.stderr.read(terminal, watch);
        }
    }

    pub(super) fn resume_stderr(&mut self, terminal: &Terminal, watch: &Watch) {
        if let Some(running) = &mut self.running {
            running.stderr.resume(Source::TemplateStderr, terminal, watch);
        }
    }

    /// Signals it and what its initializer has started.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running {
            process::kill_group(running.pid, signal);
        }
    }

    fn start(&mut self, launch: &Launch, watch: &Watch) -> io::Result<i32> {
        self.generation += 1;
        let running = Running::start(launch, self.generation, watch)?;
        Ok(self.running.insert(Box::new(running)).pid)
    }
}

impl Driver {
    /// A worker is to be forked for this slot; gives the template's pid. The core hears of it as of any start.
    pub(super) fn want_fork(&mut self, now: Instant, slot: usize) -> io::Result<u32> {
        // As long as it waits it has no time limit: the initializer may take as long as it likes.
        self.core.authenticated(slot);
        let fresh = self.template.running.is_none();
        let pid = match &self.template.running {
            Some(running) => {
                if running.hung_up {
                    // It should have ended by itself. Its end brings the next one.
                    process::kill_group(running.pid, Signal::SIGKILL);
                }
                running.pid
            }
            None => self.template.start(&self.launch, &self.shared.watch)?,
        };
        if fresh {
            tracing::debug!(pool = %self.shared.name, pid, "template started");
            if self.clock.is_stopped() {
                self.template.signal(Signal::SIGSTOP);
            }
            self.core.handshake_begins(now, slot);
        }
        self.template.waiting.push_back(slot);
        self.fork_next(now);
        Ok(pid as u32)
    }

    /// Asks for the next fork, if somebody waits for one and the template has nothing to do.
    fn fork_next(&mut self, now: Instant) {
        loop {
            let Template { running, waiting, .. } = &mut self.template;
            let Some(running) = running.as_mut().filter(|r| r.is_free()) else {
                return;
            };
            let Some(slot) = waiting.pop_front() else { return };
            match self.launch.prepare(slot, self.generations[slot]) {
                Ok((ends, given)) => {
                    running.ask(slot, ends, given, &self.shared.watch);
                    return self.core.handshake_begins(now, slot);
                }
                Err(error) => self.not_forked(now, slot, &error.to_string()),
            }
        }
    }

    /// The kernel gives no process, or not what belongs to one.
    fn not_forked(&mut self, now: Instant, slot: usize, reason: &str) {
        tracing::warn!(pool = %self.shared.name, slot, %reason, "worker could not be forked");
        self.core.start_refused(now, slot, reason, &mut self.links);
    }

    pub(super) fn read_template(&mut self, now: Instant) {
        let generation = self.template.generation;
        let mut said = Vec::new();
        let Some(running) = self.template.running.as_mut().filter(|r| !r.hung_up) else {
            return;
        };
        let more = running.read(&self.launch, generation, &mut said);
        running.flush(&self.shared.watch);
        for said in said {
            match said {
                Said::Authenticated => {
                    if let Some(&first) = self.template.waiting.front() {
                        self.core.authenticated(first);
                    }
                }
                Said::Forked(forked) => self.forked(now, forked),
            }
        }
        if more {
            self.fork_next(now);
        } else if let Some(running) = &mut self.template.running {
            running.hang_up(&self.shared.watch);
        }
    }

    fn forked(&mut self, now: Instant, Forked { refused }: Forked) {
        let Some(running) = &mut self.template.running else {
            return;
        };
        let Some(forking) = running.forking.take() else {
            return running.kill(|| "it forked unasked".to_owned());
        };
        match (running.cells.take_forked(), refused) {
            (Some(pid), _) => self.adopt(now, forking, pid),
            (None, Some(reason)) => self.not_forked(now, forking.slot, &reason),
            (None, None) => {
                running.forking = Some(forking);
                running.kill(|| "it says that it has forked, and has not".to_owned());
            }
        }
    }

    /// The worker for which the template was asked is this process.
    fn adopt(&mut self, now: Instant, Forking { slot, ends, .. }: Forking, pid: i32) {
        // The number comes out of memory that anybody may have written to; only a child of ours can be meant.
        if process::lead_group(pid).is_err() {
            let departure = Departure {
                reason: format!("worker {pid} ended before anybody saw it"),
                ..Departure::default()
            };
            self.core.departed(now, slot, &departure, &mut self.links);
            return;
        }
        let watch = &self.shared.watch;
        let watched = process::watch(pid).and_then(|pidfd| {
            watch.add(&pidfd, Source::Exit(slot))?;
            ends.watch(slot, watch)?;
            Ok(pidfd)
        });
        match watched {
            Ok(pidfd) => {
                self.has_started(slot, ends.link(process::Child { pid, pidfd }, now));
                if self.core.standing(slot).0 == Standing::Ending {
                    self.signal(slot, Signal::SIGKILL);
                }
            }
            Err(error) => {
                process::kill_group(pid, Signal::SIGKILL);
                let _ = reap::reap_blocking(pid);
                self.not_forked(now, slot, &error.to_string());
            }
        }
    }

    /// The worker that is to start in this slot, and has no process, is not to start any more.
    pub(super) fn withdraw(&mut self, now: Instant, slot: usize) {
        let Template { running, waiting, .. } = &mut self.template;
        let Some(running) = running else { return };
        if let Some(forking) = running.forking.as_mut().filter(|f| f.slot == slot) {
            // A template that is about to fork is worth a moment: it may have taken long to make.
            let waits = !std::mem::replace(&mut forking.withdrawn, true) && self.core.kill_later(now, slot);
            if !waits {
                running.kill(|| "the template did not fork a worker in time".to_owned());
            }
            return;
        }
        let Some(at) = waiting.iter().position(|&waits| waits == slot) else {
            return;
        };
        let greets = at == 0 && running.stage == Stage::Handshake;
        if greets && self.core.is_faulty(slot) {
            return running.kill(|| "the template did not finish its handshake in time".to_owned());
        }
        waiting.remove(at);
        self.withdrawn = true;
        if let Some(&first) = waiting.front().filter(|_| greets) {
            self.core.handshake_begins(now, first);
        }
        self.core
            .departed(now, slot, &Departure::default(), &mut self.links);
    }

    pub(super) fn find_template_exit(&mut self, now: Instant) {
        if !self.template.running.as_ref().is_some_and(|r| readable(&r.pidfd)) {
            return;
        }
        // What it said before its end counts, a fork above all.
        self.read_template(now);
        let Some(mut running) = self.template.running.take() else {
            return;
        };
        let mut charged = None;
        if let Some(forking) = running.forking.take() {
            match running.cells.take_forked() {
                Some(pid) => self.adopt(now, forking, pid),
                None => charged = Some(forking.slot),
            }
        }
        // The zombie keeps its number, and so its group's, from being given to a stranger.
        process::kill_group(running.pid, Signal::SIGKILL);
        running.stderr.read_rest(&mut self.terminal, &self.shared.watch);
        let ready = running.stage == Stage::Serving && running.fault.is_none();
        let reason = running.remains();
        tracing::debug!(pool = %self.shared.name, pid = running.pid, %reason, "template ended");
        let mut waiting = std::mem::take(&mut self.template.waiting);
        if charged.is_none() && !ready {
            charged = waiting.pop_front();
        }
        match charged {
            Some(slot) => {
                for slot in waiting {
                    self.core.postpone(now, slot);
                }
                let departure = Departure {
                    reason,
                    ..Departure::default()
                };
                self.core.departed(now, slot, &departure, &mut self.links);
            }
            // Its last fork went well: on with the next template.
            None => {
                for slot in waiting {
                    if let Err(error) = self.want_fork(now, slot) {
                        self.not_forked(now, slot, &error.to_string());
                    }
                }
            }
        }
        self.carry_out(now);
    }
}
