//! When to sample.

use std::time::{Duration, Instant};

/// A sleep is up to this much late. At intervals below it waits are spun; at longer ones the instants are random anyway
/// and a late one is as good.
const SLEEP_IS_LATE: Duration = Duration::from_micros(100);

/// Sleeps are cut into parts of this length, so that a request to stop is heard.
const LOOK_UP_EVERY: Duration = Duration::from_millis(50);

/// Divides time into equal slots and gives each slot one instant, at random in it: a program with the same period as
/// the sampler is seen in all its phases, and the average rate is exact. Slots that have passed are skipped, never made
/// up for in a burst.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    interval: Duration,
    /// The next slot.
    slot: u64,
    random: Dice,
}

/// A slot whose instant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Counted from 0.
    pub number: u64,
    /// Slots directly before it that passed without a sample.
    pub skipped: u64,
    /// Those of them that were left out so that the program has time to run.
    pub held_back: u64,
}

impl Clock {
    /// Starts now.
    #[cfg(test)]
    fn start(interval: Duration) -> Clock {
        Clock::since(Instant::now(), interval)
    }

    /// Counts its slots from an instant. Those that have passed are not missed: nobody was there.
    pub(crate) fn since(start: Instant, interval: Duration) -> Clock {
        let interval = interval.max(Duration::from_nanos(1));
        let slot = (start.elapsed().as_nanos() / interval.as_nanos()) as u64;
        Clock { start, interval, slot, random: Dice::new() }
    }

    /// When it was started.
    pub(crate) fn started(&self) -> Instant {
        self.start
    }

    /// The instant of the next slot that has not passed and is not over at `not_before`, and which slot that is.
    pub(crate) fn next(&mut self, not_before: Option<Instant>) -> (Instant, Slot) {
        let interval = self.interval.as_nanos() as u64;
        let now = self.start.elapsed().as_nanos() as u64;
        let least = not_before.map_or(now, |at| now.max(at.saturating_duration_since(self.start).as_nanos() as u64));
        let skipped = (least / interval).saturating_sub(self.slot);
        let missed = (now / interval).saturating_sub(self.slot);
        let number = self.slot + skipped;
        self.slot = number + 1;
        let at = number * interval + self.random.below(interval);
        (self.start + Duration::from_nanos(at.max(least)), Slot { number, skipped, held_back: skipped - missed })
    }

    /// A number between a half and one and a half, at random.
    pub(crate) fn about_one(&mut self) -> f64 {
        const STEPS: u64 = 1 << 20;
        0.5 + self.random.below(STEPS) as f64 / STEPS as f64
    }
}

/// Numbers at random: xorshift (Marsaglia 2003), good enough to have no period that a program shares.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Any seed does; two runs should differ.
    pub(crate) fn new() -> Dice {
        Dice(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), Instant::now()) | 1)
    }

    /// A number below a bound that is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % bound
    }
}

/// Waits for an instant. `idle` gets the time until when it may sleep, at most [`LOOK_UP_EVERY`] from now, or `None` when it
/// may not; when it says false the wait is over, and so is this.
pub(crate) fn wait_until(at: Instant, interval: Duration, mut idle: impl FnMut(Option<Instant>) -> bool) {
    let spin_below = if interval < SLEEP_IS_LATE { SLEEP_IS_LATE } else { Duration::ZERO };
    loop {
        let now = Instant::now();
        let left = at.saturating_duration_since(now);
        if left.is_zero() {
            return;
        }
        match left.checked_sub(spin_below) {
            Some(sleep) if !sleep.is_zero() => {
                if !idle(Some(now + sleep.min(LOOK_UP_EVERY))) {
                    return;
                }
            }
            _ => {
                if !idle(None) {
                    return;
                }
                std::hint::spin_loop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_once_and_in_order() {
        let mut clock = Clock::start(Duration::from_secs(1000));
        for number in 0..100 {
            let (at, slot) = clock.next(None);
            assert_eq!(slot, Slot { number, skipped: 0, held_back: 0 });
            let offset = at - clock.started();
            assert_eq!(offset.as_secs() / 1000, number);
        }
    }

    #[test]
    fn what_has_passed_is_skipped_and_counted() {
        let mut clock = Clock::start(Duration::from_millis(10));
        clock.start -= Duration::from_millis(1005);
        let (_, slot) = clock.next(None);
        assert!(slot.number >= 100 && slot.skipped == slot.number, "{slot:?}");
        let (_, after) = clock.next(None);
        assert!(after.number > slot.number);
    }

    #[test]
    fn who_joins_later_has_missed_nothing() {
        let start = Instant::now().checked_sub(Duration::from_millis(1005)).expect("a second has passed");
        let (at, slot) = Clock::since(start, Duration::from_millis(10)).next(None);
        assert!(slot.number >= 100 && slot.skipped <= 1 && at >= start + Duration::from_secs(1), "{slot:?}");
    }

    #[test]
    fn what_is_left_out_is_counted_apart() {
        let mut clock = Clock::start(Duration::from_secs(10));
        let start = clock.started();
        clock.start -= Duration::from_secs(25);
        let (at, slot) = clock.next(Some(start + Duration::from_secs(30)));
        assert_eq!(slot, Slot { number: 5, skipped: 5, held_back: 3 });
        assert!(at >= start + Duration::from_secs(30) && at < start + Duration::from_secs(35));
        assert!((0..1000).map(|_| clock.about_one()).all(|one| (0.5..1.5).contains(&one)));
    }

    #[test]
    fn instants_fill_their_slots_evenly() {
        let mut clock = Clock::start(Duration::from_secs(1));
        let mut tenths = [0_u32; 10];
        for number in 0..10_000 {
            let (at, _) = clock.next(None);
            let part = (at - clock.started()).as_secs_f64() - f64::from(number);
            tenths[((part * 10.0) as usize).min(9)] += 1;
        }
        assert!(tenths.iter().all(|&count| (800..1200).contains(&count)), "{tenths:?}");
    }
}
