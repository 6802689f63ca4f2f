//! The pool's thread: sleeps until something happens, then has the driver do a turn.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Driver;
use crate::process::shared::Shared;

/// Runs the pool until it is closed. Whatever happens, every task that was accepted has an outcome then.
pub(crate) fn run(shared: &Arc<Shared>, driver: Driver) {
    let turned = catch_unwind(AssertUnwindSafe(|| turn_until_closed(shared, driver)));
    if turned.is_err() {
        // A bug of ours (or of a waker's): better a broken pool that says so than futures that never end. The workers
        // end with their links.
        let reason = "the pool's thread panicked; its message is on standard error".to_owned();
        shared.queue.refuse_from_now_on(reason.clone());
        if let Some(driver) = shared.seat.take().take() {
            driver.abandon(&reason);
        }
    }
    tracing::debug!(pool = %shared.name, "pool closed");
    let (late, refusal) = shared.queue.finish();
    for task in late.tasks {
        task.slot.fail(shared.refused(&refusal));
    }
}

fn turn_until_closed(shared: &Arc<Shared>, driver: Driver) {
    shared.lead.introduce();
    shared.seat.take().insert(driver).begin();
    let mut ready = Vec::new();
    // Whether a turn while others led has ended something, or brought a timer.
    let mut news = false;
    loop {
        let seat = if shared.lead.pools().is_some() || !ready.is_empty() {
            Some(shared.seat.take())
        } else {
            shared.free_seat()
        };
        let Some(mut seat) = seat else {
            shared.make_way(false, &mut ready);
            continue;
        };
        let Some(driver) = seat.as_mut() else { return };
        let before = driver.outcomes();
        if !driver.turn(&ready) {
            // The driver goes with the seat still locked: whoever submits from now on finds nobody.
            return *seat = None;
        }
        ready.clear();
        let Some(lead) = shared.lead.pools() else {
            news |= driver.outcomes() != before || driver.is_due_earlier();
            // A caller that sleeps on the watch counts on the bells, which this turn has silenced.
            if shared.lead.is_callers() && driver.listen() {
                continue;
            }
            drop(seat);
            shared.make_way(std::mem::take(&mut news), &mut ready);
            continue;
        };
        if let Some(timer) = driver.rest() {
            let seen = shared.news();
            drop(seat);
            shared.sleep(lead, seen, timer, &mut ready);
            if let Some(driver) = shared.seat.take().as_mut() {
                driver.woke();
            }
        } else if driver.watch_is_due() {
            shared.glance(&mut ready);
        }
    }
}
