//! The panic policy. A task's panic is caught, with message, place and backtrace, and becomes its outcome; it
//! is not printed, because whoever asked for the task learns of it. Any other thread's panic is left to the
//! hook that the program had. Where panics abort, the hook prints as always: the text is then found at the end
//! of the worker's standard error.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::autopsy::Panic;

thread_local! {
    static INSIDE_TASK: Cell<bool> = const { Cell::new(false) };
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
    /// There is something in it; apart from it, because every task looks.
    static HAS_SEEN: Cell<bool> = const { Cell::new(false) };
}

struct Seen {
    location: String,
    backtrace: Option<String>,
}

fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = INSIDE_TASK.try_with(Cell::get).unwrap_or(false);
            if !ours || cfg!(panic = "abort") {
                return before(info);
            }
            let location = info
                .location()
                .map_or_else(|| "unknown place".to_owned(), ToString::to_string);
            let backtrace = Backtrace::capture();
            let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
            // The first panic is the cause; one in a destructor while it unwinds ends the process anyway.
            let _ = SEEN.try_with(|seen| {
                if let Ok(mut seen) = seen.try_borrow_mut() {
                    seen.get_or_insert(Seen { location, backtrace });
                    HAS_SEEN.set(true);
                }
            });
        }));
    });
}

/// Runs a task's code; a panic becomes a report.
#[inline]
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, Box<Panic>> {
    install_hook();
    let outer = INSIDE_TASK.replace(true);
    if HAS_SEEN.replace(false) {
        SEEN.take();
    }
    let result = catch_unwind(AssertUnwindSafe(run));
    INSIDE_TASK.set(outer);
    result.map_err(report)
}

#[cold]
fn report(payload: Box<dyn Any + Send>) -> Box<Panic> {
    HAS_SEEN.set(false);
    let seen = SEEN.take();
    let message = message(&*payload);
    // A payload whose own destructor panics must not take the worker along.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    Box::new(Panic {
        message,
        location: seen
            .as_ref()
            .map_or_else(|| "unknown place".to_owned(), |s| s.location.clone()),
        backtrace: seen.and_then(|s| s.backtrace),
        thread: std::thread::current().name().unwrap_or("unnamed").to_owned(),
        history: None,
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "Box<dyn Any>".to_owned()
    }
}
