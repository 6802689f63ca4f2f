//! An actor's state in its worker: lent to one call at a time, and in doubt after one that did not come back.
//!
//! The serving thread has it, and nobody else: it needs neither `Send` nor a form in bytes.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;

use crate::ids::TaskId;
use crate::task;
use crate::worker;

pub(crate) struct Held<S> {
    /// Empty once the worker leaves.
    state: RefCell<Option<S>>,
    /// A panic leaves it as good as it was.
    keeps: bool,
    /// The call that did not come back.
    doubted_since: Cell<Option<TaskId>>,
}

impl<S: 'static> Held<S> {
    /// Takes the state in; it is dropped when the worker leaves in an orderly way.
    pub(crate) fn keep(state: S, keeps: bool) -> Rc<Held<S>> {
        let held = Rc::new(Held {
            state: RefCell::new(Some(state)),
            keeps,
            doubted_since: Cell::new(None),
        });
        let kept = Rc::clone(&held);
        worker::current::at_leave(move || drop(kept.state.take()));
        held
    }

    /// # Errors
    ///
    /// The text of why the state is not to be used.
    pub(crate) fn lend(&self) -> Result<Lent<'_, S>, String> {
        if let Some(call) = self.doubted_since.get() {
            return Err(format!(
                "{call} panicked and may have left its state half-changed; clear_poison() accepts the state as it is"
            ));
        }
        let state = RefMut::filter_map(self.state.borrow_mut(), Option::as_mut);
        state
            .map(|state| Lent { held: self, state })
            .map_err(|_| "its state was dropped, because the actor is ending".to_owned())
    }

    pub(crate) fn clear_poison(&self) {
        self.doubted_since.set(None);
    }
}

/// The state while a call has it.
pub(crate) struct Lent<'a, S> {
    held: &'a Held<S>,
    state: RefMut<'a, S>,
}

impl<S> Lent<'_, S> {
    pub(crate) fn run<R>(&mut self, call: impl FnOnce(&mut S) -> R) -> R {
        if !self.held.keeps {
            let running = task::current().map_or(TaskId(0), |task| task.id);
            self.held.doubted_since.set(Some(running));
        }
        let result = call(&mut self.state);
        self.held.doubted_since.set(None);
        result
    }
}
