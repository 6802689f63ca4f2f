//! The end of a worker's process: what it left behind is read, its group is ended, then it is reaped.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use pexec_ipc::cells::Stage as TaskStage;
use pexec_ipc::{process, reap};
use pexec_proto::Stage;

use super::channel::Reading;
use super::link::Link;
use super::{Driver, Source};
use crate::autopsy::{Autopsy, Exit, Phase, limit_hint, limit_verdict, verdict};
use crate::core::{Departure, Ran};
use crate::error::TaskError;
use crate::future::slot::SlotRef;
use crate::limits::in_force;
use crate::outcome::Output;
use crate::process::alone::{Only, Sole};

/// What is known of the worker that ended last in a slot.
#[derive(Clone, Debug)]
pub(super) struct Remains {
    pid: u32,
    exit: Exit,
    phase: Phase,
    cpu_time: Option<Duration>,
    peak_rss: Option<u64>,
    tail: String,
    alloc_failed: bool,
    fault: Option<String>,
    /// Which limit it had reached.
    limit: Option<String>,
    /// What limits may have to do with it.
    hint: Option<String>,
    /// What it had printed in the task that it ran, where that is captured.
    output: Option<Output>,
}

impl Driver {
    /// Deals with the workers that the events say have ended.
    pub(super) fn find_exits(&mut self, now: Instant, ready: &[Source]) {
        for source in ready {
            if *source == Source::TemplateExit {
                self.find_template_exit(now);
            }
            // The slot may have a new worker since the event: its pidfd has the last word.
            if let Source::Exit(slot) = *source
                && self.has_ended(slot)
            {
                self.bury(slot, now);
            }
        }
    }

    fn has_ended(&self, slot: usize) -> bool {
        self.links
            .0
            .get(slot)
            .and_then(Option::as_ref)
            .is_some_and(|link| readable(&link.pidfd))
    }

    fn bury(&mut self, slot: usize, now: Instant) {
        let Some(link) = &self.links.0[slot] else { return };
        // The zombie keeps its number, and so its group's, from being given to a stranger: signal first, reap then.
        process::kill_group(link.pid, Signal::SIGKILL);
        link.end_groups();
        // Answers that were complete before the end count. Whoever could still write is dead by now, and a flood is
        // bounded by what its ring or socket holds.
        while self.read_from(slot, now) == Reading::Some && self.has_input(slot) {}
        self.read_notes(slot);
        let named = self.links.0[slot]
            .as_ref()
            .map_or(0, |link| link.cells.running().0);
        let running = self.save_batch(slot, (named != 0).then_some(named), now);
        let Some(mut link) = self.links.0[slot].take() else {
            return;
        };
        self.shared.set_page(slot, None);
        self.observer.departed(slot);
        self.busy.remove(slot);
        self.silent.remove(slot);
        self.unsent.remove(slot);
        link.stderr.read_rest(&mut self.terminal, &self.shared.watch);
        if let Some(stdout) = &mut link.stdout {
            stdout.read_rest(&mut self.terminal, &self.shared.watch);
        }
        let output = running.and_then(|task| {
            let stdout = link.stdout.as_mut()?;
            Some(Output {
                stdout: stdout.take_unfinished(task),
                stderr: link.stderr.take_unfinished(task),
            })
        });
        let mut remains = Remains::of(&link);
        let limits = running.and_then(|id| {
            let own = self.core.limits(self.core.running(slot, id)?);
            in_force(self.launch.limits, own)
        });
        if let Some(limits) = limits {
            remains.limit = limit_verdict(remains.exit, remains.alloc_failed, &limits);
            remains.hint = limit_hint(remains.exit, &limits);
        }
        remains.output = output;
        let reason = remains.reason();
        let limit = remains.limit.is_some();
        tracing::debug!(pool = %self.shared.name, slot, pid = link.pid, %reason, "worker ended");
        if let Some(only) = self.shared.only.get() {
            only.set_exit(remains.exit);
        }
        let departure = Departure {
            running,
            reason,
            limit,
        };
        self.remains[slot] = Some(remains);
        self.core.departed(now, slot, &departure, &mut self.links);
        // At once, while what is known of this slot is about this worker.
        self.carry_out(now);
    }

    fn has_input(&mut self, slot: usize) -> bool {
        self.links.0[slot]
            .as_mut()
            .is_some_and(|link| match link.live_rings() {
                Some(rings) => rings.answers.has_news(),
                None => readable(&link.socket),
            })
    }

    /// What the task has printed that ended with the worker in this slot.
    pub(super) fn last_output(&mut self, worker: usize) -> Option<Output> {
        self.remains[worker].as_mut()?.output.take()
    }

    /// What is to be said of a task that ended with its worker.
    pub(super) fn autopsy(&self, task: &SlotRef, ran: Ran) -> Autopsy {
        Autopsy {
            last_progress: task.progress(),
            ..self.autopsy_of(task.name(), ran)
        }
    }

    fn autopsy_of(&self, task: String, ran: Ran) -> Autopsy {
        let remains = self.remains[ran.worker].clone().unwrap_or_else(Remains::unknown);
        let verdict = match &remains.fault {
            Some(fault) => format!("the worker broke the protocol and was ended: {fault}"),
            None if remains.limit.is_some() => remains.limit.unwrap_or_default(),
            None => {
                let verdict = verdict(
                    remains.exit,
                    &remains.tail,
                    remains.alloc_failed,
                    remains.peak_rss,
                );
                verdict + &remains.hint.unwrap_or_default()
            }
        };
        Autopsy {
            task,
            pid: remains.pid,
            slot: ran.worker,
            attempt: ran.attempt,
            phase: remains.phase,
            exit: remains.exit,
            ran_for: ran.ran_for,
            cpu_time: remains.cpu_time,
            peak_rss: remains.peak_rss,
            output_tail: remains.tail,
            last_progress: None,
            verdict,
            history: None,
        }
    }
}

/// The only worker of all time, and what its end means.
impl Driver {
    /// A task that ended with a worker that nobody of ours has ended, unless it was signalled on request.
    pub(super) fn crashed(&self, mut autopsy: Autopsy) -> TaskError {
        if self.shared.only.get().is_some_and(Only::was_signalled) {
            autopsy.verdict = "it was ended on request".to_owned();
            return TaskError::Killed(autopsy);
        }
        TaskError::Crashed(autopsy)
    }

    /// A task that had not started when the pool broke.
    pub(super) fn not_started(&self, task: &SlotRef, reason: String) -> TaskError {
        match self.shared.only.get().map(|only| (only.kind, only.end())) {
            Some((Sole::Actor, Some(end))) => TaskError::Died(end.clone()),
            // To whom it belongs the process is the task, ready or not.
            Some((Sole::Process, _)) => self.crashed(self.autopsy_of(task.name(), Ran::NOTHING)),
            Some((Sole::Actor, None)) | None => TaskError::PoolBroken(reason),
        }
    }

    /// Takes note of what the end of the only worker is to be known by, once it has ended: the autopsy of the task that
    /// ended with it, or of none.
    pub(super) fn note_only_end(&self, autopsy: Option<&Autopsy>) {
        let Some(only) = self.shared.only.get() else {
            return;
        };
        if only.exit().is_none() {
            return;
        }
        only.set_end(|| match autopsy {
            Some(autopsy) => autopsy.clone(),
            None => match self.crashed(self.autopsy_of("no call".to_owned(), Ran::NOTHING)) {
                TaskError::Crashed(autopsy) | TaskError::Killed(autopsy) => autopsy,
                _ => unreachable!("a crash is one of these"),
            },
        });
    }

    /// Signals the only worker's group; a stopped one continues, so that it gets the signal.
    pub(super) fn signal_only(&self, signal: Signal) {
        let (Some(only), Some(link)) = (self.shared.only.get(), &self.links.0[0]) else {
            return;
        };
        only.set_signalled();
        process::kill_group(link.pid, signal);
        if signal == Signal::SIGKILL {
            link.end_groups();
        } else {
            process::kill_group(link.pid, Signal::SIGCONT);
        }
    }
}

pub(super) fn readable(fd: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|n| n > 0)
}

impl Remains {
    fn unknown() -> Remains {
        Remains {
            pid: 0,
            exit: Exit::Unknown,
            phase: Phase::Idle,
            cpu_time: None,
            peak_rss: None,
            tail: String::new(),
            alloc_failed: false,
            fault: None,
            limit: None,
            hint: None,
            output: None,
        }
    }

    /// Reaps the process, which has ended.
    fn of(link: &Link) -> Remains {
        let phase = match (link.stage, link.cells.running().1) {
            (Stage::Handshake, _) => Phase::Handshake,
            (Stage::Setup, _) => Phase::Initializing,
            (Stage::Serving, TaskStage::None) => Phase::Idle,
            (Stage::Serving, TaskStage::Receiving) => Phase::Receiving,
            (Stage::Serving, TaskStage::Decoding) => Phase::Decoding,
            (Stage::Serving, TaskStage::Running) => Phase::Running,
            (Stage::Serving, TaskStage::Encoding) => Phase::Encoding,
            (Stage::Serving, TaskStage::Sending) => Phase::Sending,
        };
        let mut remains = Remains {
            pid: link.pid as u32,
            phase,
            ..Remains::unknown()
        };
        remains.tail = link.stderr.tail();
        remains.alloc_failed = link.stderr.alloc_failed;
        remains.fault.clone_from(&link.fault);
        // The pidfd says that it has ended, so this does not wait; an error means that somebody else reaped it.
        if let Ok(Some(reaped)) = reap::reap(link.pid) {
            remains.exit = match reaped.exit {
                reap::Exit::Code(code) => Exit::Code(code),
                reap::Exit::Signal(signal) => Exit::Signal(signal),
            };
            remains.cpu_time = Some(reaped.user + reaped.system);
            remains.peak_rss = Some(reaped.max_rss_bytes);
        }
        remains
    }

    fn reason(&self) -> String {
        if let Some(fault) = &self.fault {
            return fault.clone();
        }
        let mut text = format!("worker {} ended by {} in {}", self.pid, self.exit, self.phase);
        if let Some(last) = self.tail.trim_end().lines().last() {
            text.push_str(": ");
            text.push_str(last);
        }
        text
    }
}
