//! Who does the pool's turns and sleeps on its watch: the pool's thread, or for a short while a caller that waits, or
//! nobody in between.
//!
//! A caller that reads its own answer saves waking the pool's thread, which would only wake the caller again. While
//! callers wait or submit in quick succession the pool's thread stands by; it comes back by itself a millisecond
//! after the last of them, or at once when somebody counts on it.
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

/// A lead of the pool's thread.
#[derive(Clone, Copy)]
pub(crate) struct PoolsLead(u64);

#[derive(Default)]
pub(crate) struct Lead {
    /// The kind in the low bits; above it the number of the lead, so that two leads are never mistaken for one.
    state: AtomicU64,
    pool: OnceLock<Thread>,
    /// The last task that somebody waited for was a short one.
    brisk: AtomicBool,
    /// Somebody counts on the pool's thread, since the pool was last without a task.
    wanted: AtomicBool,
    /// The pool's thread could not get the seat to look at the watch.
    look: AtomicBool,
}

impl Lead {
    /// Pool's thread: this is me.
    pub(crate) fn introduce(&self) {
        self.pool.get_or_init(std::thread::current);
    }

    /// Pool's thread: the next caller that leads is to look at the watch in its stead.
    pub(super) fn ask_for_a_look(&self) {
        self.look.store(true, Ordering::Relaxed);
    }

    /// Caller: whether it is to do so; once.
    pub(super) fn is_to_look(&self) -> bool {
        self.look.load(Ordering::Relaxed) && self.look.swap(false, Ordering::Relaxed)
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

    /// Nobody leads; the pool's thread comes by itself.
    pub(super) fn is_vacant(&self) -> bool {
        self.state.load(Ordering::SeqCst) & KIND == VACANT
    }

    /// Somebody counts on the pool's thread from now on.
    pub(super) fn want(&self) {
        if !self.wanted.load(Ordering::Relaxed) {
            self.wanted.store(true, Ordering::SeqCst);
        }
        self.fill_vacancy();
    }

    /// Nobody can count on it any more: there is no task.
    pub(crate) fn want_no_more(&self) {
        if self.wanted.load(Ordering::Relaxed) {
            self.wanted.store(false, Ordering::SeqCst);
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    /// Submitter: does the turns from now on, as long as it submits. True: the pool's thread led, and may be asleep.
    pub(super) fn relieve(&self) -> bool {
        let before = self.state.load(Ordering::SeqCst);
        let next = ((before >> 2) + 1) << 2 | VACANT;
        before & KIND == POOL
            && !self.is_wanted()
            && self
                .state
                .compare_exchange(before, next, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
    }

    /// Submitter: still there.
    pub(super) fn carry_on(&self) {
        let before = self.state.load(Ordering::SeqCst);
        if before & KIND == VACANT {
            let next = ((before >> 2) + 1) << 2 | VACANT;
            // Somebody else has changed it: as good.
            let _ = self
                .state
                .compare_exchange(before, next, Ordering::SeqCst, Ordering::SeqCst);
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

    /// Pool's thread: its own lead, if it has it. Only in the driver's seat does that stay so.
    pub(crate) fn pools(&self) -> Option<PoolsLead> {
        let state = self.state.load(Ordering::SeqCst);
        (state & KIND == POOL).then_some(PoolsLead(state))
    }

    /// Whether that is still the lead. One that others have had and given back meanwhile is another one: what was made
    /// ready for sleeping in it, they have undone.
    pub(super) fn is_still(&self, lead: PoolsLead) -> bool {
        self.state.load(Ordering::SeqCst) == lead.0
    }

    /// Pool's thread: returns once it leads, and every moment while others come and go.
    pub(crate) fn stand_by(&self) {
        let mut since = Instant::now();
        let seen = self.state.load(Ordering::SeqCst);
        loop {
            let state = self.state.load(Ordering::SeqCst);
            let left = TICK.saturating_sub(since.elapsed());
            if state & KIND == POOL {
                return;
            }
            if !left.is_zero() {
                std::thread::park_timeout(left);
            } else if state != seen {
                return;
            } else if state & KIND == CALLER {
                // Its lead is a long one: it calls when it leaves.
                std::thread::park();
                since = Instant::now();
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
