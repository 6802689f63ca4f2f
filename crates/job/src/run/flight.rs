//! An attempt that is on its way: submitted, and not yet come home.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use pexec::{TaskError, TaskFuture};

use super::follow::Follow;
use super::inbox::Inbox;
use super::line::Ticket;
use super::tail::Tail;
use super::{Options, OutputKind};
use crate::event::Who;
use crate::exec::{Notes, Report, Stream};
use crate::files::Stamp;
use crate::plan::Instance;
use crate::secrets::Secrets;
use crate::text::Text;

/// An instance between attempts.
pub(super) struct Ready {
    pub(super) task: usize,
    pub(super) who: Who,
    pub(super) instance: Instance,
    /// The attempt to come, from 1.
    pub(super) attempt: u32,
    /// It was told that this attempt comes.
    pub(super) announced: bool,
    /// Until when it has to start, if it has not yet.
    pub(super) expires: Option<Instant>,
    /// What it takes from groups and memory.
    pub(super) ticket: Option<Ticket>,
    /// How its outputs were when the attempt was submitted.
    pub(super) before: Vec<Option<Stamp>>,
}

/// An attempt under way.
pub(super) struct Flight {
    pub(super) ready: Ready,
    way: Way,
    /// Its `started` was told, and when.
    pub(super) started: Option<Instant>,
    /// It had waited too long, and was taken back.
    pub(super) expired: bool,
    /// The strongest wish that has reached it.
    pub(super) asked: Asked,
    /// It runs a function in the worker itself, which ends with it.
    is_call: bool,
    /// What it has printed is read from its files.
    pub(super) tail: Option<Tail>,
    /// The same byte by byte, once it is followed.
    pub(super) follow: Option<Follow>,
    within: Within,
}

/// How far an attempt has come.
#[expect(
    clippy::large_enum_variant,
    reason = "there are few at a time, and a box would be one more allocation for each attempt"
)]
enum Way {
    /// It is with the executor.
    Out(TaskFuture<Report>),
    /// It was home before anybody waited for it.
    Home(Result<Report, TaskError>),
}

/// Tells the run that an attempt is home, on the thread that brings it: a callback of the future would have a thread
/// of its own woken for it first.
struct Arrival {
    inbox: Arc<Inbox>,
    flight: u64,
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        self.inbox.done(self.flight);
    }
}

/// Streams that are in the middle of a line.
#[derive(Default)]
pub(super) struct Within([bool; 2]);

/// What an attempt was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    /// To go on.
    Nothing,
    /// To stop of its own accord.
    Stop,
    /// It is being killed, or will never start.
    Kill,
}

impl Flight {
    /// The flight of this number; the inbox is told when it is home.
    pub(super) fn new(
        number: u64,
        ready: Ready,
        mut future: TaskFuture<Report>,
        is_call: bool,
        tail: Option<Tail>,
        inbox: &Arc<Inbox>,
    ) -> Flight {
        let arrival = Waker::from(Arc::new(Arrival {
            inbox: Arc::clone(inbox),
            flight: number,
        }));
        let way = match Pin::new(&mut future).poll(&mut Context::from_waker(&arrival)) {
            Poll::Pending => Way::Out(future),
            Poll::Ready(result) => {
                inbox.done(number);
                Way::Home(result)
            }
        };
        Flight {
            ready,
            way,
            started: None,
            expired: false,
            asked: Asked::Nothing,
            is_call,
            tail,
            follow: None,
            within: Within::default(),
        }
    }

    /// Sees to it that the attempt does not start, if it has not.
    pub(super) fn take_back(&mut self) {
        if let Way::Out(future) = &self.way
            && self.asked == Asked::Nothing
            && future.cancel()
        {
            self.asked = Asked::Kill;
        }
    }

    /// Takes it back because it has waited too long, unless it has started.
    pub(super) fn expire(&mut self) {
        let before = self.asked;
        self.take_back();
        self.expired |= self.asked > before;
    }

    /// Passes a wish on to an attempt that runs. One that it does not reach (it is just starting, say) is asked
    /// again later.
    pub(super) fn ask(&mut self, wish: Asked) {
        if wish <= self.asked {
            return;
        }
        let heard = match (wish, &self.way) {
            (Asked::Nothing, _) | (_, Way::Home(_)) => true,
            // A function need not look whether it is to stop: the pool has a ladder for its worker.
            // One on a thread it can only ask.
            (Asked::Stop, Way::Out(future)) if self.is_call => future.kill() || future.interrupt(),
            (Asked::Stop, Way::Out(future)) => future.interrupt(),
            (Asked::Kill, Way::Out(future)) => future.kill(),
        };
        if heard {
            self.asked = wish;
        }
    }

    /// It is home: what it was about, how it ended, whether its start was told and when, and who reads its files.
    pub(super) fn land(self) -> (Ready, Result<Report, TaskError>, Option<Instant>, Option<Tail>) {
        let result = match self.way {
            Way::Out(future) => future.result(),
            Way::Home(result) => result,
        };
        (self.ready, result, self.started, self.tail)
    }

    /// Cuts what streamed in into lines.
    pub(super) fn lines<'a>(&mut self, stream: Stream, bytes: &'a [u8]) -> Vec<OutputKind<'a>> {
        self.within.lines(stream, bytes)
    }
}

impl Within {
    /// Cuts what streamed in into lines. It holds whole lines or pieces of one, never both.
    pub(super) fn lines<'a>(&mut self, stream: Stream, bytes: &'a [u8]) -> Vec<OutputKind<'a>> {
        let within = &mut self.0[stream as usize];
        bytes
            .split_inclusive(|&b| b == b'\n')
            .map(|line| {
                let begins = !*within;
                let ends = line.ends_with(b"\n");
                *within = !ends;
                OutputKind::Line {
                    stream,
                    line: line.strip_suffix(b"\n").unwrap_or(line),
                    begins,
                    ends,
                }
            })
            .collect()
    }
}

impl Ready {
    /// What the attempt is told beside its command.
    pub(super) fn notes(&self, options: &Options) -> Notes {
        use std::os::unix::ffi::OsStrExt;
        let text = |path: &Path| Text::from(path.as_os_str().as_bytes().to_vec());
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        let run: String = options.run_id.chars().take(40).map(plain).collect();
        Notes {
            stream: options.stream,
            spill_dir: text(&options.spill_dir),
            inline_limit: options.inline_limit,
            making: None,
            cgroup: options.cgroup.as_deref().map(text),
            token: format!("{run}-{}-{}-{}", self.task, self.instance.index, self.attempt),
        }
    }
}

pub(crate) fn who(task: &str, instance: &Instance, secrets: &Secrets) -> Who {
    let (mut label, mut item) = (instance.label.clone(), instance.item.clone());
    secrets.hide_text(&mut label);
    item.iter_mut().for_each(|item| secrets.hide_text(item));
    Who {
        id: format!("{task}/{}", instance.index),
        task: task.to_owned(),
        index: instance.index,
        label,
        item,
        key: Some(instance.key(task, secrets)),
    }
}
