//! Native stacks that the kernel has copied, followed at once, until their ticks come.

use py_spy_address_space::Addr;
use py_spy_kernel::{StackCopy, Ticks};
use py_spy_native::{NativeFrame, Registers};
use py_spy_target::Live;
use rustc_hash::FxHashMap;

use crate::moment::NativeStack;
use crate::native::{Copied, Native};

/// Stacks that are kept at most. Each processor has one at a time; more come only if their ticks found no room.
const MAX_STACKS: usize = 1 << 12;

/// Where so many threads' stacks begin has been told to the kernel; beyond that it is told again.
const MAX_TOLD: usize = 1 << 14;

/// A thread by its own id, and when.
type Instant = (u32, u64);

/// Native stacks whose ticks are still to come.
#[derive(Debug, Default)]
pub(super) struct StackCopies {
    frames: Vec<NativeFrame>,
    stacks: Vec<(Instant, NativeStack)>,
    /// Up to where stacks are copied, by their threads' own ids.
    told: FxHashMap<u32, Addr>,
    /// What has become of that since.
    news: Vec<(u32, Option<Addr>)>,
}

impl StackCopies {
    /// Follows a stack of a thread that is known to us by another id.
    pub(super) fn follow(&mut self, copy: &StackCopy<'_>, tid: u32, native: &mut Native, memory: &Live) {
        if self.stacks.is_empty() || self.stacks.len() >= MAX_STACKS {
            self.stacks.clear();
            self.frames.clear();
        }
        let first = self.frames.len();
        let (registers, copied) = (Registers::all(copy.registers), Copied { from: copy.from, bytes: copy.bytes });
        let whole = native.follow_copied(memory, tid, &registers, copied, &mut self.frames);
        self.stacks.push(((copy.own_tid, copy.time), NativeStack { tid, first, end: self.frames.len(), whole }));
        let end = native.copy_end(tid);
        if end != self.told.get(&copy.own_tid).copied() {
            self.news.push((copy.own_tid, end));
        }
    }

    /// The stack of a tick, its frames appended to others.
    pub(super) fn take(&mut self, instant: Instant, into: &mut Vec<NativeFrame>) -> Option<NativeStack> {
        let at = self.stacks.iter().rposition(|stack| stack.0 == instant)?;
        let (_, stack) = self.stacks.swap_remove(at);
        let first = into.len();
        into.extend_from_slice(&self.frames[stack.first..stack.end]);
        Some(NativeStack { first, end: into.len(), ..stack })
    }

    /// Tells the kernel up to where stacks are to be copied from now on.
    pub(super) fn tell(&mut self, ticks: &Ticks) {
        if self.told.len() >= MAX_TOLD {
            self.told.clear();
        }
        for (own_tid, end) in self.news.drain(..) {
            match end {
                Some(end) if self.told.insert(own_tid, end) != Some(end) => ticks.know_top(own_tid, end),
                None if self.told.remove(&own_tid).is_some() => ticks.forget_top(own_tid),
                _ => {}
            }
        }
    }
}
