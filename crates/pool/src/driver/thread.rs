//! The pool's thread: sleeps until something happens, then has the driver do a turn.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Driver, Source};
use crate::process::shared::{Command, Shared};

/// How long to look for work before sleeping. A sleeping thread takes tens of microseconds to wake, so looking
/// pays while events come in quick succession; after looking in vain it backs off.
struct Spin {
    misses: u32,
    skip: u32,
}

const SPIN: Duration = Duration::from_micros(60);

impl Spin {
    fn budget(&mut self) -> Option<Duration> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        Some(SPIN)
    }

    fn found(&mut self, hit: bool) {
        if hit {
            self.misses = 0;
        } else {
            self.misses = (self.misses + 1).min(8);
            self.skip = (1 << self.misses) - 1;
        }
    }
}

/// Runs the pool until it is closed. Whatever happens, every task that was accepted has an outcome then.
pub(crate) fn run(shared: &Arc<Shared>, driver: Driver) {
    let turned = catch_unwind(AssertUnwindSafe(|| turn_until_closed(shared, driver)));
    if turned.is_err() {
        // A bug of ours (or of a waker's): better a broken pool that says so than futures that never end. The workers
        // end with their links.
        let reason = "the pool's thread panicked; its message is on standard error".to_owned();
        shared.refuse_from_now_on(reason.clone());
        if let Some(driver) = shared.seat().take() {
            driver.abandon(&reason);
        }
    }
    tracing::debug!(pool = %shared.name, "pool closed");
    let (late, refusal) = shared.finish();
    for command in late {
        if let Command::Submit(task) = command {
            task.slot.complete(Err(Box::new(refusal.error())));
        }
    }
}

fn turn_until_closed(shared: &Arc<Shared>, driver: Driver) {
    shared.lead.introduce();
    let mut timer = {
        let mut seat = shared.seat();
        let driver = seat.insert(driver);
        driver.begin(Instant::now());
        driver.arm()
    };
    let mut spin = Spin { misses: 0, skip: 0 };
    let mut ready = Vec::new();
    loop {
        ready.clear();
        wait(shared, timer, &mut spin, &mut ready);
        let mut seat = shared.seat();
        let Some(driver) = seat.as_mut() else { return };
        driver.turn(Instant::now(), &ready);
        drop(seat);
        shared.make_way();
        // A caller's turns may have set other timers meanwhile, or closed the pool.
        let mut seat = shared.seat();
        timer = match seat.as_mut() {
            Some(driver) if !driver.closed => driver.arm(),
            // The driver goes with the seat still locked: whoever submits from now on finds nobody.
            _ => return *seat = None,
        };
    }
}

fn wait(shared: &Shared, timer: Option<Instant>, spin: &mut Spin, ready: &mut Vec<Source>) {
    let watch = &shared.watch;
    if let Some(budget) = spin.budget() {
        let until = Instant::now() + budget;
        loop {
            watch.wait(Some(Duration::ZERO), ready);
            if shared.has_commands() || !ready.is_empty() {
                return spin.found(true);
            }
            let now = Instant::now();
            if timer.is_some_and(|at| at <= now) {
                return;
            }
            if now >= until {
                break;
            }
        }
        spin.found(false);
    }
    shared.sleep(false, timer, ready);
}
