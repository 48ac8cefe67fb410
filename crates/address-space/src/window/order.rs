//! In which order a window copies its pages.

use std::ops::Range;

use crate::Addr;

use super::FORGET_AFTER;

/// A page in which nothing was seen to move for so many ticks is still. Then a copy in which it just has moved comes at most
/// that seldom, and only a small part of those copies are torn and look whole.
pub(super) const STILL_AFTER: u32 = 256;

/// How many of a refill's copies there are of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Copies {
    /// One, with as many copies of what is near before it as after it.
    Once,
    /// The first and the last.
    Outermost,
    All,
}

/// A page that is asked for at each refill.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) at: Addr,
    /// When it was last used.
    pub(super) touched: u32,
    /// It was touched in more than one tick.
    pub(super) again: bool,
    /// When it was last read as one of several copies.
    pub(super) compared: u32,
    /// Its place among those of that tick.
    pub(super) order: u32,
    /// The chain along which it was last met.
    pub(super) chain: u32,
    /// When it was last among the first along a chain.
    pub(super) near: u32,
    /// It has the head of a chain.
    pub(super) head: bool,
    /// When something in it was last seen to have moved.
    pub(super) moved: u32,
    /// It is looked at in several copies.
    pub(super) several: bool,
    /// And there are so many.
    pub(super) copies: Copies,
}

impl Slot {
    /// A page that was not asked for before this tick.
    pub(super) fn new(at: Addr, tick: u32) -> Slot {
        let never = tick.wrapping_sub(FORGET_AFTER + 1);
        Slot {
            at,
            touched: tick,
            again: false,
            compared: never,
            order: 0,
            chain: 0,
            near: never,
            head: false,
            moved: tick,
            several: true,
            copies: Copies::All,
        }
    }

    /// How many copies there should be of it, where there are more than two of others.
    pub(super) fn wants(&self, tick: u32) -> Copies {
        let near = tick.wrapping_sub(self.near) <= FORGET_AFTER;
        let still = tick.wrapping_sub(self.moved) > STILL_AFTER;
        match (near, still) {
            (true, false) => Copies::All,
            (true, true) | (false, false) => Copies::Outermost,
            (false, true) => Copies::Once,
        }
    }
}

/// Which page of the bytes is whose.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The slots in the order in which they are copied.
    sequence: Vec<u32>,
    /// For each slot where its copies are in that order.
    pages: Vec<u32>,
    copies: usize,
}

impl Order {
    /// Pages that a refill copies.
    pub(super) fn pages(&self) -> usize {
        self.sequence.len()
    }

    /// Where a slot's copy is.
    pub(super) fn page(&self, slot: usize, copy: usize) -> usize {
        self.pages[slot * self.copies + copy] as usize
    }

    /// Whose copy it is.
    pub(super) fn slot(&self, page: usize) -> usize {
        self.sequence[page] as usize
    }

    /// What is copied several times is copied in the order in which it was looked at, so that what belongs together is
    /// copied at nearly one time. Then the others.
    pub(super) fn arrange(&mut self, slots: &mut [Slot], copies: usize, tick: u32) {
        for slot in slots.iter_mut() {
            slot.several = copies == 1 || tick.wrapping_sub(slot.compared) <= FORGET_AFTER;
            slot.copies = if copies > 2 && slot.several { slot.wants(tick) } else { Copies::All };
        }
        // With one copy they are all of one time.
        let order = |slot: &Slot| if copies > 1 && slot.several { slot.order } else { 0 };
        slots.sort_unstable_by_key(|slot| (!slot.several, order(slot), slot.at));
        let compared = slots.partition_point(|slot| slot.several);
        // Neighbours in one span cost less. What is far is read upwards in all of its copies: which of these pages is
        // before which does not matter as all that is near is around them.
        let all = |slot: u32| slots[slot as usize].copies == Copies::All;
        let mut several: Vec<u32> = (0..compared as u32).collect();
        let mut once: Vec<u32> =
            several.extract_if(.., |slot| slots[*slot as usize].copies == Copies::Once).collect();
        once.sort_unstable_by_key(|&slot| slots[slot as usize].at);
        for run in several.chunk_by_mut(|&a, &b| !all(a) && !all(b)) {
            run.sort_unstable_by_key(|&slot| slots[slot as usize].at);
        }
        self.copies = copies;
        self.sequence.clear();
        self.pages.clear();
        self.pages.resize(slots.len() * copies, 0);
        for copy in 0..copies {
            if copy == copies / 2 {
                for &slot in &once {
                    self.place(slot, 0..copies);
                }
            }
            let outermost = copy == 0 || copy == copies - 1;
            let runs = several.chunk_by(|&a, &b| !all(a) && !all(b));
            let runs = runs.filter(|run| outermost || all(run[0]));
            match copy % 3 {
                0 => self.forwards(slots, runs, copy..copies),
                // It was laid together with the one before.
                1 => {}
                _ => {
                    let runs: Vec<&[u32]> = runs.collect();
                    runs.into_iter().rev().flatten().for_each(|&slot| self.place(slot, copy..copies));
                }
            }
        }
        for slot in compared..slots.len() {
            self.place(slot as u32, 0..copies);
        }
    }

    /// One copy of everything; and of each chain's head, right after what is near along the chain, the next copy too: from a
    /// head back to the same one it is too short for a program to come away and back.
    fn forwards<'a>(&mut self, slots: &[Slot], runs: impl Iterator<Item = &'a [u32]>, copies: Range<usize>) {
        let after = copies.start + 1..copies.end;
        let mut heads: Vec<u32> = Vec::new();
        let mut within = false;
        for &slot in runs.flatten() {
            let Slot { head, copies: share, .. } = slots[slot as usize];
            if within && (head || share != Copies::All) {
                heads.drain(..).for_each(|head| self.place(head, after.clone()));
            }
            within = !heads.is_empty() && !head && share == Copies::All;
            if head {
                heads.push(slot);
            }
            self.place(slot, copies.clone());
        }
        if within {
            for head in heads {
                self.place(head, after.clone());
            }
        }
    }

    /// Puts a slot's page at the end, in place of these copies of it. Also where the order turns, and the same page is read
    /// twice in a row: what moved in between is seen by just that.
    fn place(&mut self, slot: u32, copies: Range<usize>) {
        let page = self.sequence.len() as u32;
        let first = slot as usize * self.copies;
        self.pages[first + copies.start..first + copies.end].fill(page);
        self.sequence.push(slot);
    }
}
