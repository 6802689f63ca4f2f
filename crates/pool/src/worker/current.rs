//! The task that this worker runs, and what the worker is: read by the task's own code.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use pexec_ipc::cells::Cells;
use pexec_ipc::wake::Wake;
use pexec_proto::{Kind, Limits, Setup};

use super::channel::Sender;
use super::marks::Marks;
use crate::ids::TaskId;
use crate::panics;
use crate::task::TaskContext;

/// What a worker process has one of.
pub(super) struct Identity {
    pub(super) cells: Cells,
    pub(super) sender: Sender,
    pub(super) slot: usize,
    pub(super) max_message: u64,
    /// How many pools this process is inside of.
    pub(super) depth: u32,
    /// Where what tasks print is captured.
    pub(super) marks: Option<Marks>,
    /// Raised when the running task is asked to stop.
    stop: Wake,
    /// The task that waits for `stop`, 0 for none. The flag is raised and lowered under this lock, so that a request
    /// for one task is never seen by the next one.
    listening: Mutex<u64>,
}

static IDENTITY: OnceLock<Identity> = OnceLock::new();

impl Identity {
    pub(super) fn new(cells: Cells, sender: Sender, setup: &Setup) -> std::io::Result<Identity> {
        Ok(Identity {
            cells,
            sender,
            slot: setup.slot as usize,
            max_message: setup.max_message,
            depth: setup.depth,
            marks: setup.capture.map(Marks::new).transpose()?,
            stop: Wake::new()?,
            listening: Mutex::new(0),
        })
    }

    /// Makes it this process's identity.
    pub(super) fn assume(self) -> &'static Identity {
        IDENTITY.get_or_init(|| self)
    }

    /// The supervisor has set a stop request in the cells.
    pub(super) fn notice_stop(&self) {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if *listening != 0 && *listening == self.cells.asked_to_stop() {
            self.stop.raise();
        }
    }
}

pub(super) fn identity() -> Option<&'static Identity> {
    IDENTITY.get()
}

/// What the serving thread knows of its task beyond the id; made only for tasks that have more.
#[derive(Clone, Default)]
pub(super) struct Details {
    pub(super) label: Option<String>,
    pub(super) attempt: u32,
    pub(super) deadline: Option<Instant>,
    pub(super) limits: Option<Limits>,
    pub(super) timed: bool,
}

thread_local! {
    /// The serving thread's task; 0: none.
    static TASK: Cell<u64> = const { Cell::new(0) };
    static DETAILS: RefCell<Option<Box<Details>>> = const { RefCell::new(None) };
    static STATE: Cell<Option<&'static dyn Any>> = const { Cell::new(None) };
    static AT_LEAVE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

pub(super) fn begin(id: u64, details: Option<Box<Details>>) {
    TASK.set(id);
    if details.is_some() {
        DETAILS.set(details);
    }
}

pub(super) fn end() {
    TASK.set(0);
    DETAILS.with_borrow_mut(|details| {
        details.take();
    });
}

pub(super) fn set_state(value: Box<dyn Any>) {
    STATE.set(Some(Box::leak(value)));
}

/// Has this run when the worker leaves in an orderly way, on the serving thread.
pub(crate) fn at_leave(run: impl FnOnce() + 'static) {
    AT_LEAVE.set(Some(Box::new(run)));
}

/// The worker leaves: the destructors of what it kept run.
pub(super) fn let_go() {
    if let Some(run) = AT_LEAVE.take()
        && let Err(panic) = panics::catch(run)
    {
        eprintln!(
            "pexec worker {}: the destructor of its state panicked: {panic}",
            std::process::id()
        );
    }
}

/// What the pool's initializer returned in this worker, for tasks on the thread that runs them. `None` outside
/// of a worker, without an initializer, for another type, or on another thread.
///
/// ```no_run
/// # use pexec::ProcessPool;
/// fn load(path: String) -> Vec<u8> {
///     std::fs::read(path).unwrap_or_default()
/// }
/// fn first() -> Option<u8> {
///     pexec::worker::state::<Vec<u8>>()?.first().copied()
/// }
/// # fn build() -> Result<(), pexec::BuildError> {
/// let pool = ProcessPool::builder().initializer(load, "model.bin".to_owned()).build()?;
/// # Ok(()) }
/// ```
pub fn state<T: 'static>() -> Option<&'static T> {
    STATE.get()?.downcast_ref()
}

pub(crate) fn context() -> Option<TaskContext> {
    let id = TASK.get();
    let identity = identity()?;
    if id == 0 {
        return None;
    }
    let details = DETAILS.with_borrow(|details| details.as_deref().cloned());
    let details = details.unwrap_or(Details {
        attempt: 1,
        ..Details::default()
    });
    Some(TaskContext {
        id: TaskId(id),
        label: details.label,
        attempt: details.attempt,
        deadline: details.deadline,
        slot: identity.slot,
    })
}

pub(crate) fn cancelled() -> bool {
    identity().is_some_and(|me| {
        let (running, _) = me.cells.running();
        running != 0 && running == me.cells.asked_to_stop()
    })
}

pub(crate) fn cancel_fd() -> Option<BorrowedFd<'static>> {
    let me = identity()?;
    let id = TASK.get();
    if id == 0 {
        return None;
    }
    let mut listening = me.listening.lock().unwrap_or_else(PoisonError::into_inner);
    if *listening != id {
        *listening = id;
        me.stop.lower();
        // The request may have come before anybody listened for it.
        if me.cells.asked_to_stop() == id {
            me.stop.raise();
        }
    }
    Some(me.stop.as_fd())
}

/// The task that this is part of: on the serving thread its own, elsewhere the one that runs; 0: none.
pub(super) fn running(me: &Identity) -> u64 {
    match TASK.try_with(Cell::get) {
        Ok(task) if task != 0 => task,
        _ => me.cells.running().0,
    }
}

pub(crate) fn progress(share: f64, text: &str) {
    let Some(me) = identity() else { return };
    let (id, _) = me.cells.running();
    if id == 0 {
        return;
    }
    let mut body = share.to_le_bytes().to_vec();
    body.extend_from_slice(text.as_bytes());
    // As for `emit`: without a supervisor there is nobody to tell, and this process is about to end.
    let _ = me.sender.send_frame(Kind::Progress, 0, id, &body);
}

pub(crate) fn emit(bytes: &[u8]) {
    const PIECE: usize = 1 << 20;
    let Some(me) = identity() else { return };
    let (id, _) = me.cells.running();
    if id == 0 {
        return;
    }
    let piece = PIECE.min(usize::try_from(me.max_message).unwrap_or(PIECE)).max(1);
    for bytes in bytes.chunks(piece) {
        // A supervisor that is gone ends this process through the lifeline; there is nobody to tell.
        if me.sender.send_frame(Kind::Emit, 0, id, bytes).is_err() {
            return;
        }
    }
}
