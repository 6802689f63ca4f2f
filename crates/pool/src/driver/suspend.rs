//! Everything that runs stands still for a while, and no time passes for it.
//!
//! Race: a worker reaps what it has started, and a number that was reaped may mean a stranger. So a worker is stopped
//! first, and only once the kernel says that it is are its groups: from then on it reaps nobody. When they go on the order
//! is the other way round, and the worker learns how long it stood before it can look at a clock.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pexec_ipc::process;

use super::Driver;
use super::link::Link;
use crate::core::Policy;

/// How long to wait for the kernel to stop a process: one that waits for a device stops only then.
const PATIENCE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_micros(200);

impl Driver {
    /// Stops the workers, the groups that they have started, and the clock.
    pub(super) fn suspend(&mut self) {
        if self.clock.is_stopped() {
            return;
        }
        self.clock.stop();
        self.template.signal(Signal::SIGSTOP);
        let links = || self.links.0.iter().flatten();
        for link in links() {
            process::kill_group(link.pid, Signal::SIGSTOP);
        }
        let until = Instant::now() + PATIENCE;
        for link in links() {
            while !process::is_stopped(link.pid) && !process::has_ended(link.pid) && Instant::now() < until {
                std::thread::sleep(LOOK);
            }
            if process::is_stopped(link.pid) {
                link.signal_groups(Signal::SIGSTOP);
            } else {
                tracing::warn!(pid = link.pid, "not stopped in time; what it has started goes on");
            }
        }
    }

    /// A worker that came to be meanwhile stands still with the others.
    pub(super) fn suspend_new(&self, link: &Link) {
        if self.clock.is_stopped() {
            process::kill_group(link.pid, Signal::SIGSTOP);
        }
    }

    /// Lets everything go on.
    pub(super) fn resume(&mut self) {
        let stood = self.clock.go_on();
        if stood.is_zero() {
            return;
        }
        for link in self.links.0.iter().flatten() {
            link.cells.add_suspended(stood);
            if process::is_stopped(link.pid) {
                link.signal_groups(Signal::SIGCONT);
            }
            process::kill_group(link.pid, Signal::SIGCONT);
        }
        self.template.signal(Signal::SIGCONT);
    }

    /// What was given by the ordinary clock, by this one.
    pub(super) fn timed(&self, mut policy: Option<Box<Policy>>) -> Option<Box<Policy>> {
        if let Some(policy) = &mut policy {
            policy.not_before = policy.not_before.map(|at| self.clock.of(at));
            policy.start_by = policy.start_by.map(|at| self.clock.of(at));
        }
        policy
    }
}

impl Link {
    /// Signals the groups of a worker that is stopped: those that it has registered, and those of children that it was
    /// about to register.
    fn signal_groups(&self, signal: Signal) {
        let mut groups: Vec<i32> = self.cells.groups().collect();
        groups.extend(process::children_of_stopped(self.pid));
        groups.sort_unstable();
        groups.dedup();
        let own = nix::unistd::getpgrp().as_raw();
        for group in groups.into_iter().filter(|&group| group != own) {
            process::kill_group(group, signal);
        }
    }
}
