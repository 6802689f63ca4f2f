//! Writes what tasks printed, on a thread of its own: a reader that does not read must not keep the run from
//! noticing Ctrl-C.
//!
//! Owned here: standard output, the tasks' share of standard error, and the block at the bottom of the screen. Pieces are
//! written in the order in which they were handed over, to either. At most [`BACKLOG`] bytes wait, then handing over
//! waits, unless the run has been asked to stop: then what still ends may pile up, and is bounded by what was running.
//! Of the block only the latest state waits, so it costs the run nothing, however slow the terminal.

mod screen;
mod streams;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::signals::Interrupt;
use crate::terminal::Terminal;
use streams::Streams;

/// Bytes that may wait to be written.
const BACKLOG: u64 = 1 << 20;
/// Bytes that are worth a write of their own.
const CHUNK: u64 = 64 << 10;
/// How often a wait looks whether the run was asked to stop.
const LOOK: Duration = Duration::from_millis(50);

/// How long somebody waits at most for the screen to be clean.
const CURTAIN: Duration = Duration::from_secs(1);

/// Which of the command's own streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl From<pexec_job::exec::Stream> for Stream {
    fn from(stream: pexec_job::exec::Stream) -> Stream {
        match stream {
            pexec_job::exec::Stream::Stdout => Stream::Out,
            pexec_job::exec::Stream::Stderr => Stream::Err,
        }
    }
}

/// Something to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Everything in this file from this byte on; the file is removed afterwards.
    File { path: PathBuf, from: u64, len: u64 },
}

impl Piece {
    /// In bytes, wherever they are: a reader that does not read must not fill the disk either.
    fn size(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::File { from, len, .. } => len - from,
        }
    }
}

/// The thread and its queue.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    interrupt: Interrupt,
    thread: thread::JoinHandle<()>,
}

/// Takes the block off the screen for a while, from any thread.
#[derive(Clone)]
pub(crate) struct Curtain(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    pieces: VecDeque<(Stream, Piece)>,
    /// The block that is to be shown next.
    block: Option<Vec<String>>,
    /// So many lines the terminal has moved the cursor down by itself.
    moved_down: usize,
    /// Nothing is to be on the screen, and whether that is so by now.
    hidden: Option<bool>,
    /// Handed over and not yet written.
    bytes: u64,
    /// Nothing more will be handed over.
    closed: bool,
    /// Everything is written.
    done: bool,
    /// Why standard output cannot be written any more; taken by whoever reports it.
    fault: Option<io::Error>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(interrupt: Interrupt, has_bar: bool, terminal: Terminal) -> io::Result<Writer> {
        let linger = match terminal {
            // Taking the bar off the screen and putting it back is what costs.
            _ if has_bar => Duration::from_millis(50),
            Terminal { stdout: true, .. } | Terminal { stderr: true, .. } => Duration::ZERO,
            _ => Duration::from_millis(5),
        };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        if has_bar {
            screen::clear_before_panics();
        }
        let sink = Streams::new(interrupt.clone(), terminal)?;
        let thread = thread::Builder::new().name("output".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || write_all(&shared, sink, linger)
        })?;
        Ok(Writer {
            shared,
            interrupt,
            thread,
        })
    }

    /// Hands a piece over. The first small ones after a while are collected for a moment and written together.
    ///
    /// # Errors
    ///
    /// Standard output could not be written; said once. A closed pipe is none: it stops the run by itself.
    pub(crate) fn push(&self, stream: Stream, piece: Piece) -> io::Result<()> {
        let mut queue = self.shared.lock();
        while queue.bytes >= BACKLOG && self.interrupt.asked() == 0 && queue.fault.is_none() {
            queue = self
                .shared
                .changed
                .wait_timeout(queue, LOOK)
                .unwrap_or_else(|e| e.into_inner())
                .0;
        }
        if let Some(fault) = queue.fault.take() {
            return Err(fault);
        }
        let before = queue.bytes;
        queue.bytes += piece.size();
        // The writer sleeps while there is nothing, and lingers while there is little: it needs to know when
        // either ends, not of each piece.
        let wake = queue.pieces.is_empty() || (before < CHUNK && queue.bytes >= CHUNK);
        queue.pieces.push_back((stream, piece));
        if wake {
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    /// Shows this block at the bottom of the screen, instead of the one that is there.
    pub(crate) fn show(&self, block: Vec<String>) {
        let mut queue = self.shared.lock();
        queue.block = Some(block);
        self.shared.changed.notify_all();
    }

    /// What takes the block off the screen for a while.
    pub(crate) fn curtain(&self) -> Curtain {
        Curtain(Arc::clone(&self.shared))
    }

    /// Waits until everything is written and the screen is clean; only for a moment if the run was asked twice to stop.
    ///
    /// # Errors
    ///
    /// As for [`push`](Writer::push).
    pub(crate) fn finish(self) -> io::Result<()> {
        let mut queue = self.shared.lock();
        queue.closed = true;
        self.shared.changed.notify_all();
        let mut until = None;
        while !queue.done && !self.thread.is_finished() {
            if self.interrupt.asked() >= 2
                && Instant::now() >= *until.get_or_insert_with(|| Instant::now() + CURTAIN)
            {
                break;
            }
            queue = self
                .shared
                .changed
                .wait_timeout(queue, LOOK)
                .unwrap_or_else(|e| e.into_inner())
                .0;
        }
        queue.fault.take().map_or(Ok(()), Err)
    }
}

impl Curtain {
    /// Takes the block off the screen and writes what waits. Gives up after a while: a terminal that takes nothing must
    /// keep nobody from being stopped.
    pub(crate) fn fall(&self) {
        let mut queue = self.0.lock();
        queue.hidden = Some(false);
        self.0.changed.notify_all();
        let until = Instant::now() + CURTAIN;
        while queue.hidden == Some(false) && !queue.done {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            queue = self
                .0
                .changed
                .wait_timeout(queue, left)
                .unwrap_or_else(|e| e.into_inner())
                .0;
        }
    }

    /// Lets it be seen again.
    pub(crate) fn rise(&self) {
        self.0.lock().hidden = None;
        self.0.changed.notify_all();
    }

    /// Somebody has pressed Enter so often, and the terminal has shown it.
    pub(crate) fn entered(&self, times: usize) {
        self.0.lock().moved_down += times;
    }
}

/// What the writer's thread is to do next.
struct Work {
    pieces: VecDeque<(Stream, Piece)>,
    block: Option<Vec<String>>,
    moved_down: usize,
    hide: bool,
}

fn write_all(shared: &Shared, mut sink: Streams, linger: Duration) {
    while let Some(work) = next_work(shared, linger) {
        let written: u64 = work.pieces.iter().map(|(_, piece)| piece.size()).sum();
        sink.moved_down(work.moved_down);
        let result = if work.pieces.is_empty() {
            Ok(())
        } else {
            sink.write(work.pieces)
        };
        if work.hide {
            sink.hide();
        } else if let Some(block) = work.block {
            sink.show(block);
        }
        let mut queue = shared.lock();
        queue.bytes -= written;
        if work.hide
            && let Some(hidden) = &mut queue.hidden
        {
            *hidden = true;
        }
        if let Err(error) = result {
            queue.fault = Some(error);
        }
        drop(queue);
        shared.changed.notify_all();
    }
    sink.hide();
    sink.end_line();
    shared.lock().done = true;
    shared.changed.notify_all();
}

/// Everything that waits, once there is enough of it or it has waited long enough; `None` at the end.
fn next_work(shared: &Shared, linger: Duration) -> Option<Work> {
    let mut queue = shared.lock();
    loop {
        let hide = queue.hidden == Some(false);
        let show = queue.hidden.is_none() && queue.block.is_some();
        if !queue.pieces.is_empty() || hide || show {
            break;
        }
        if queue.closed {
            return None;
        }
        queue = shared.changed.wait(queue).unwrap_or_else(|e| e.into_inner());
    }
    let until = Instant::now() + linger;
    while !queue.pieces.is_empty() && !queue.closed && queue.hidden.is_none() && queue.bytes < CHUNK {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        queue = shared
            .changed
            .wait_timeout(queue, left)
            .unwrap_or_else(|e| e.into_inner())
            .0;
    }
    let hide = queue.hidden == Some(false);
    Some(Work {
        pieces: std::mem::take(&mut queue.pieces),
        block: if queue.hidden.is_none() {
            queue.block.take()
        } else {
            None
        },
        moved_down: std::mem::take(&mut queue.moved_down),
        hide,
    })
}
