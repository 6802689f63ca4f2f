//! What the pool's thread sleeps on, and a caller that leads: one epoll set for the flags of the two, every worker's process, channel and
//! standard error, and our own standard error while something waits to be written there.
//!
//! It is used without the driver's lock, so that a submitting thread can have the driver while the pool's thread
//! sleeps. A descriptor that is closed leaves the set by itself; an event that was reported for it before finds
//! nothing to read, and does no harm.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use pexec_ipc::wake::Wake;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Somebody has raised the pool's thread's flag.
    WakePool,
    /// Somebody has raised the flag of the caller that leads.
    WakeCaller,
    /// Our own standard error takes bytes again.
    Terminal,
    /// The process of the worker in this slot has ended.
    Exit(usize),
    /// Its channel has bytes or room.
    Channel(usize),
    /// Its standard error has bytes.
    Stderr(usize),
    /// Its standard output has bytes, where that is captured.
    Stdout(usize),
    /// It has rung: there is something in its rings, or room.
    Bell(usize),
    /// The process of the pool's template has ended.
    TemplateExit,
    /// Its channel has bytes.
    TemplateChannel,
    /// Its standard error has bytes.
    TemplateStderr,
}

impl Source {
    fn token(self) -> u64 {
        match self {
            Source::WakePool => 0,
            Source::Terminal => 1,
            Source::WakeCaller => 2,
            Source::TemplateExit => 3,
            Source::TemplateChannel => 4,
            Source::TemplateStderr => 5,
            Source::Exit(slot) => 8 + 8 * slot as u64,
            Source::Channel(slot) => 9 + 8 * slot as u64,
            Source::Stderr(slot) => 10 + 8 * slot as u64,
            Source::Bell(slot) => 11 + 8 * slot as u64,
            Source::Stdout(slot) => 12 + 8 * slot as u64,
        }
    }

    fn of(token: u64) -> Source {
        let slot = (token / 8).saturating_sub(1) as usize;
        match token {
            0 => Source::WakePool,
            1 => Source::Terminal,
            2 => Source::WakeCaller,
            3 => Source::TemplateExit,
            4 => Source::TemplateChannel,
            5 => Source::TemplateStderr,
            _ => match token % 8 {
                0 => Source::Exit(slot),
                1 => Source::Channel(slot),
                2 => Source::Stderr(slot),
                3 => Source::Bell(slot),
                _ => Source::Stdout(slot),
            },
        }
    }
}

pub(crate) struct Watch {
    epoll: Epoll,
    pub(crate) wake_pool: Wake,
    pub(crate) wake_caller: Wake,
}

impl Watch {
    pub(crate) fn new() -> io::Result<Watch> {
        let watch = Watch {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            wake_pool: Wake::new()?,
            wake_caller: Wake::new()?,
        };
        watch.add(&watch.wake_pool, Source::WakePool)?;
        watch.add(&watch.wake_caller, Source::WakeCaller)?;
        Ok(watch)
    }

    /// Reports when there is something to read, or the end.
    pub(crate) fn add(&self, fd: &impl AsFd, source: Source) -> io::Result<()> {
        Ok(self
            .epoll
            .add(fd, EpollEvent::new(EpollFlags::EPOLLIN, source.token()))?)
    }

    /// Reports each time that the flag is raised; nobody has to lower it.
    pub(crate) fn add_bell(&self, bell: &Wake, source: Source) -> io::Result<()> {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        Ok(self.epoll.add(bell, EpollEvent::new(flags, source.token()))?)
    }

    /// Reports when the descriptor takes bytes.
    pub(crate) fn add_writable(&self, fd: &impl AsFd, source: Source) -> io::Result<()> {
        Ok(self
            .epoll
            .add(fd, EpollEvent::new(EpollFlags::EPOLLOUT, source.token()))?)
    }

    /// Whether to report room for bytes as well.
    pub(crate) fn want_room(&self, fd: &impl AsFd, source: Source, wanted: bool) {
        let flags = if wanted {
            EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT
        } else {
            EpollFlags::EPOLLIN
        };
        // It is in the set as long as the driver thinks so.
        let _ = self.epoll.modify(fd, &mut EpollEvent::new(flags, source.token()));
    }

    pub(crate) fn remove(&self, fd: &impl AsFd) {
        // Not there any more is as good.
        let _ = self.epoll.delete(fd);
    }

    /// Waits for events; `None`: for ever. Rounds up to a millisecond, or the last one before a timer would be spent
    /// spinning. Interrupted or failed: no events, and the turn that follows does no harm.
    pub(crate) fn wait(&self, timeout: Option<Duration>, into: &mut Vec<Source>) {
        let mut events = [EpollEvent::empty(); 64];
        let timeout = match timeout {
            None => EpollTimeout::NONE,
            Some(left) => EpollTimeout::from(left.as_micros().div_ceil(1000).min(60_000) as u16),
        };
        let n = self.epoll.wait(&mut events, timeout).unwrap_or(0);
        into.extend(events[..n].iter().map(|event| Source::of(event.data())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_comes_back_as_itself() {
        for source in [
            Source::WakePool,
            Source::WakeCaller,
            Source::Terminal,
            Source::Exit(0),
            Source::Channel(63),
            Source::Stderr(7),
            Source::Bell(63),
            Source::Stdout(5),
            Source::TemplateExit,
            Source::TemplateChannel,
            Source::TemplateStderr,
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
