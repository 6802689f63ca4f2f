//! Has this process's allocator keep the memory of large blocks that come and go, instead of taking each from the kernel
//! anew: to touch a fresh MiB for the first time takes several times as long as to copy it.
//!
//! The state is the allocator's, of the whole process. [`expect`] only shows it what any program could, so that is for
//! everybody's process; [`keep`] changes settings and is for processes of our own, workers. What they keep they
//! [`give_back`] when nothing has come for a while.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Blocks from this size on are told of.
const NOTABLE: usize = 128 << 10;
/// How many times as large the block is that is told of: so many may be given back and asked for again.
const AT_ONCE: usize = 8;
/// The GNU C library learns from no block above 32 MiB, which includes its own head.
const LEARNT: usize = (32 << 20) - (64 << 10);

/// The largest block that the allocator was told of.
static TOLD: AtomicUsize = AtomicUsize::new(0);

/// Tells the allocator that blocks of `len` bytes come and go. After the first of a size this is a look at one word.
///
/// The GNU C library learns that from any program that gives a large block back: it then takes blocks up to that size
/// from one growing range, and returns the end of that range only where it is more than twice as large. This gives
/// back such a block, untouched, of eight times `len`, and less than 32 MiB. What a program has set by itself stays
/// (`M_MMAP_THRESHOLD` and the like), and another allocator has had a request like any other.
#[inline]
pub fn expect(len: usize) {
    if len >= NOTABLE && TOLD.load(Ordering::Relaxed) < len {
        tell(len);
    }
}

#[cold]
fn tell(len: usize) {
    // A power of two, so that slowly growing ones do not tell each time.
    let len = len.checked_next_power_of_two().unwrap_or(usize::MAX);
    TOLD.fetch_max(len, Ordering::Relaxed);
    let mut block: Vec<u8> = Vec::new();
    // Where so much may not be had, there is nothing to learn.
    let _ = block.try_reserve_exact(len.saturating_mul(AT_ONCE).min(LEARNT));
    black_box(&block);
}

/// Larger blocks are always the kernel's.
const KEPT_MOST: usize = 128 << 20;
/// How long a worker keeps what it has no use for.
pub const IDLE: Duration = Duration::from_millis(100);

/// The largest block that is to be kept.
static KEPT: AtomicUsize = AtomicUsize::new(0);
/// The same where that was set; 0: nothing was.
static SETTLED: AtomicUsize = AtomicUsize::new(0);
/// Something may be kept that nobody uses.
static DUE: AtomicBool = AtomicBool::new(false);

/// Has the allocator keep blocks of `len` bytes, too, where that is more than it learns by itself. At most twice the largest
/// of them lies idle at the end of its range (256 MiB), until [`give_back`] is called.
///
/// Where the environment says what the allocator is to do, that stays.
#[inline]
pub fn keep(len: usize) {
    expect(len);
    if len > LEARNT / AT_ONCE && len <= KEPT_MOST {
        if KEPT.load(Ordering::Relaxed) < len {
            settle(len);
        }
        DUE.store(true, Ordering::Relaxed);
    }
}

#[cold]
fn settle(len: usize) {
    let len = len.next_power_of_two();
    KEPT.fetch_max(len, Ordering::Relaxed);
    let is_told = |name| std::env::var_os(name).is_some();
    let told = [
        "GLIBC_TUNABLES",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_MMAP_MAX_",
        "MALLOC_TRIM_THRESHOLD_",
    ];
    if !told.into_iter().any(is_told) {
        SETTLED.fetch_max(len, Ordering::Relaxed);
        allocator::keep(len);
    }
}

/// Whether there may be something to give back.
#[inline]
#[must_use]
pub fn is_due() -> bool {
    DUE.load(Ordering::Relaxed)
}

/// Gives the kernel back what the allocator keeps for this thread, or for all, and nobody uses; if there may be such.
pub fn give_back() {
    if DUE.swap(false, Ordering::Relaxed) {
        allocator::trim(SETTLED.load(Ordering::Relaxed));
    }
}

#[cfg(target_env = "gnu")]
mod allocator {
    use std::hint::black_box;

    /// Giving a block of this size back makes the allocator look at the end of its range.
    const LOOKED_AT: usize = 96 << 10;

    fn set(option: libc::c_int, to: usize) {
        let to = libc::c_int::try_from(to).unwrap_or(libc::c_int::MAX);
        // SAFETY: the call takes two numbers and sets a word of the allocator under its lock.
        unsafe { libc::mallopt(option, to) };
    }

    pub(super) fn keep(len: usize) {
        // Above the block's own length there is its head.
        set(libc::M_MMAP_THRESHOLD, len + 4096);
        set(libc::M_TRIM_THRESHOLD, 2 * len);
    }

    pub(super) fn trim(kept: usize) {
        if kept > 0 {
            // The call below passes over the end of the range that a thread has for itself.
            set(libc::M_TRIM_THRESHOLD, 0);
            let mut block: Vec<u8> = Vec::new();
            let _ = block.try_reserve_exact(LOOKED_AT);
            drop(black_box(block));
            set(libc::M_TRIM_THRESHOLD, 2 * kept);
        }
        // SAFETY: the call gives back pages that no allocation uses, under the allocator's locks.
        unsafe { libc::malloc_trim(0) };
    }
}

/// Other allocators decide for themselves.
#[cfg(not(target_env = "gnu"))]
mod allocator {
    pub(super) fn keep(_: usize) {}

    pub(super) fn trim(_: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_due_before_a_large_block_was_kept_and_after_all_was_given_back() {
        keep(1000);
        keep(1 << 20);
        assert!(!is_due(), "such are learnt");
        keep(KEPT_MOST + 1);
        assert!(!is_due(), "such are the kernel's");
        keep(40 << 20);
        assert!(is_due());
        give_back();
        assert!(!is_due());
    }
}
