//! Watches a started command to its end: drains its pipes, heeds the clock and the run's wish to stop, ends what
//! is left of its group, reaps it.
//!
//! One `poll` waits for all of it, so neither pipe can fill up while the other is read. The order at the end
//! carries the safety of every signal sent: the group is killed while its leader is still a zombie, because the
//! kernel gives neither the pid nor the group id to anybody else until the leader is reaped; only then is it
//! reaped.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use pexec_ipc::process::kill_group;

use super::clock;
use super::ladder::{KILL, Ladder};
use super::meter::Meter;
use super::note::{self, Note};
use super::pipe::Pipe;
use super::start::Started;
use super::{End, Notes, Report, StopReason, Stream};
use crate::command::Command;
use crate::limits::{Limits, MemoryBy};

/// How long a descendant may hold the output open after the command has ended.
const LEAK_WAIT: Duration = Duration::from_millis(100);
/// What a pipe holds (1 MiB at most without privilege), in reads: bounds the last look at a killed group's pipe.
const LAST_READS: usize = 16;
const SIGXCPU: i32 = Signal::SIGXCPU as i32;
/// How a shell ends when its last command did by that.
const SHELL_SIGXCPU: i32 = 128 + SIGXCPU;
/// How often a task on a thread looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(20);
const READ: usize = 64 * 1024;
/// Most commands write less, and do without the large buffer.
const FIRST_READ: usize = 4 * 1024;
/// A command that has ended by then is told of once, at its end: every word wakes the supervisor.
const TOLD_AFTER: Duration = Duration::from_millis(5);
/// So long only a command's end is waited for. The pipes hold what a short command writes, and each word of it, each
/// of its streams that it closes and its end would wake this process, in the middle of the command.
const PIPES_AFTER: Duration = Duration::from_millis(2);
/// What a command writes that runs for longer can be seen while it runs; a shorter one makes no file for that.
const SHOWN_AFTER: Duration = Duration::from_millis(150);

pub(super) fn attend(started: Started, command: &Command, notes: &Notes, began: Instant) -> Report {
    let Started {
        pid,
        pidfd,
        stdout,
        stderr,
        targets,
        guard,
        leaf,
    } = started;
    // What the kernel keeps needs no looking after.
    let watched = Limits {
        memory: command.limits.memory.filter(|_| leaf.is_none()),
        ..command.limits
    };
    let mut watch = Watch {
        pid,
        pidfd: pidfd.as_fd(),
        cancel: pexec::task::cancel_fd(),
        looks: pexec::task::current().is_some(),
        pipes: [
            Pipe::new(stdout, Stream::Stdout, notes),
            Pipe::new(stderr, Stream::Stderr, notes),
        ],
        deadline: command.timeout.and_then(|limit| began.checked_add(limit)),
        ladder: None,
        meter: Meter::new(&watched, pid, began),
        stopped: None,
        ended: None,
        buffer: vec![0; FIRST_READ],
        tell_at: Some(began + TOLD_AFTER),
        pipes_from: Some(began + PIPES_AFTER),
        show_at: Some(began + SHOWN_AFTER),
    };
    if notes.stream {
        // Its lines must not come before it.
        watch.tell_started();
    }
    let leaky = watch.until_ended(command);
    let wall = watch.ended.unwrap_or_else(clock::now) - began;

    kill_group(pid, Signal::SIGKILL);
    if let Some(kept) = &leaf {
        kept.leaf.kill();
    }
    if leaky {
        watch.last_look();
    }
    // The group is dead and its id still reserved by the zombie: after the reap the guard could hit a stranger.
    drop(guard);
    let reaped = pexec_ipc::reap::reap_blocking(pid);

    let Watch {
        pipes: [stdout, stderr],
        mut stopped,
        ..
    } = watch;
    let (stdout, out_fault) = stdout.finish();
    let (stderr, err_fault) = stderr.finish();
    let mut fault = out_fault.or(err_fault);
    let (end, cost) = match reaped {
        Ok(reaped) => match reaped.exit {
            pexec_ipc::reap::Exit::Code(code) => (End::Exited(code), Some(reaped)),
            pexec_ipc::reap::Exit::Signal(signal) => (End::Signaled(signal), Some(reaped)),
        },
        Err(_) => (End::Unknown, None),
    };
    let succeeded = matches!(end, End::Exited(code) if command.ok_exit.contains(&code));
    let spent = cost.map_or(Duration::ZERO, |cost| cost.user + cost.system);
    // The kernel may have been quicker to see it; it counts by ticks, so what it tells in the end may be less than the
    // limit that it has kept.
    let told = matches!(end, End::Signaled(SIGXCPU) | End::Exited(SHELL_SIGXCPU));
    if !succeeded && command.limits.cpu_time.is_some_and(|most| told || spent >= most) {
        stopped.get_or_insert(StopReason::CpuTime);
    }
    let memory_by = command.limits.memory.map(|_| match &leaf {
        Some(_) => MemoryBy::Cgroup,
        None => MemoryBy::Sampling,
    });
    let memory_peak = leaf.as_ref().and_then(|kept| kept.leaf.peak());
    if let Some(kept) = leaf
        && !succeeded
        && kept.leaf.was_exceeded()
    {
        let used = memory_peak.or(command.limits.memory).unwrap_or_default();
        stopped.get_or_insert(StopReason::Memory { used });
    }
    if succeeded && stopped.is_none() && fault.is_none() {
        fault = targets.into_iter().find_map(|target| target.publish().err());
    }
    Report {
        end,
        pid: Some(pid as u32),
        worker: note::worker(),
        wall,
        user: cost.map_or(Duration::ZERO, |c| c.user),
        system: cost.map_or(Duration::ZERO, |c| c.system),
        peak_rss: cost.map_or(0, |c| c.max_rss_bytes),
        stdout,
        stderr,
        leaky,
        stopped,
        fault,
        memory_by,
        memory_peak,
        content: None,
    }
}

/// Sends `signal` to every process of the group. One that is gone already needs nothing.
fn signal_group(pgid: i32, signal: i32) {
    if let Ok(signal) = Signal::try_from(signal) {
        kill_group(pgid, signal);
    }
}

struct Watch<'a> {
    pid: i32,
    pidfd: BorrowedFd<'a>,
    /// Readable when the run wants it to stop.
    cancel: Option<BorrowedFd<'static>>,
    /// Without that (a task on a thread has none), the wish is looked for every [`LOOK`].
    looks: bool,
    pipes: [Pipe; 2],
    deadline: Option<Instant>,
    ladder: Option<Ladder<'a>>,
    meter: Meter,
    stopped: Option<StopReason>,
    ended: Option<Instant>,
    buffer: Vec<u8>,
    /// When the run is to be told that it has started, if that was not done.
    tell_at: Option<Instant>,
    /// From when on the pipes are looked at, unless the command ends before; `None`: they are.
    pipes_from: Option<Instant>,
    /// When others may want to see what it has written, if they cannot yet.
    show_at: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Returns when the command has ended and its output is complete. True: it is not, for a descendant holds it
    /// open.
    fn until_ended(&mut self, command: &'a Command) -> bool {
        loop {
            let open = self.pipes.iter().any(Pipe::is_open);
            let now = clock::now();
            match self.ended {
                Some(_) if !open => return false,
                Some(at) if now >= at + LEAK_WAIT => return true,
                Some(_) => {}
                None => self.press(command, now),
            }
            if self.ended.is_some() || self.pipes_from.is_some_and(|at| now >= at) {
                self.pipes_from = None;
            }
            let wake = self.wait(self.next_instant());
            for (pipe, ready) in self.pipes.iter_mut().zip(wake.pipes) {
                if ready
                    && !pipe.read(&mut self.buffer, READ)
                    && self.ladder.is_none()
                    && self.ended.is_none()
                {
                    // Its output cannot be kept: whatever it does from here on is a failure.
                    self.ladder = Some(Ladder::new(&command.kill, clock::now()));
                }
            }
            if wake.ended && self.ended.is_none() {
                self.ended = Some(clock::now());
            } else if wake.cancelled && self.ended.is_none() && self.ladder.is_none() {
                self.stop(StopReason::Interrupted, command, clock::now());
            }
        }
    }

    fn tell_started(&mut self) {
        self.tell_at = None;
        pexec::task::emit(&Note::started(self.pid as u32).encode());
    }

    /// Does what the clock asks for: tells the start, starts the ladder at the timeout, climbs it when a step is due.
    fn press(&mut self, command: &'a Command, now: Instant) {
        if self.tell_at.is_some_and(|at| now >= at) {
            self.tell_started();
        }
        if self.show_at.is_some_and(|at| now >= at) {
            self.show_at = None;
            self.pipes.iter_mut().for_each(Pipe::show);
        }
        if self.ladder.is_none() && self.deadline.is_some_and(|at| now >= at) {
            self.stop(StopReason::Timeout, command, now);
        }
        match self.meter.look(now) {
            None => {}
            Some(reason @ StopReason::Memory { .. }) => {
                // Whatever it does when asked politely, it does with memory that others need.
                self.stopped.get_or_insert(reason);
                self.ladder = Some(Ladder::new(&[], now));
                self.meter.kill_strays();
                self.meter.rest();
            }
            Some(reason) if self.ladder.is_none() => self.stop(reason, command, now),
            Some(_) => {}
        }
        let Some(ladder) = &mut self.ladder else { return };
        if let Some(signal) = ladder.climb(now) {
            signal_group(self.pid, signal);
            if signal != KILL {
                // A stopped process acts on no signal but KILL until it is continued.
                kill_group(self.pid, Signal::SIGCONT);
            }
        }
    }

    fn stop(&mut self, reason: StopReason, command: &'a Command, now: Instant) {
        self.stopped = Some(reason);
        self.ladder = Some(Ladder::new(&command.kill, now));
    }

    fn next_instant(&self) -> Option<Instant> {
        let next = match (self.ended, &self.ladder) {
            (Some(at), _) => return Some(at + LEAK_WAIT),
            (None, Some(ladder)) => ladder.due(),
            (None, None) => self.deadline,
        };
        let look =
            (self.looks && self.cancel.is_none() && self.ladder.is_none()).then(|| clock::now() + LOOK);
        [
            next,
            look,
            self.tell_at,
            self.pipes_from,
            self.show_at,
            self.meter.due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn wait(&self, until: Option<Instant>) -> Wake {
        // Slots of the poll set: pipes first, then the process, then the wish to stop.
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(4);
        let mut place = [None; 2];
        let pipes: &[Pipe] = if self.pipes_from.is_some() {
            &[]
        } else {
            &self.pipes
        };
        for (pipe, place) in pipes.iter().zip(&mut place) {
            if let Some(file) = pipe.file() {
                *place = Some(fds.len());
                fds.push(PollFd::new(file.as_fd(), PollFlags::POLLIN));
            }
        }
        let process = self.ended.is_none().then(|| {
            fds.push(PollFd::new(self.pidfd, PollFlags::POLLIN));
            fds.len() - 1
        });
        let cancel = self
            .cancel
            .filter(|_| self.ended.is_none() && self.ladder.is_none())
            .map(|cancel| {
                fds.push(PollFd::new(cancel, PollFlags::POLLIN));
                fds.len() - 1
            });
        let timeout = match until {
            None => PollTimeout::NONE,
            // Rounded up: waking early would spin until the instant has come.
            Some(at) => {
                let left = at
                    .saturating_duration_since(clock::now())
                    .as_nanos()
                    .div_ceil(1_000_000);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
        };
        if poll(&mut fds, timeout).is_err() {
            return Wake::default();
        }
        let ready = |at: Option<usize>| {
            at.is_some_and(|at| fds[at].revents().is_some_and(|events| !events.is_empty()))
        };
        let cancelled = ready(cancel) || (self.looks && self.cancel.is_none() && pexec::task::cancelled());
        Wake {
            pipes: place.map(ready),
            ended: ready(process),
            cancelled,
        }
    }

    /// Takes what a killed group had written before; what others write from now on is not the command's.
    fn last_look(&mut self) {
        self.buffer.resize(READ, 0);
        for pipe in &mut self.pipes {
            for _ in 0..LAST_READS {
                let Some(file) = pipe.file() else { break };
                let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
                if !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1)) {
                    break;
                }
                pipe.read(&mut self.buffer, READ);
            }
            pipe.close();
        }
    }
}

#[derive(Default)]
struct Wake {
    pipes: [bool; 2],
    ended: bool,
    cancelled: bool,
}
