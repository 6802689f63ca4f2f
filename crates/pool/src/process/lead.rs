//! Who sleeps on the watch: the pool's thread, or for a short while a caller that waits for the only task there is.
//!
//! A caller that reads its own answer saves waking the pool's thread, which would only wake the caller again. For a
//! sequence of short tasks the pool's thread stands by; it comes back by itself a millisecond after the last one,
//! or at once when anything else is to be done.
//!
//! Race: a command may be pushed just as the caller leaves. The pusher publishes the command and then looks at the
//! state; the caller publishes the state and then looks for commands (all with sequential consistency). One of
//! them sees the other and calls the pool's thread.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// The pool's thread leads.
const POOL: u64 = 0;
/// A caller leads.
const CALLER: u64 = 1;
/// The caller has left, and the pool's thread has not come back.
const VACANT: u64 = 2;
const KIND: u64 = 3;

/// How long the pool's thread stands by for the next short task.
const TICK: Duration = Duration::from_millis(1);
/// A lead that took this long is given back at once: well under a tick, so that the pool's thread, once it has seen
/// one lead for a tick, knows that it will be called.
pub(super) const SHORT: Duration = Duration::from_micros(300);

#[derive(Default)]
pub(crate) struct Lead {
    /// The kind in the low bits; above it the number of the lead, so that two leads are never mistaken for one.
    state: AtomicU64,
    pool: OnceLock<Thread>,
    /// The last task that somebody waited for was a short one.
    brisk: AtomicBool,
}

impl Lead {
    /// Pool's thread: this is me.
    pub(crate) fn introduce(&self) {
        self.pool.get_or_init(std::thread::current);
    }

    /// Whether the last wait was short, so that it may pay to lead the next one.
    pub(super) fn is_brisk(&self) -> bool {
        self.brisk.load(Ordering::Relaxed)
    }

    pub(super) fn set_brisk(&self, brisk: bool) {
        if self.is_brisk() != brisk {
            self.brisk.store(brisk, Ordering::Relaxed);
        }
    }

    /// Caller: takes the lead. `None`: another caller has it; otherwise whether the pool's thread had it, and may be
    /// asleep on the watch.
    pub(super) fn enter(&self) -> Option<bool> {
        let before = self.state.load(Ordering::SeqCst);
        if before & KIND == CALLER {
            return None;
        }
        let next = ((before >> 2) + 1) << 2 | CALLER;
        let entered = self
            .state
            .compare_exchange(before, next, Ordering::SeqCst, Ordering::SeqCst);
        entered.ok().map(|before| before & KIND == POOL)
    }

    /// Caller: leaves. With `give_back` the pool's thread is called at once.
    pub(super) fn leave(&self, give_back: bool) {
        let number = self.state.load(Ordering::SeqCst) & !KIND;
        self.state
            .store(number | if give_back { POOL } else { VACANT }, Ordering::SeqCst);
        if give_back {
            self.call_pool();
        }
    }

    /// Anybody: there is something to do; nobody may be there to do it.
    pub(super) fn fill_vacancy(&self) {
        let state = self.state.load(Ordering::SeqCst);
        if state & KIND == VACANT
            && self
                .state
                .compare_exchange(state, state & !KIND | POOL, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        {
            self.call_pool();
        }
    }

    fn call_pool(&self) {
        if let Some(pool) = self.pool.get() {
            pool.unpark();
        }
    }

    pub(crate) fn is_callers(&self) -> bool {
        self.state.load(Ordering::SeqCst) & KIND == CALLER
    }

    /// Pool's thread: returns once it leads.
    pub(crate) fn stand_by(&self) {
        let mut seen = (u64::MAX, Instant::now());
        loop {
            let state = self.state.load(Ordering::SeqCst);
            if state & KIND == POOL {
                return;
            }
            if seen.0 != state {
                seen = (state, Instant::now());
            }
            let left = TICK.saturating_sub(seen.1.elapsed());
            if !left.is_zero() {
                std::thread::park_timeout(left);
            } else if state & KIND == CALLER {
                std::thread::park();
            } else {
                let free = self.state.compare_exchange(
                    state,
                    state & !KIND | POOL,
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                );
                if free.is_ok() {
                    return;
                }
            }
        }
    }
}
