//! Who is told of a task's end: wakers, those who wait for many, callbacks.
//!
//! Whoever comes while the task is not done is registered under the slot's lock, so the end finds everybody; whoever comes
//! later is told at once, or learns that there is nothing to wait for.

use std::sync::Arc;
use std::task::Waker;

use super::Slot;
use crate::outcome::Outcome;

type Callback = Box<dyn FnOnce(&Outcome) + Send>;

pub(super) enum Waiter {
    Wake(Waker),
    Notify(Arc<dyn Notify>, usize),
    Call(Callback),
}

/// Told that the future with this index is done.
pub(crate) trait Notify: Send + Sync {
    fn notify(&self, index: usize);
}

impl Slot {
    /// Registers a waiter; false: it has ended, nothing was registered.
    fn register(&self, waiter: impl FnOnce(&mut Vec<Waiter>)) -> bool {
        let mut state = self.lock();
        let open = !self.is_done();
        if open {
            waiter(&mut state.attend().waiters);
        }
        open
    }

    /// Wakes `waker` at the end; false: it has ended, nothing was registered.
    pub(crate) fn wake_at_end(&self, waker: &Waker) -> bool {
        let open = self.register(|waiters| {
            let known = waiters
                .iter()
                .any(|w| matches!(w, Waiter::Wake(old) if old.will_wake(waker)));
            if !known {
                waiters.push(Waiter::Wake(waker.clone()));
            }
        });
        if open {
            self.control.look_after();
        }
        open
    }

    /// Replaces the waker that an earlier poll of the same future left.
    pub(crate) fn replace_waker(&self, waker: &Waker) -> bool {
        let open = self.register(|waiters| {
            let old = waiters.iter_mut().find_map(|w| match w {
                Waiter::Wake(old) => Some(old),
                _ => None,
            });
            match old {
                Some(old) => old.clone_from(waker),
                None => waiters.push(Waiter::Wake(waker.clone())),
            }
        });
        if open {
            self.control.look_after();
        }
        open
    }

    /// Forgets a waker whose thread has stopped waiting.
    pub(crate) fn forget_waker(&self, waker: &Waker) {
        if let Some(waiters) = self.lock().waiters() {
            waiters.retain(|w| !matches!(w, Waiter::Wake(old) if old.will_wake(waker)));
        }
    }

    /// Tells `notify` at the end, or now. Whoever then waits has the executor look after it, or waits with its means.
    pub(crate) fn notify_at_end(&self, notify: &Arc<dyn Notify>, index: usize) {
        if !self.register(|waiters| waiters.push(Waiter::Notify(Arc::clone(notify), index))) {
            notify.notify(index);
        }
    }

    /// Has those who are told of this batch's end be told of its rest's too, by the number of its first item.
    pub(crate) fn tell_of_rest(&self, rest: &Slot, kept: usize) {
        let mut told = Vec::new();
        if let Some(waiters) = self.lock().waiters() {
            for waiter in waiters {
                if let Waiter::Notify(notify, index) = waiter {
                    told.push((Arc::clone(notify), *index + kept));
                }
            }
        }
        for (notify, index) in told {
            rest.notify_at_end(&notify, index);
        }
    }

    /// Forgets everybody who was registered as `notify`.
    pub(crate) fn forget_notify(&self, notify: &Arc<dyn Notify>) {
        if let Some(waiters) = self.lock().waiters() {
            waiters.retain(|w| !matches!(w, Waiter::Notify(old, _) if Arc::ptr_eq(old, notify)));
        }
    }

    /// Calls back at the end, or now and here.
    pub(crate) fn call_at_end(&self, callback: Callback) {
        let mut callback = Some(callback);
        if self.register(|waiters| waiters.extend(callback.take().map(Waiter::Call))) {
            self.control.look_after();
        }
        if let Some(callback) = callback {
            contain(callback, &self.outcome());
        }
    }
}

pub(super) fn for_each_waiter(slot: &Slot, waiters: Option<Vec<Waiter>>) {
    let mut calls = Vec::new();
    for waiter in waiters.into_iter().flatten() {
        match waiter {
            Waiter::Wake(waker) => waker.wake(),
            Waiter::Notify(notify, index) => notify.notify(index),
            Waiter::Call(callback) => calls.push(callback),
        }
    }
    if !calls.is_empty() {
        let outcome = slot.outcome();
        slot.control.run_callback(Box::new(move || {
            calls.into_iter().for_each(|c| contain(c, &outcome));
        }));
    }
}

/// A callback is the user's code on our thread: its panic is reported like any other panic (by the hook) and
/// goes no further, so the callbacks after it still run.
fn contain(callback: Callback, outcome: &Outcome) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| callback(outcome)));
}
