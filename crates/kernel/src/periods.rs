//! Which periods the timers get for the one that is asked for, and how many samples a thread's first tick is.
//!
//! A thread's timer begins with the thread, so its first tick comes after one period and what it does before is seen by
//! nobody; and what it does after its last tick, half a period on the average, counts for nothing. Where threads come and go
//! all the time that is much of their lives. So periods are short then, and of a length at random: with the density of 1 / period
//! the ticks' weight at each age of a thread, from the shortest period on, is about what it should be. What is missing before
//! and after is given to first ticks.

use py_spy_target::SHORTEST_PERIOD;

use crate::walker::MAX_PERIOD;

/// Usual periods are up to this part shorter than what is asked for: a program that has exactly that period is seen in all
/// its phases.
const PART_AT_RANDOM: u64 = 10;

/// While threads come and go no period is longer than this, ns. From a quarter of it on that is 1,080 ticks a second and CPU,
/// some 0.5 % of its time where a tick that does not count takes 5 us.
const SHORT: u64 = 2_000_000;

/// The longest of the periods at random is so many times the shortest.
const SPREAD: f64 = 4.0;

/// Where more than 1,000 samples a second are asked for it is less: else it were too many ticks more.
const SPREAD_FROM: u64 = 1_000_000;
const LITTLE_SPREAD: f64 = 4.0 / 3.0;

/// Steps of chance.
const STEPS: u64 = 1 << 20;

/// Periods for one that is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Periods {
    /// ns
    asked: u64,
    /// The longest one while threads come and go, ns, and how many times the shortest it is.
    short: u64,
    spread: f64,
}

impl Periods {
    pub(crate) fn of(asked: u64) -> Periods {
        let asked = asked.clamp(SHORTEST_PERIOD, MAX_PERIOD);
        let spread = if asked < SPREAD_FROM { LITTLE_SPREAD } else { SPREAD };
        Periods { asked, short: asked.min(SHORT), spread }
    }

    /// What a tick that counts stands for, ns.
    pub(crate) fn asked(self) -> u64 {
        self.asked
    }

    /// One where all threads are there already.
    pub(crate) fn usual(self, below: &mut impl FnMut(u64) -> u64) -> u64 {
        self.asked - below(self.asked / PART_AT_RANDOM + 1)
    }

    /// One where threads come and go.
    pub(crate) fn short(self, below: &mut impl FnMut(u64) -> u64) -> u64 {
        let part = below(STEPS) as f64 / STEPS as f64;
        ((self.short as f64 / self.spread.powf(part)) as u64).max(1)
    }

    /// How many samples the first tick of a thread is whose timer has this period.
    ///
    /// Half a period of each thread is to be made up for, which is `(spread - 1) / 2` times the shortest, divided by `ln(spread)`.
    /// What is not seen is mostly the beginning, so it is given to those that are there first, of periods up to twice the shortest.
    pub(crate) fn samples(self, period: u64, below: &mut impl FnMut(u64) -> u64) -> u32 {
        let shortest = self.short as f64 / self.spread;
        let more = match () {
            () if self.spread < 2.0 || period > self.short => 0.5,
            () if period as f64 <= 2.0 * shortest => (self.spread - 1.0) / 2.0,
            () => 0.0,
        };
        let whole = more as u32;
        1 + whole + u32::from((below(STEPS) as f64) < (more - f64::from(whole)) * STEPS as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers at random, the same each time.
    fn dice() -> impl FnMut(u64) -> u64 {
        let mut state = 88_172_645_463_325_252_u64;
        move |bound| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 8) % bound
        }
    }

    #[test]
    fn no_period_is_longer_than_what_a_tick_stands_for() {
        let mut dice = dice();
        for asked in [0, 1, SHORTEST_PERIOD, 999_999, 1_000_000, SHORT, 10_000_000, 10_000_000_000, u64::MAX] {
            let periods = Periods::of(asked);
            for _ in 0..1000 {
                let usual = periods.usual(&mut dice);
                assert!(usual <= periods.asked() && usual >= periods.asked() / 10 * 9, "{asked}: {usual}");
                let short = periods.short(&mut dice);
                assert!(short <= periods.asked().min(SHORT) && short >= periods.short / 4, "{asked}: {short}");
            }
        }
    }

    /// What threads of one length get in samples, each of which stands for what was asked for, is what they use.
    #[test]
    fn short_lives_get_what_they_use() {
        let mut dice = dice();
        for (asked, life) in
            [(10_000_000, 3_000_000), (10_000_000, 7_300_000), (1_000_000, 3_000_000), (400_000, 1_100_000)]
        {
            let periods = Periods::of(asked);
            let (mut used, mut seen) = (0.0, 0.0);
            for _ in 0..100_000 {
                let period = periods.short(&mut dice);
                used += life as f64;
                let ticks = life / period;
                if ticks > 0 {
                    seen += period as f64 * (ticks - 1 + u64::from(periods.samples(period, &mut dice))) as f64;
                }
            }
            let share: f64 = seen / used;
            assert!((0.97..1.03).contains(&share), "{life} at {asked}: {share}");
        }
    }
}
