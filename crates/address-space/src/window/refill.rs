//! The beginning of a tick: what the last ones touched is copied again.

use super::order::Slot;
use super::{FORGET_AFTER, NOWHERE, PAGE, RECENT, Window};
use crate::{Addr, Fault, Memory, Span};

/// The same for pages that were touched in one tick only, such as those of a list that was read once: whoever is stopped
/// for the copy must not wait for them long.
pub(super) const FORGET_ONCE_AFTER: u32 = 2;

/// The most pages that are asked for again: 256 MiB, a stack of some million frames.
const MAX_PAGES: usize = 1 << 16;

impl Window {
    /// Copies all remembered pages again, and the bytes of `tail` after them into `tail_bytes`, in one vectored read.
    /// Pages that can no longer be read are forgotten.
    ///
    /// # Errors
    /// When `tail` can not be read, or the whole process can not.
    pub fn refill(&mut self, memory: &dyn Memory, tail: Span, tail_bytes: &mut [u8]) -> Result<(), Fault> {
        self.prepare();
        loop {
            let length = self.pages() * PAGE;
            self.bytes.set_len(length + tail.1);
            self.lay_spans(tail);
            let got = memory.read_many(&self.spans, self.bytes.bytes_mut())?;
            if got >= length + tail.1 {
                tail_bytes.copy_from_slice(&self.bytes.bytes()[length..]);
                self.bytes.set_len(length);
                self.index_pages();
                return Ok(());
            }
            if got >= length {
                return Err(Fault::unmapped(tail.0, tail.1));
            }
            // One page is a hole, and hides everything behind it. Ask again without it, and without those that the last
            // tick had no use for: what is unmapped was mostly not in use any more, and holes seldom come alone.
            self.slots.remove(self.order.slot(got / PAGE));
            let last = self.tick.wrapping_sub(1);
            self.slots.retain(|slot| slot.touched == last);
            self.arrange();
        }
    }

    fn arrange(&mut self) {
        self.rearranged = true;
        self.has_before = false;
        self.order.arrange(&mut self.slots, self.copies, self.tick);
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
        let several = self.copies > 2;
        let other = |slot: &Slot| several && slot.several && slot.copies != slot.wants(tick);
        std::mem::swap(&mut self.bytes, &mut self.before);
        self.has_before = true;
        if self.lacks() || self.slots.iter().any(|slot| stale(slot) || other(slot)) {
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
            let at = self.slots[self.order.slot(page)].at;
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
        // Whatever changes the index leads to another arrangement at the next refill.
        if std::mem::take(&mut self.rearranged) {
            self.recent = [(NOWHERE, 0); RECENT];
            self.index.clear();
            self.index.extend(self.slots.iter().enumerate().map(|(place, slot)| (slot.at, place as u32)));
        }
    }
}
