//! A set of worker slots.

#[derive(Clone, Debug)]
pub(super) struct Slots(Vec<u64>);

impl Slots {
    pub(super) fn new(workers: usize) -> Slots {
        Slots(vec![0; workers.div_ceil(64)])
    }

    /// There are so many slots now.
    pub(super) fn grow(&mut self, workers: usize) {
        self.0.resize(workers.div_ceil(64), 0);
    }

    #[inline]
    pub(super) fn insert(&mut self, slot: usize) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    #[inline]
    pub(super) fn remove(&mut self, slot: usize) {
        self.0[slot / 64] &= !(1 << (slot % 64));
    }

    #[inline]
    pub(super) fn contains(&self, slot: usize) -> bool {
        self.0[slot / 64] >> (slot % 64) & 1 == 1
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&bits| bits == 0)
    }

    /// The first slot from `from` on. A loop over it may change the set, unlike one over an iterator.
    #[inline]
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let mut at = from / 64;
        let mut bits = self.0.get(at)? & u64::MAX << (from % 64);
        while bits == 0 {
            at += 1;
            bits = *self.0.get(at)?;
        }
        Some(64 * at + bits.trailing_zeros() as usize)
    }

    #[inline]
    pub(super) fn any(&self, mut wanted: impl FnMut(usize) -> bool) -> bool {
        let mut from = 0;
        while let Some(slot) = self.next(from) {
            if wanted(slot) {
                return true;
            }
            from = slot + 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_in_order_and_leave() {
        let mut slots = Slots::new(130);
        assert!(slots.is_empty() && slots.next(0).is_none());
        for slot in [129, 0, 63, 64] {
            slots.insert(slot);
        }
        let mut seen = Vec::new();
        assert!(!slots.any(|slot| {
            seen.push(slot);
            false
        }));
        assert_eq!(seen, [0, 63, 64, 129]);
        slots.remove(63);
        assert!(slots.contains(64) && !slots.contains(63));
        assert_eq!(slots.next(1), Some(64));
        assert_eq!(slots.next(130), None);
    }
}
