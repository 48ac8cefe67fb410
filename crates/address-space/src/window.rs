//! This tick's copy of a target's memory.

use rustc_hash::FxHashMap;

use crate::{Addr, Fault, Memory, Span};

/// The unit in which memory is copied, bytes. What lies in one page can be read or not as a whole.
pub const PAGE: usize = 4096;

/// Pages that no tick has touched for this many ticks are no longer asked for.
const FORGET_AFTER: u32 = 64;

/// The same for pages that were touched in one tick only, such as those of a list that was read once: whoever is stopped
/// for the copy must not wait for them long.
const FORGET_ONCE_AFTER: u32 = 2;

/// The most pages that are asked for again: 256 MiB, a stack of some million frames.
const MAX_PAGES: usize = 1 << 16;

/// A page that is asked for at each refill.
#[derive(Debug, Clone, Copy)]
struct Slot {
    at: Addr,
    touched: u32,
    /// It was touched in more than one tick.
    again: bool,
    /// When it was last read as one of several copies.
    compared: u32,
    /// Its place among those of that tick.
    order: u32,
}

/// In place of a copy's number: what is there at the end of the refill. Pages of which nobody asks for more are copied
/// only once.
pub const LAST: usize = usize::MAX;

/// This tick's copy of a target's memory: it remembers which pages the last ticks had to touch and asks for all of
/// them again in one vectored read. What it does not have it reads singly, and remembers.
///
/// It needs no knowledge of what is in the pages, so it serves frames on the heap, in data stacks and in generators
/// alike. Pages, not spans: the cost of a vectored read goes by pages touched, and neighbours are read once.
///
/// With more than one copy each refill reads everything that many times in a row, for whoever must tell what moved.
/// Every other copy is read backwards: a program that goes through its states at the pace of the copies would else show
/// each page in one state, in all of them the same, and no two of them at one time. The other way round it can not.
#[derive(Debug)]
pub struct Window {
    /// Those that are copied several times, in the order in which they were looked at: what belongs together is copied at
    /// nearly one time. Then the others.
    slots: Vec<Slot>,
    /// Pages looked at in several copies in this tick.
    looked: u32,
    /// How many of the slots are copied several times.
    compared: usize,
    /// `copies` blocks of `compared` pages each and one of the others; pages read singly are at the end, `copies` pages
    /// each.
    bytes: Vec<u8>,
    index: FxHashMap<Addr, u32>,
    /// Pages read since the refill: they are in `bytes` behind the blocks.
    singles: Vec<Slot>,
    spans: Vec<Span>,
    copies: usize,
    tick: u32,
    /// Nothing was read since the last refill.
    unused: bool,
    /// The page of the last read, which copy it was of, and where that is in `bytes`.
    last: (Addr, usize, usize),
}

/// Where a page is: below `SINGLE` in the blocks, from there on among the singles.
const SINGLE: u32 = 1 << 31;

/// No program has memory above this page, and sums of addresses below it do not overflow.
const LAST_PAGE: Addr = (1 << 63) - PAGE as Addr;

/// An address that is in no page.
const NOWHERE: Addr = 1;

impl Window {
    /// An empty window that takes `copies` copies at each refill.
    pub fn new(copies: usize) -> Self {
        Window {
            slots: Vec::new(),
            looked: 0,
            compared: 0,
            bytes: Vec::new(),
            index: FxHashMap::default(),
            singles: Vec::new(),
            spans: Vec::new(),
            copies: copies.max(1),
            tick: 0,
            unused: false,
            last: (NOWHERE, 0, 0),
        }
    }

    /// How many copies each refill takes.
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// Pages that had to be read singly since the last refill.
    pub fn misses(&self) -> usize {
        self.singles.len()
    }

    /// Forgets everything, as after an exec.
    pub fn clear(&mut self) {
        *self = Window::new(self.copies);
    }

    /// Copies all remembered pages again, and the bytes of `tail` after them into `tail_bytes`, in one vectored read.
    /// Pages that can no longer be read are forgotten.
    ///
    /// # Errors
    /// When `tail` can not be read, or the whole process can not.
    pub fn refill(&mut self, memory: &dyn Memory, tail: Span, tail_bytes: &mut [u8]) -> Result<(), Fault> {
        self.prepare();
        loop {
            let length = self.pages() * PAGE;
            self.bytes.resize(length + tail.1, 0);
            self.lay_spans(tail);
            let got = memory.read_many(&self.spans, &mut self.bytes)?;
            if got >= length + tail.1 {
                tail_bytes.copy_from_slice(&self.bytes[length..]);
                self.bytes.truncate(length);
                self.index_pages();
                return Ok(());
            }
            if got >= length {
                return Err(Fault::unmapped(tail.0, tail.1));
            }
            // One page is a hole, and hides everything behind it. Ask again without it, and without those that the last
            // tick had no use for: what is unmapped was mostly not in use any more, and holes seldom come alone.
            self.slots.remove(self.slot_of(got / PAGE));
            let last = self.tick.wrapping_sub(1);
            self.slots.retain(|slot| slot.touched == last);
            self.arrange();
        }
    }

    /// Reads from one of the copies; a page that is not there is read now, once for each copy.
    pub fn read(&mut self, memory: &dyn Memory, copy: usize, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let mut at = at;
        let mut into = into;
        while !into.is_empty() {
            let page = at & !(PAGE as Addr - 1);
            let skip = (at - page) as usize;
            let take = into.len().min(PAGE - skip);
            let start = self.find(memory, copy, page)? + skip;
            let (now, rest) = into.split_at_mut(take);
            now.copy_from_slice(&self.bytes[start..start + take]);
            into = rest;
            at = page.saturating_add(PAGE as Addr);
        }
        Ok(())
    }

    /// The bytes themselves where they lie in one page; else they are put together in `scratch`, which is as long as
    /// what is wanted.
    pub fn view<'a>(
        &'a mut self,
        memory: &dyn Memory,
        copy: usize,
        at: Addr,
        scratch: &'a mut [u8],
    ) -> Result<&'a [u8], Fault> {
        let skip = at as usize & (PAGE - 1);
        if skip + scratch.len() <= PAGE {
            let start = self.find(memory, copy, at - skip as Addr)? + skip;
            return Ok(&self.bytes[start..start + scratch.len()]);
        }
        self.read(memory, copy, at, scratch)?;
        Ok(scratch)
    }

    /// A page, by its first address.
    pub fn page(&mut self, memory: &dyn Memory, copy: usize, start: Addr) -> Result<&[u8; PAGE], Fault> {
        let place = self.find(memory, copy, start & !(PAGE as Addr - 1))?;
        self.bytes[place..].first_chunk().ok_or(Fault::unmapped(start, PAGE))
    }

    /// Position in `bytes` of a page of one copy.
    fn find(&mut self, memory: &dyn Memory, copy: usize, page: Addr) -> Result<usize, Fault> {
        if (self.last.0, self.last.1) == (page, copy) {
            return Ok(self.last.2);
        }
        self.unused = false;
        let mut place = match self.index.get(&page) {
            Some(&place) => place,
            None => self.read_single(memory, page)?,
        };
        if copy != LAST && (self.compared..SINGLE as usize).contains(&(place as usize)) {
            place = self.read_single(memory, page)?;
        }
        let (at, known) = if place < SINGLE {
            let slot = place as usize;
            (self.page_of(copy, slot), &mut self.slots[slot])
        } else {
            let single = (place - SINGLE) as usize;
            (self.pages() + single * self.copies + copy.min(self.copies - 1), &mut self.singles[single])
        };
        known.again |= known.touched != self.tick;
        known.touched = self.tick;
        if copy != LAST && known.compared != self.tick {
            known.compared = self.tick;
            known.order = self.looked;
            self.looked += 1;
        }
        self.last = (page, copy, at * PAGE);
        Ok(at * PAGE)
    }

    /// Pages that a refill copies.
    fn pages(&self) -> usize {
        self.compared * self.copies + self.slots.len() - self.compared
    }

    /// Which page of the bytes is a slot's.
    fn page_of(&self, copy: usize, slot: usize) -> usize {
        if slot >= self.compared {
            return self.compared * (self.copies - 1) + slot;
        }
        let copy = copy.min(self.copies - 1);
        let place = if copy.is_multiple_of(2) { slot } else { self.compared - 1 - slot };
        copy * self.compared + place
    }

    /// The reverse.
    fn slot_of(&self, page: usize) -> usize {
        if page >= self.compared * self.copies {
            return page - self.compared * (self.copies - 1);
        }
        let (copy, place) = (page / self.compared, page % self.compared);
        if copy.is_multiple_of(2) { place } else { self.compared - 1 - place }
    }

    /// Puts those in front that are copied several times.
    fn arrange(&mut self) {
        let (copies, tick) = (self.copies, self.tick);
        let once = |slot: &Slot| copies > 1 && tick.wrapping_sub(slot.compared) > FORGET_AFTER;
        // With one copy they are all of one time.
        let order = |slot: &Slot| if copies > 1 && !once(slot) { slot.order } else { 0 };
        self.slots.sort_unstable_by_key(|slot| (once(slot), order(slot), slot.at));
        self.compared = self.slots.partition_point(|slot| !once(slot));
    }

    fn read_single(&mut self, memory: &dyn Memory, page: Addr) -> Result<u32, Fault> {
        if page > LAST_PAGE {
            return Err(Fault::unmapped(page, PAGE));
        }
        let end = self.bytes.len();
        self.bytes.resize(end + PAGE * self.copies, 0);
        self.spans.clear();
        self.spans.resize(self.copies, (page, PAGE));
        let got = memory.read_many(&self.spans, &mut self.bytes[end..]);
        if !matches!(got, Ok(n) if n == PAGE * self.copies) {
            self.bytes.truncate(end);
            return Err(got.err().unwrap_or(Fault::unmapped(page, PAGE)));
        }
        let place = SINGLE | self.singles.len() as u32;
        let never = self.tick.wrapping_sub(FORGET_AFTER + 1);
        self.singles.push(Slot { at: page, touched: self.tick, again: false, compared: never, order: 0 });
        self.index.insert(page, place);
        Ok(place)
    }

    /// Takes in what was read singly, forgets what is no longer touched, begins a new tick.
    fn prepare(&mut self) {
        // A refill of which nothing was read is no tick.
        if std::mem::replace(&mut self.unused, true) {
            return;
        }
        let tick = self.tick;
        let many = self.slots.len() > MAX_PAGES;
        let stale = |slot: &Slot| {
            let most = match slot.again {
                _ if many => 0,
                true => FORGET_AFTER,
                false => FORGET_ONCE_AFTER,
            };
            tick.wrapping_sub(slot.touched) > most
        };
        if !self.singles.is_empty() || self.slots.iter().any(stale) {
            self.slots.retain(|slot| !stale(slot));
            self.slots.append(&mut self.singles);
            // What was read singly although it was there has the newer state.
            self.slots.sort_by_key(|slot| (slot.at, slot.touched.wrapping_sub(slot.compared)));
            self.slots.dedup_by_key(|slot| slot.at);
            self.arrange();
        }
        self.tick = tick.wrapping_add(1);
        self.looked = 0;
        self.last = (NOWHERE, 0, 0);
    }

    fn lay_spans(&mut self, tail: Span) {
        self.spans.clear();
        for page in 0..self.pages() {
            let at = self.slots[self.slot_of(page)].at;
            match self.spans.last_mut() {
                Some(span) if span.0 + span.1 as Addr == at => span.1 += PAGE,
                _ => self.spans.push((at, PAGE)),
            }
        }
        if tail.1 > 0 {
            self.spans.push(tail);
        }
    }

    fn index_pages(&mut self) {
        let same = self.index.len() == self.slots.len()
            && self.slots.iter().enumerate().all(|(place, slot)| self.index.get(&slot.at) == Some(&(place as u32)));
        if !same {
            self.index.clear();
            self.index.extend(self.slots.iter().enumerate().map(|(place, slot)| (slot.at, place as u32)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Two runs of pages with a hole between them; each byte is its page's number plus the number of calls so far.
    struct Fake {
        calls: Cell<u8>,
    }

    impl Memory for Fake {
        fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
            let page = at / PAGE as Addr;
            if page == 5 || page >= 10 {
                return Err(Fault::unmapped(at, into.len()));
            }
            into.fill(page as u8 * 16 + self.calls.get());
            Ok(())
        }

        fn read_many(&self, spans: &[Span], into: &mut [u8]) -> Result<usize, Fault> {
            self.calls.set(self.calls.get() + 1);
            let mut done = 0;
            for &(at, len) in spans {
                for page in (at..at + len as Addr).step_by(PAGE) {
                    let len = len.min(PAGE);
                    if self.read(page, &mut into[done..done + len]).is_err() {
                        return Ok(done);
                    }
                    done += len;
                }
            }
            Ok(done)
        }
    }

    fn read(window: &mut Window, memory: &Fake, page: Addr) -> Option<u8> {
        let mut byte = [0];
        window.read(memory, window.copies() - 1, page * PAGE as Addr + 7, &mut byte).ok().map(|()| byte[0])
    }

    #[test]
    fn what_was_touched_is_read_again_in_one_call() {
        for copies in [1, 3] {
            let memory = Fake { calls: Cell::new(0) };
            let mut window = Window::new(copies);
            window.refill(&memory, (0, 0), &mut []).expect("nothing to read");
            assert_eq!(read(&mut window, &memory, 2), Some(0x22));
            assert_eq!(read(&mut window, &memory, 1), Some(0x13));
            assert_eq!(read(&mut window, &memory, 4), Some(0x44));
            assert_eq!(window.misses(), 3);
            let mut tail = [0; 2];
            window.refill(&memory, (3 * PAGE as Addr, 2), &mut tail).expect("all is there");
            assert_eq!(memory.calls.get(), 5);
            assert_eq!(tail, [0x35; 2]);
            assert_eq!([2, 1, 4].map(|page| read(&mut window, &memory, page)), [Some(0x25), Some(0x15), Some(0x45)]);
            assert_eq!((window.misses(), memory.calls.get()), (0, 5));
        }
    }

    #[test]
    fn a_read_over_two_pages_is_put_together() {
        let memory = Fake { calls: Cell::new(0) };
        let mut window = Window::new(1);
        let mut bytes = [0; 4];
        window.read(&memory, 0, 3 * PAGE as Addr - 2, &mut bytes).expect("both pages");
        assert_eq!(bytes, [0x21, 0x21, 0x32, 0x32]);
        assert!(window.read(&memory, 0, 5 * PAGE as Addr - 2, &mut bytes).is_err());
        assert!(window.read(&memory, 0, u64::MAX - 1, &mut bytes).is_err());
    }

    #[test]
    fn a_page_that_went_away_does_not_hide_the_others() {
        let memory = Fake { calls: Cell::new(0) };
        let mut window = Window::new(2);
        assert!(read(&mut window, &memory, 1).is_some() && read(&mut window, &memory, 8).is_some());
        window.singles.push(Slot { at: 5 * PAGE as Addr, touched: 0, again: false, compared: 0, order: 0 });
        window.refill(&memory, (0, 0), &mut []).expect("the hole is left out");
        assert_eq!(window.slots.len(), 2);
        let calls = memory.calls.get();
        assert!(read(&mut window, &memory, 1).is_some() && read(&mut window, &memory, 8).is_some());
        assert_eq!(memory.calls.get(), calls);
    }

    #[test]
    fn what_is_not_touched_is_forgotten() {
        let memory = Fake { calls: Cell::new(0) };
        let mut window = Window::new(1);
        assert!(read(&mut window, &memory, 1).is_some() && read(&mut window, &memory, 2).is_some());
        let mut refill = |touch: &[Addr]| {
            window.refill(&memory, (0, 0), &mut []).expect("all is there");
            memory.calls.set(0);
            assert!(touch.iter().all(|&page| read(&mut window, &memory, page).is_some()));
            window.slots.len()
        };
        // Page 2 is touched in two ticks, page 1 in one.
        assert_eq!(refill(&[2, 3]), 2);
        assert_eq!((0..=FORGET_ONCE_AFTER).map(|_| refill(&[3])).last(), Some(2));
        assert_eq!((0..=FORGET_AFTER).map(|_| refill(&[3])).last(), Some(1));
    }
}
