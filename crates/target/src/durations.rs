//! Many durations in little room.

use std::time::Duration;

/// Each power of two is divided into this many buckets, as a power of two: a bucket is at most 12.5 % wide.
const PARTS: u32 = 3;

/// Buckets for all 64-bit numbers of nanoseconds.
const BUCKETS: usize = (64 - PARTS as usize + 1) << PARTS;

/// How often durations of each length occurred, in buckets of at most an eighth of their value.
#[derive(Debug, Clone)]
pub struct Durations {
    counts: Box<[u64; BUCKETS]>,
    count: u64,
    total: Duration,
    longest: Duration,
}

impl Default for Durations {
    fn default() -> Self {
        Durations { counts: Box::new([0; BUCKETS]), count: 0, total: Duration::ZERO, longest: Duration::ZERO }
    }
}

impl Durations {
    /// Counts one.
    pub fn add(&mut self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanoseconds)] += 1;
        self.count += 1;
        self.total = self.total.saturating_add(duration);
        self.longest = self.longest.max(duration);
    }

    /// Counts all of these too.
    pub fn extend(&mut self, others: &Durations) {
        for (count, other) in self.counts.iter_mut().zip(others.counts.iter()) {
            *count += other;
        }
        self.count += others.count;
        self.total = self.total.saturating_add(others.total);
        self.longest = self.longest.max(others.longest);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The longest one.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// The shortest duration that this share of them (0 to 1) does not exceed, to the width of a bucket; zero when there
    /// were none.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (share.clamp(0.0, 1.0) * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            seen += count;
            if count > 0 && seen >= rank {
                return Duration::from_nanos(end_of(bucket)).min(self.longest);
            }
        }
        self.longest
    }
}

fn bucket(value: u64) -> usize {
    // Below 2^PARTS each value has a bucket of its own.
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(PARTS + 1);
    ((shift as usize) << PARTS) + (value >> shift) as usize
}

/// The largest value of a bucket.
fn end_of(bucket: usize) -> u64 {
    let part = bucket as u64 & ((1 << PARTS) - 1);
    match (bucket >> PARTS).checked_sub(1) {
        None => part,
        Some(shift) => ((((1 << PARTS) | part) + 1) << shift).wrapping_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_its_bucket() {
        let mut last = 0;
        for bucket_of in 0..BUCKETS {
            let end = end_of(bucket_of);
            assert_eq!(bucket(end), bucket_of, "{end}");
            assert!(bucket_of == 0 || bucket(last + 1) == bucket_of, "{last}");
            last = end;
        }
        assert_eq!(last, u64::MAX);
    }

    #[test]
    fn quantiles_are_within_an_eighth() {
        let mut durations = Durations::default();
        assert_eq!(durations.quantile(0.5), Duration::ZERO);
        for microseconds in 1..=1000 {
            durations.add(Duration::from_micros(microseconds));
        }
        assert_eq!((durations.count(), durations.total()), (1000, Duration::from_micros(500_500)));
        for share in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let (exact, seen) = (share * 1000.0, durations.quantile(share).as_secs_f64() * 1e6);
            assert!((exact..=exact * 1.126).contains(&seen), "{share}: {seen}");
        }
        assert_eq!(durations.quantile(1.0), durations.longest());
    }
}
