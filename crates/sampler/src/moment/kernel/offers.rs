//! What the registers of a thread led to at a tick in the middle of an update of its chain of frames.

use py_spy_python::RawFrame;

/// Chains that are kept at most; a tick has six. More come only if those that end them found no room.
const MAX_OFFERS: usize = 64;

/// Objects and frames are multiples of this.
const ALIGNED: u64 = 8;

/// A thread by its own id, and when.
type Instant = (u32, u64);

/// Chains of frames that reach a root, until it is known that there are no more of their tick.
#[derive(Debug, Default)]
pub(super) struct Offers(Vec<(Instant, Vec<RawFrame>)>);

impl Offers {
    /// Keeps one, unless it can not be frames: any address may lead to words that look like an end.
    pub(super) fn add(&mut self, instant: Instant, frames: Vec<RawFrame>) {
        if !frames.iter().all(may_be_frame) {
            return;
        }
        if self.0.len() >= MAX_OFFERS {
            self.0.remove(0);
        }
        self.0.push((instant, frames));
    }

    /// Appends the one that a tick's registers all led to, and forgets the thread's; false when there is none or they disagree. A chain
    /// that begins with a frame of the interpreter's own lacks the frames inside of it.
    pub(super) fn take(&mut self, instant: Instant, into: &mut Vec<RawFrame>) -> bool {
        let mut of_tick = self.0.iter().filter(|offer| offer.0 == instant).map(|offer| &offer.1);
        let first = of_tick.next();
        let agreed = first
            .filter(|first| first.first().is_some_and(|frame| !frame.shim) && of_tick.all(|other| other == *first));
        if let Some(frames) = agreed {
            into.extend_from_slice(frames);
        }
        let found = agreed.is_some();
        self.0.retain(|offer| offer.0.0 != instant.0);
        found
    }
}

/// True when it lies where objects lie, and what it runs too.
fn may_be_frame(frame: &RawFrame) -> bool {
    let may_be = |at: u64| at != 0 && at.is_multiple_of(ALIGNED);
    may_be(frame.at) && (frame.shim || may_be(frame.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(at: u64, shim: bool) -> RawFrame {
        RawFrame { at: at * ALIGNED, code: ALIGNED, position: 0, entry: false, shim, left: false }
    }

    #[test]
    fn all_must_agree() {
        let mut offers = Offers::default();
        let (mut into, now) = (Vec::new(), (7, 100));
        assert!(!offers.take(now, &mut into));
        offers.add(now, vec![frame(1, false), frame(2, true)]);
        offers.add(now, vec![frame(1, false), frame(2, true)]);
        offers.add((8, 100), vec![frame(3, false)]);
        assert!(offers.take(now, &mut into));
        assert_eq!(into, [frame(1, false), frame(2, true)]);
        assert!(!offers.take(now, &mut into));
        offers.add(now, vec![frame(1, false), frame(2, true)]);
        offers.add(now, vec![frame(2, true)]);
        assert!(!offers.take(now, &mut into));
        offers.add(now, vec![frame(2, true)]);
        assert!(!offers.take(now, &mut into));
        offers.add(now, vec![RawFrame { code: 0x3e8_0000_03e6, ..frame(1, false) }]);
        assert!(!offers.take(now, &mut into));
        assert!(offers.take((8, 100), &mut into));
    }

    #[test]
    fn what_is_never_taken_is_bounded() {
        let mut offers = Offers::default();
        (0..1000).for_each(|time| offers.add((7, time), vec![frame(1, false)]));
        assert_eq!(offers.0.len(), MAX_OFFERS);
        assert!(offers.take((7, 999), &mut Vec::new()) && offers.0.is_empty());
    }
}
