//! The driver's seat: whoever is in it has the pool's workers, queue and timers, one thread at a time.
//!
//! It knows whose thread is in it. Users' code runs there too: wakers, what takes a task's messages, and the drop of what
//! either of them keeps. If that waited for the pool, it would wait for itself.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use crate::driver::Driver;

/// The driver is there from when the pool's thread has begun until it ends.
#[derive(Default)]
pub(crate) struct Seat {
    driver: Mutex<Option<Driver>>,
    /// The thread in it; 0 for nobody's.
    taken_by: AtomicUsize,
}

thread_local! {
    /// Its address is another one for each thread that there is.
    static HERE: u8 = const { 0 };
}

fn this_thread() -> usize {
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

impl Seat {
    /// Waits until it is free.
    pub(crate) fn take(&self) -> Seated<'_> {
        self.taken(self.driver.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `None`: somebody is in it.
    pub(super) fn try_take(&self) -> Option<Seated<'_>> {
        match self.driver.try_lock() {
            Ok(driver) => Some(self.taken(driver)),
            Err(TryLockError::Poisoned(driver)) => Some(self.taken(driver.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn taken<'a>(&'a self, driver: MutexGuard<'a, Option<Driver>>) -> Seated<'a> {
        self.taken_by.store(this_thread(), Ordering::Relaxed);
        Seated { seat: self, driver }
    }

    /// Whether the calling thread is in it. A thread sees what it has stored itself, and nobody else stores its address.
    pub(super) fn is_mine(&self) -> bool {
        self.taken_by.load(Ordering::Relaxed) == this_thread()
    }
}

/// In the seat, until it is dropped.
pub(crate) struct Seated<'a> {
    seat: &'a Seat,
    driver: MutexGuard<'a, Option<Driver>>,
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        self.seat.taken_by.store(0, Ordering::Relaxed);
    }
}

impl Deref for Seated<'_> {
    type Target = Option<Driver>;

    #[inline]
    fn deref(&self) -> &Option<Driver> {
        &self.driver
    }
}

impl DerefMut for Seated<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Option<Driver> {
        &mut self.driver
    }
}
