//! Random bytes that are the same in every run: Marsaglia's xorshift64 with shifts 13, 7, 17.

pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Seeded {
        assert_ne!(seed, 0, "xorshift never leaves 0");
        Seeded(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Up to `most` bytes: half of them small, since small numbers are what lengths, kinds and variants look like.
    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most + 1);
        let byte = |word: u64| {
            if word & 256 == 0 {
                word as u8
            } else {
                word as u8 & 15
            }
        };
        (0..len).map(|_| byte(self.next())).collect()
    }
}
