//! One copy of everything, and what it proves.

use py_spy_address_space::{Addr, LAST, Memory, Span, read_u64};
use py_spy_python::{Gil, Reader, Stack, Unreadable};

use super::still::Still;
use super::{Look, Plan, Wanted, Watch};
use crate::moment::Part;

impl Watch {
    /// Copies and walks.
    pub(super) fn copy(
        &mut self,
        gil: Gil,
        wanted: Wanted<'_>,
        holder: Addr,
        still: Still,
        plan: Plan,
    ) -> Result<Look, Unreadable> {
        let mark = self.moment.frames.len();
        let (tail, words) = gil_words(gil);
        let mut bytes = [0; MAX_GIL_WORDS];
        let bytes = &mut bytes[..tail.1];
        self.window.refill(&self.memory, tail, bytes)?;
        self.refresh_roster()?;
        if !self.is_settled()? {
            return Ok(Look::Moved);
        }
        let (named, locked) = words(bytes);
        // Up to 3.6 the lock is free for an instant each time that it is offered. Only its own thread moves a stack, so
        // where it is held and no other is wanted, it matters to nobody who has the lock.
        let held = match (still, wanted) {
            (Still::Held(tid), Wanted::Threads(&[only])) => tid == only,
            _ => false,
        };
        let free = |named| named == 0 && held && gil.names_holders_only();
        if !self.is_owner_still(if free(named) { holder } else { named }, still)? {
            // That nobody is named where only holders are says nothing of the lists.
            if named != 0 || !gil.names_holders_only() {
                self.roster.doubt();
            }
            return Ok(Look::Moved);
        }
        let state = self.roster.at(named);
        self.choose(wanted, |member| locked && Some(member) == state);
        self.epoch = self.code_epoch();
        let mut whole = true;
        for index in 0..self.wanted.len() {
            let member = self.wanted[index];
            if self.roster.gil_of(member) == Some(gil) && !self.resting.knows(member) {
                whole &= self.walk_one(member, locked && Some(member) == state, plan.last);
            }
        }
        let (careful, misses) = (plan.careful && self.learn_codes(mark, self.epoch).is_ok(), self.window.misses());
        if plan.careful && !careful {
            return Ok(Look::Moved);
        }
        // What was not in the window was read later, one by one: look at the lock once more.
        let now = if misses > 0 || careful {
            self.memory.read(tail.0, bytes)?;
            words(bytes).0
        } else {
            named
        };
        self.last_holder = (gil.last_holder, if free(now) { holder } else { now });
        if [named, now].iter().any(|&seen| seen != holder && !free(seen)) {
            return Ok(Look::Moved);
        }
        if still == Still::Nobody && !self.lists_stand()? {
            return Ok(Look::Moved);
        }
        if let Still::Asleep(tid, before) = still
            && (before.is_none() || self.tasks.slices(tid) != before)
        {
            return Ok(Look::Moved);
        }
        Ok(if whole || plan.last { Look::True } else { Look::Cut })
    }

    /// True when no thread state has come since the lists were read. One that comes may lie where that of the last holder
    /// lay, and take the GIL without a trace.
    fn lists_stand(&self) -> Result<bool, Unreadable> {
        let head = u64::from(self.python.layout.interpreter.threads_head);
        for interpreter in &self.roster.interpreters {
            if read_u64(&self.memory, interpreter.at.wrapping_add(head))? != interpreter.threads_head {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True when the thread that is kept still is the one whose state is at this address in this copy: a state may have
    /// been freed, and another thread's be where it was.
    fn is_owner_still(&mut self, holder: Addr, still: Still) -> Result<bool, Unreadable> {
        let tid = match still {
            Still::Held(tid) | Still::Asleep(tid, _) => tid,
            Still::Nobody => return Ok(self.roster.at(holder).is_none()),
        };
        let Some(member) = self.roster.at(holder) else { return Ok(false) };
        let mut reader = Reader::new(&mut self.window, &self.memory, LAST);
        let state = self.roster.state(member, &mut reader, &self.python.layout)?;
        Ok(state.is_some() && self.roster.members[member].tid == Some(tid))
    }

    /// Walks one member's frames. Returns false when the chain does not reach its root or can not be followed; with
    /// `last` a chain that ends early is taken for whole, and one that can not be followed is counted as dropped.
    pub(super) fn walk_one(&mut self, member: usize, holds_gil: bool, last: bool) -> bool {
        let first = self.moment.frames.len();
        let mut frames = std::mem::take(&mut self.moment.frames);
        let walked = self.walk(member, &mut frames);
        self.moment.frames = frames;
        let (stack, same) = match walked {
            // The thread has ended, or its state had another's id when the list was read: it has no stack.
            Ok(None) => {
                self.moment.gone.push(member);
                return true;
            }
            Ok(Some((stack, same))) => (Some(stack), same),
            Err(_) => (None, 0),
        };
        if stack == Some(Stack::Whole) || stack == Some(Stack::Cut) && last {
            let (end, epoch) = (self.moment.frames.len(), self.epoch);
            let walked = (stack == Some(Stack::Whole)).then_some(first);
            let (refill, stood) = (self.window.refills(), self.stood(member, same, epoch));
            let part = Part { member, first, end, holds_gil, moving: false, walked, refill, stood, epoch };
            self.moment.push(part, self.roster.version);
            return true;
        }
        self.moment.frames.truncate(first);
        if last {
            self.moment.dropped += 1;
        }
        false
    }
}

/// The words of a GIL that are read last lie within this many bytes: they are fields of one small struct.
pub(in crate::moment) const MAX_GIL_WORDS: usize = 64;

/// Where the words of a GIL are, and how to take `last_holder` and whether it is locked from those bytes.
pub(in crate::moment) fn gil_words(gil: Gil) -> (Span, impl Fn(&[u8]) -> (Addr, bool)) {
    let start = gil.last_holder.min(gil.locked);
    let length = (gil.last_holder.abs_diff(gil.locked) as usize + 8).min(MAX_GIL_WORDS);
    let word = move |bytes: &[u8], at: Addr| {
        let bytes = bytes.get((at - start) as usize..).and_then(|tail| tail.first_chunk());
        bytes.map_or(0, |chunk| u64::from_le_bytes(*chunk))
    };
    // `locked` is a C int.
    let words = move |bytes: &[u8]| (word(bytes, gil.last_holder), word(bytes, gil.locked) as u32 != 0);
    ((start, length), words)
}
