//! This tick's copy of a target's memory.

mod buffer;
mod order;
mod refill;

use rustc_hash::FxHashMap;

use crate::{Addr, Fault, Memory, Span};
use buffer::Buffer;
use order::{Order, Slot};

/// The unit in which memory is copied, bytes. What lies in one page can be read or not as a whole.
pub const PAGE: usize = 4096;

/// Pages that no tick has touched for this many ticks are no longer asked for.
const FORGET_AFTER: u32 = 64;

/// In place of a copy's number: what is there at the end of the refill. Pages of which nobody asks for more are copied
/// only once.
pub const LAST: usize = usize::MAX;

/// In place of a copy's number: the first copy of the refill before, for [`Window::pair`].
pub const BEFORE: usize = usize::MAX - 1;

/// This tick's copy of a target's memory: it remembers which pages the last ticks had to touch and asks for all of
/// them again in one vectored read. What it does not have it reads singly, and remembers.
///
/// It needs no knowledge of what is in the pages, so it serves frames on the heap, in data stacks and in generators
/// alike. Pages, not spans: the cost of a vectored read goes by pages touched, and neighbours are read once.
///
/// With more than one copy each refill reads everything that many times in a row, for whoever must tell what moved.
/// Every third copy is read backwards: a program that goes through its states at the pace of the copies would else show
/// each page in one state, in all of them the same, and no two of them at one time. The other way round it can not.
///
/// Of what lies far along a chain, or has been still, there are only the first copy and the last, with all copies of what is
/// near between them, and of what is both only one, in the middle: see [`Window::begin`] and [`Window::moved`].
#[derive(Debug)]
pub struct Window {
    slots: Vec<Slot>,
    /// In which order they are copied.
    order: Order,
    /// Pages looked at in several copies in this tick.
    looked: u32,
    /// Chains begun so far, and how many of the next pages along the last one are near.
    chain: u32,
    near: u32,
    /// The pages in the order of `order`; pages read singly are at the end, `copies` pages each.
    bytes: Buffer,
    /// Those of the refill before, and whether they are in the order of this one.
    before: Buffer,
    has_before: bool,
    /// The slots have changed since `index` was made.
    rearranged: bool,
    index: FxHashMap<Addr, u32>,
    /// Pages read since the refill: they are in `bytes` behind the others.
    singles: Vec<Slot>,
    spans: Vec<Span>,
    copies: usize,
    tick: u32,
    /// Nothing was read since the last refill.
    unused: bool,
    /// The places of some pages that were found last, each where its address says.
    recent: [(Addr, u32); RECENT],
    /// When which page was last noted to have moved.
    last_moved: (u32, Addr),
    /// The page of the last read, which copy it was of, and where that is in `bytes`.
    last: (Addr, usize, usize),
}

/// A page in two copies.
pub type Pair<'a> = [&'a [u8; PAGE]; 2];

/// Where a page is: below `SINGLE` among the slots, from there on among the singles.
const SINGLE: u32 = 1 << 31;

/// Pages whose places are found without the index.
const RECENT: usize = 16;

/// No program has memory above this page, and sums of addresses below it do not overflow.
const LAST_PAGE: Addr = (1 << 63) - PAGE as Addr;

/// For [`Window::begin`]: all pages of the chain are near, and whatever is in them moves.
pub const ALL_NEAR: u32 = u32::MAX;

/// An address that is in no page.
const NOWHERE: Addr = 1;

impl Window {
    /// An empty window that takes `copies` copies at each refill.
    pub fn new(copies: usize) -> Self {
        Window {
            slots: Vec::new(),
            order: Order::default(),
            looked: 0,
            chain: 1,
            near: ALL_NEAR,
            bytes: Buffer::default(),
            before: Buffer::default(),
            has_before: false,
            rearranged: true,
            index: FxHashMap::default(),
            singles: Vec::new(),
            spans: Vec::new(),
            copies: copies.max(1),
            tick: 0,
            unused: false,
            recent: [(NOWHERE, 0); RECENT],
            last_moved: (0, NOWHERE),
            last: (NOWHERE, 0, 0),
        }
    }

    /// How many copies each refill takes.
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// Counts the refills of which something was read. Two of them in a row have numbers that follow each other.
    pub fn refills(&self) -> u32 {
        self.tick
    }

    /// Pages that had to be read singly since the last refill.
    pub fn misses(&self) -> usize {
        self.singles.len()
    }

    /// True when what was looked at since the last refill was not all in its copies, as often as it should be.
    pub fn lacks(&self) -> bool {
        let tick = self.tick;
        let lacks = |slot: &Slot| slot.compared == tick && slot.copies < slot.wants(tick);
        !self.singles.is_empty() || self.copies > 2 && self.slots.iter().any(lacks)
    }

    /// Notes that what is at an address is not what it was the last time.
    pub fn moved(&mut self, at: Addr) {
        let page = at & !(PAGE as Addr - 1);
        // Mostly the same one again and again.
        if self.last_moved == (self.tick, page) {
            return;
        }
        self.last_moved = (self.tick, page);
        let Some(&place) = self.index.get(&page) else { return };
        slot_at(&mut self.slots, &mut self.singles, place).moved = self.tick;
    }

    /// From here on pages are looked at along a new chain, such as a stack; the first so many are near. For a page that is far
    /// along a stack to change, the program must have come back through those before it, and of those there are all
    /// copies; and its own two copies are the first and the last of all.
    pub fn begin(&mut self, near: u32) {
        self.chain = self.chain.wrapping_add(1);
        self.near = near;
        self.last.0 = NOWHERE;
    }

    /// Forgets everything, as after an exec.
    pub fn clear(&mut self) {
        *self = Window::new(self.copies);
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
            now.copy_from_slice(&self.bytes.bytes()[start..start + take]);
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
            return Ok(&self.bytes.bytes()[start..start + scratch.len()]);
        }
        self.read(memory, copy, at, scratch)?;
        Ok(scratch)
    }

    /// A page, by its first address.
    pub fn page(&mut self, memory: &dyn Memory, copy: usize, start: Addr) -> Result<&[u8; PAGE], Fault> {
        let place = self.find(memory, copy, start & !(PAGE as Addr - 1))?;
        self.bytes.page(place).ok_or(Fault::unmapped(start, PAGE))
    }

    /// A page in two copies, of which the first may be [`BEFORE`]; `None` when it was not there then.
    pub fn pair(&mut self, memory: &dyn Memory, copies: [usize; 2], start: Addr) -> Result<Option<Pair<'_>>, Fault> {
        let place = self.find_place(memory, copies[1], start & !(PAGE as Addr - 1))?;
        let (from, a) = match copies[0] {
            BEFORE if place < SINGLE && self.has_before => (&self.before, self.position(place, 0)),
            BEFORE => return Ok(None),
            copy => (&self.bytes, self.position(place, copy)),
        };
        Ok(from.page(a).zip(self.bytes.page(self.position(place, copies[1]))).map(|(a, b)| [a, b]))
    }

    /// Position in `bytes` of a page of one copy.
    fn find(&mut self, memory: &dyn Memory, copy: usize, page: Addr) -> Result<usize, Fault> {
        if (self.last.0, self.last.1) == (page, copy) {
            return Ok(self.last.2);
        }
        let place = self.find_place(memory, copy, page)?;
        let position = self.position(place, copy);
        self.last = (page, copy, position);
        Ok(position)
    }

    /// Position in `bytes` of one copy of a page with such a place.
    fn position(&self, place: u32, copy: usize) -> usize {
        let copy = copy.min(self.copies - 1);
        let page = match place.checked_sub(SINGLE) {
            None => self.order.page(place as usize, copy),
            Some(single) => self.pages() + single as usize * self.copies + copy,
        };
        page * PAGE
    }

    /// The place of a page of which a copy is wanted.
    fn find_place(&mut self, memory: &dyn Memory, copy: usize, page: Addr) -> Result<u32, Fault> {
        self.unused = false;
        let recent = page as usize / PAGE % RECENT;
        let mut place = match self.recent[recent] {
            (at, place) if at == page => place,
            _ => match self.index.get(&page) {
                Some(&place) => place,
                None => self.read_single(memory, page)?,
            },
        };
        if copy != LAST && place < SINGLE && !self.slots[place as usize].several {
            place = self.read_single(memory, page)?;
        }
        self.recent[recent] = (page, place);
        let known = slot_at(&mut self.slots, &mut self.singles, place);
        known.again |= known.touched != self.tick;
        known.touched = self.tick;
        if copy != LAST {
            if known.compared != self.tick {
                known.compared = self.tick;
                known.order = self.looked;
                self.looked += 1;
            }
            if known.chain != self.chain {
                known.chain = self.chain;
                if self.near > 0 {
                    known.near = self.tick;
                    if self.near == ALL_NEAR {
                        (known.head, known.moved) = (true, self.tick);
                    } else {
                        self.near -= 1;
                    }
                }
            }
        }
        Ok(place)
    }

    /// Pages that a refill copies.
    fn pages(&self) -> usize {
        self.order.pages()
    }

    fn read_single(&mut self, memory: &dyn Memory, page: Addr) -> Result<u32, Fault> {
        if page > LAST_PAGE {
            return Err(Fault::unmapped(page, PAGE));
        }
        let end = self.bytes.len();
        self.bytes.set_len(end + PAGE * self.copies);
        self.spans.clear();
        self.spans.resize(self.copies, (page, PAGE));
        let got = memory.read_many(&self.spans, self.bytes.tail_mut(end));
        if !matches!(got, Ok(n) if n == PAGE * self.copies) {
            self.bytes.set_len(end);
            return Err(got.err().unwrap_or(Fault::unmapped(page, PAGE)));
        }
        let place = SINGLE | self.singles.len() as u32;
        self.singles.push(Slot::new(page, self.tick));
        self.index.insert(page, place);
        Ok(place)
    }
}

/// What is known of the page with a place.
fn slot_at<'a>(slots: &'a mut [Slot], singles: &'a mut [Slot], place: u32) -> &'a mut Slot {
    match place.checked_sub(SINGLE) {
        None => &mut slots[place as usize],
        Some(single) => &mut singles[single as usize],
    }
}

#[cfg(test)]
mod tests;
