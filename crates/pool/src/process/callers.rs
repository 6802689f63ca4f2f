//! What futures ask of the pool: above all to wait for a task, where a caller may do the turns itself, as the pool's
//! leader, and read its own answer.
//!
//! A caller sleeps with the seat free, so whoever submits meanwhile finds it.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use pexec_ipc::cells::{Cells, Stage};

use super::lead;
use super::queue::Command;
use super::shared::Shared;
use crate::driver::Source;
use crate::future::control::Control;
use crate::future::slot::{Slot, SlotRef};

impl Shared {
    /// Waits on this thread, as the pool's leader, if that promises to be quick. True: it is done.
    fn lead_until(&self, done: &dyn Fn() -> bool, until: Option<Instant>) -> bool {
        if self.lead.is_callers() || !(self.lead.is_brisk() || self.lead.is_vacant()) {
            return false;
        }
        // Whoever else has it gives it back within a turn.
        let mut seat = self.seat.take();
        if seat.is_none() {
            return false;
        }
        let Some(pool_led) = self.lead.enter() else {
            return false;
        };
        let leading = Leading {
            shared: self,
            since: Instant::now(),
        };
        if pool_led {
            self.wake_pool();
        }
        let mut ready = Vec::new();
        if self.lead.is_to_look() {
            self.glance(&mut ready);
        }
        while let Some(driver) = seat.as_mut() {
            if !driver.turn(&ready) || done() || until.is_some_and(|at| at <= Instant::now()) {
                break;
            }
            ready.clear();
            if let Some(timer) = driver.rest() {
                let seen = self.news();
                drop(seat);
                self.sleep_as_caller(done, seen, [timer, until].into_iter().flatten().min(), &mut ready);
                seat = self.seat.take();
                if let Some(driver) = seat.as_mut() {
                    driver.woke();
                }
            } else if driver.watch_is_due() {
                self.glance(&mut ready);
            }
        }
        drop(seat);
        drop(leading);
        done()
    }

    /// The caller that leads sleeps as the pool's thread does, unless what it waits for is done.
    fn sleep_as_caller(
        &self,
        done: &dyn Fn() -> bool,
        seen: u64,
        until: Option<Instant>,
        ready: &mut Vec<Source>,
    ) {
        self.caller.sleep(
            &self.watch.wake_caller,
            || !self.queue.has_pushed() && !done() && self.news() == seen,
            || self.wait(until, ready),
        );
    }
}

/// A caller's lead; given back when it is dropped, by a panic too.
struct Leading<'a> {
    shared: &'a Shared,
    since: Instant,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let Leading { shared, since } = self;
        let short = since.elapsed() < lead::SHORT;
        shared.lead.set_brisk(short);
        shared.lead.leave(!short || shared.lead.is_wanted());
        if shared.queue.has_pushed() {
            shared.lead.fill_vacancy();
        }
    }
}

impl Control for Arc<Shared> {
    fn wait_here(&self, done: &dyn Fn() -> bool, until: Option<Instant>) -> bool {
        self.lead_until(done, until)
    }

    fn waited(&self, how_long: Duration) {
        self.lead.set_brisk(how_long < lead::SHORT);
    }

    fn look_after(&self) {
        self.lead.want();
    }

    fn is_running(&self, slot: &Slot) -> bool {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let named = pages.iter().flatten().map(Cells::running);
        named
            .into_iter()
            .any(|(id, stage)| id == slot.id().0 && !matches!(stage, Stage::None | Stage::Receiving))
    }

    fn cancel(&self, slot: &SlotRef) -> bool {
        self.ask(|answer| Command::Cancel(SlotRef::clone(slot), answer))
            .unwrap_or_else(|| slot.is_cancelled())
    }

    fn kill(&self, slot: &SlotRef) -> bool {
        self.ask(|answer| Command::Kill(SlotRef::clone(slot), answer))
            .unwrap_or(false)
    }

    fn interrupt(&self, slot: &SlotRef) -> bool {
        self.ask(|answer| Command::Interrupt(SlotRef::clone(slot), answer))
            .unwrap_or(false)
    }

    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>) {
        self.callbacks.run(callback);
    }
}
