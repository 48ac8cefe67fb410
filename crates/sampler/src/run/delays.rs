//! How long threads waited for a CPU, which the kernel's ticks do not see.
//!
//! A tick comes after so much CPU time. Who stops threads sees them wait too: a thread that wants to run is active, and where more want to
//! run than there are CPUs that is most of their time. The scheduler counts how long each thread waited; what it counts between two
//! looks is given to the ticks that the thread had meanwhile, as more samples of them. Where a thread loses its CPU it is
//! as likely to be as at any of its ticks; where it is woken up and waits then, that is not so, and only the sum is right.

use py_spy_profile::Nanos;
use py_spy_target::Tasks;
use rustc_hash::FxHashMap;

/// More is not given to ticks that come after it, ns: the thread or the system stood still.
const MOST_OWED: u64 = 10_000_000_000;

/// Threads that are remembered that have ended; then they are forgotten.
const MAX_ENDED: usize = 1 << 12;

/// How long each thread waited.
#[derive(Debug, Default)]
pub(super) struct Delays(FxHashMap<u32, Delay>);

#[derive(Debug, Default)]
struct Delay {
    /// What was counted for it at the last look, ns.
    counted: u64,
    /// What of it its ticks have not got yet, ns.
    owed: u64,
    /// What they got and is no whole sample yet, ns.
    part: u64,
    /// Ticks of this look that have not got theirs.
    ticks: u64,
    /// Its last sample.
    last: Nanos,
}

impl Delays {
    /// What was counted until now is nobody's. A thread that begins later has waited for nothing before.
    pub(super) fn begin(&mut self, tasks: &mut Tasks) {
        self.0.clear();
        let ids: Vec<u32> = tasks.ids().collect();
        for tid in ids {
            let counted = tasks.slices(tid).and_then(|slices| slices.delay()).unwrap_or(0);
            self.0.insert(tid, Delay { counted, ..Delay::default() });
        }
    }

    /// Asks how long these threads waited since; each is named as often as it had a tick.
    pub(super) fn look(&mut self, tasks: &mut Tasks, ticks: impl Iterator<Item = u32>) {
        if self.0.len() > tasks.len() + MAX_ENDED {
            self.0.retain(|&tid, _| tasks.contains(tid));
        }
        let mut of_look = Vec::new();
        for tid in ticks {
            let delay = self.0.entry(tid).or_default();
            delay.ticks += 1;
            if delay.ticks == 1 {
                of_look.push(tid);
            }
        }
        let (mut ended, mut waited, mut ticks) = (Vec::new(), 0_u64, 0_u64);
        for tid in of_look {
            let Some(delay) = self.0.get_mut(&tid) else { continue };
            match tasks.slices(tid).and_then(|slices| slices.delay()) {
                Some(counted) => {
                    let new = counted.saturating_sub(delay.counted);
                    delay.owed = delay.owed.saturating_add(new).min(MOST_OWED);
                    delay.counted = counted;
                    (waited, ticks) = (waited.saturating_add(new), ticks + delay.ticks);
                }
                None => ended.push(tid),
            }
        }
        // How long those waited that have ended since nobody says any more: as long as the others did.
        for tid in ended {
            if let Some(delay) = self.0.get_mut(&tid) {
                delay.owed = (waited / ticks.max(1)).saturating_mul(delay.ticks).min(MOST_OWED);
            }
        }
    }

    /// How many samples of `period` ns a tick gets for what its thread waited.
    pub(super) fn take(&mut self, tid: u32, period: u64) -> u64 {
        let Some(delay) = self.0.get_mut(&tid) else { return 0 };
        let part = delay.owed / delay.ticks.max(1);
        delay.ticks = delay.ticks.saturating_sub(1);
        delay.owed -= part;
        let part = delay.part + part;
        let period = period.max(1);
        delay.part = part % period;
        part / period
    }

    /// When each of so many samples of a thread was that end at `at`, one before the other, but not before those that it had.
    pub(super) fn times(&mut self, tid: u32, at: Nanos, samples: u64, period: Nanos) -> impl Iterator<Item = Nanos> {
        let last = self.0.entry(tid).or_default();
        let first = last.last;
        last.last = at.max(first);
        (0..samples).rev().map(move |before| at.saturating_sub(before.saturating_mul(period)).max(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_waited_is_shared_by_the_ticks() {
        let mut delays = Delays::default();
        delays.0.insert(7, Delay { owed: 35, ticks: 3, ..Delay::default() });
        let samples: Vec<u64> = (0..3).map(|_| delays.take(7, 10)).collect();
        assert_eq!(samples.iter().sum::<u64>(), 3, "{samples:?}");
        assert_eq!((delays.0[&7].owed, delays.0[&7].part), (0, 5));
        assert_eq!((delays.take(7, 10), delays.take(8, 10)), (0, 0));
    }

    #[test]
    fn samples_are_in_order() {
        let mut delays = Delays::default();
        assert_eq!(delays.times(7, 100, 3, 10).collect::<Vec<_>>(), [80, 90, 100]);
        assert_eq!(delays.times(7, 115, 3, 10).collect::<Vec<_>>(), [100, 105, 115]);
        assert_eq!(delays.times(7, 110, 1, 10).collect::<Vec<_>>(), [115]);
        assert_eq!(delays.times(7, 5, 0, 10).count(), 0);
    }
}
