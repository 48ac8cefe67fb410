//! Stacks that the kernel has copied, followed at once, until their ticks come.

use py_spy_address_space::Addr;
use py_spy_kernel::{StackCopy, Ticks};
use py_spy_native::{NativeFrame, Registers};
use py_spy_target::Live;
use rustc_hash::FxHashMap;

use super::Ticked;
use crate::moment::NativeStack;
use crate::native::{Copied, Native};

/// Stacks that are kept at most. Each processor has one at a time; more come only if their ticks found no room.
const MAX_STACKS: usize = 1 << 12;

/// Where so many threads' stacks begin has been told to the kernel; beyond that it is told again.
const MAX_TOLD: usize = 1 << 14;

/// A thread by its own id, and when.
type Instant = (u32, u64);

/// What is known of a tick besides its Python frames.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Besides {
    /// Native frames, as a range of [`Ticked::native_frames`] or of ours.
    pub(super) native: Option<NativeStack>,
    /// Frames of the kernel, as a range of [`Ticked::kernel_frames`] or of ours.
    pub(super) kernel: (usize, usize),
}

/// Stacks whose ticks are still to come.
#[derive(Debug, Default)]
pub(super) struct StackCopies {
    frames: Vec<NativeFrame>,
    kernel: Vec<Addr>,
    stacks: Vec<(Instant, Besides)>,
    /// Up to where stacks are copied, by their threads' own ids.
    told: FxHashMap<u32, Addr>,
    /// What has become of that since.
    news: Vec<(u32, Option<Addr>)>,
}

impl StackCopies {
    /// Follows a stack of a thread that is known to us by another id, where native frames are wanted.
    pub(super) fn follow(&mut self, copy: &StackCopy<'_>, tid: u32, native: Option<&mut Native>, memory: &Live) {
        if self.stacks.is_empty() || self.stacks.len() >= MAX_STACKS {
            self.stacks.clear();
            self.frames.clear();
            self.kernel.clear();
        }
        let first = self.kernel.len();
        self.kernel.extend(copy.kernel());
        let kernel = (first, self.kernel.len());
        let native = native.map(|native| {
            let first = self.frames.len();
            let copied = Copied { from: copy.from, bytes: copy.bytes, missing: copy.missing };
            let whole = native.follow_copied(memory, tid, &Registers::all(copy.registers), copied, &mut self.frames);
            // A thread with several stacks in one (greenlets) has several ends: the outermost one does for all.
            let (end, told) = (native.copy_end(tid), self.told.get(&copy.own_tid).copied());
            if end.is_none() && told.is_some() || end > told {
                self.news.push((copy.own_tid, end));
            }
            NativeStack { tid, first, end: self.frames.len(), whole }
        });
        self.stacks.push(((copy.own_tid, copy.time), Besides { native, kernel }));
    }

    /// What came of a tick's stacks, the frames put into `ticked`.
    pub(super) fn take(&mut self, instant: Instant, ticked: &mut Ticked) -> Besides {
        let Some(at) = self.stacks.iter().rposition(|stack| stack.0 == instant) else { return Besides::default() };
        let (_, Besides { native, kernel }) = self.stacks.swap_remove(at);
        let native = native.map(|stack| {
            let first = ticked.native_frames.len();
            ticked.native_frames.extend_from_slice(&self.frames[stack.first..stack.end]);
            NativeStack { first, end: ticked.native_frames.len(), ..stack }
        });
        let first = ticked.kernel_frames.len();
        ticked.kernel_frames.extend_from_slice(&self.kernel[kernel.0..kernel.1]);
        Besides { native, kernel: (first, ticked.kernel_frames.len()) }
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
