//! How durations are distributed, in little memory: counted in buckets that are a sixteenth of their value wide.

use std::time::Duration;

/// How many buckets there are from one power of two to the next, as a power of two.
const FINE: u32 = 4;

/// What most tasks take, and the slow ones. Within a sixteenth, and never less than it was; `max` is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Percentiles {
    /// Half of the tasks took no longer.
    pub p50: Duration,
    /// Nine of ten tasks took no longer.
    pub p90: Duration,
    /// Ninety-nine of a hundred tasks took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// Of about so many tasks.
    pub tasks: u64,
}

/// Nanoseconds, by how often.
#[derive(Default)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, nanos: u64, times: u64) {
        let bucket = bucket(nanos);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += times;
        self.total += times;
        self.max = self.max.max(nanos);
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50: self.quantile(50),
            p90: self.quantile(90),
            p99: self.quantile(99),
            max: Duration::from_nanos(self.max),
            tasks: self.total,
        }
    }

    /// Which share is larger.
    #[cfg(test)]
    pub(crate) fn share_over(&self, nanos: u64) -> f64 {
        let over: u64 = self.buckets.iter().skip(bucket(nanos) + 1).sum();
        over as f64 / self.total as f64
    }

    /// The least that so many of a hundred do not exceed, or a little more.
    fn quantile(&self, percent: u64) -> Duration {
        let rank = (u128::from(self.total) * u128::from(percent)).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank && seen > 0 {
                return Duration::from_nanos(last_of(bucket).min(self.max));
            }
        }
        Duration::ZERO
    }
}

/// Small numbers have a bucket each; then each power of two has sixteen.
fn bucket(nanos: u64) -> usize {
    let power = nanos.max(1).ilog2();
    if power < FINE {
        return nanos as usize;
    }
    let fine = (nanos >> (power - FINE)) & ((1 << FINE) - 1);
    (u64::from(power - FINE + 1) << FINE | fine) as usize
}

/// The largest number that is in this bucket.
fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let power = bucket >> FINE;
    if power == 0 {
        return bucket;
    }
    let fine = (bucket & ((1 << FINE) - 1)) | 1 << FINE;
    // Of the highest bucket the next one's beginning would not fit.
    (((u128::from(fine) + 1) << (power - 1)) - 1).min(u128::from(u64::MAX)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_its_bucket_and_buckets_are_a_sixteenth_wide() {
        let mut last = None;
        for power in 0..64 {
            for near in [0, 1, 2, 3, 5, 7, 11, 13] {
                let n = (1u64 << power).saturating_add(near * ((1u64 << power) / 16));
                let end = last_of(bucket(n));
                assert!(end >= n && end - n <= n / 16, "{n}: {end}");
                assert!(last.is_none_or(|b| b <= bucket(n) || power < 5));
                last = Some(bucket(n));
            }
        }
        assert_eq!(last_of(bucket(u64::MAX)), u64::MAX);
    }

    /// A row of numbers that looks like chance, the same each time.
    fn seeded(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed;
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 1
        }
    }

    #[test]
    fn percentiles_are_those_of_the_numbers_within_a_sixteenth() {
        for seed in 0..300 {
            let mut next = seeded(seed);
            let count = 1 + next() as usize % 2000;
            let mut exact = Vec::new();
            let mut histogram = Histogram::default();
            for _ in 0..count {
                // Of every size, and several times the same.
                let n = next() >> (next() % 63);
                let times = 1 + next() % 3;
                histogram.add(n, times);
                exact.extend(std::iter::repeat_n(n, times as usize));
            }
            exact.sort_unstable();
            let told = histogram.percentiles();
            assert_eq!(told.tasks, exact.len() as u64);
            assert_eq!(told.max.as_nanos(), u128::from(exact[exact.len() - 1]));
            for (percent, value) in [(50, told.p50), (90, told.p90), (99, told.p99)] {
                let right = u128::from(exact[(exact.len() * percent).div_ceil(100) - 1]);
                let value = value.as_nanos();
                assert!(
                    value >= right && value - right <= right / 16,
                    "p{percent}: {value}, not {right}"
                );
            }
        }
    }

    #[test]
    fn of_nothing_everything_is_zero() {
        assert_eq!(Histogram::default().percentiles(), Percentiles::default());
    }
}
