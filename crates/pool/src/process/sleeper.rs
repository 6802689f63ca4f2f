//! Sleeping on the watch without a lost call: either who calls sees the sleeper, or the sleeper sees what it was called
//! for.

use std::sync::atomic::{AtomicU8, Ordering, fence};

use pexec_ipc::wake::Wake;

/// One of the two that sleep on the watch. Each has a flag of its own, which only it lowers: a flag for both could be
/// lowered by the one before the other has seen it. One that is raised for nobody would keep the other from sleeping:
/// so each raise is paired with a sleep by an exchange, and the sleeper does not go on before it has taken it back.
#[derive(Default)]
pub(super) struct Sleeper(AtomicU8);

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const CALLED: u8 = 2;

impl Sleeper {
    /// Wakes it if it sleeps. Either it sees what was stored before this, or it is seen to sleep: it looks once more after
    /// it has said so, and both have a full fence in between.
    pub(super) fn wake(&self, flag: &Wake) {
        fence(Ordering::SeqCst);
        let called = || {
            self.0
                .compare_exchange(ASLEEP, CALLED, Ordering::SeqCst, Ordering::SeqCst)
        };
        if self.0.load(Ordering::SeqCst) == ASLEEP && called().is_ok() {
            flag.raise();
        }
    }

    /// Sleeps in `wait`, if `may` agrees once the intention is known.
    pub(super) fn sleep(&self, flag: &Wake, may: impl FnOnce() -> bool, wait: impl FnOnce()) {
        self.0.store(ASLEEP, Ordering::SeqCst);
        if may() {
            wait();
        }
        if self.0.swap(AWAKE, Ordering::SeqCst) == CALLED {
            // Whoever called may be between the exchange and the flag.
            while !flag.lower() {
                std::thread::yield_now();
            }
        }
    }
}
