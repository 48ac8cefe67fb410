//! Whether the code objects on the stacks are the ones that are known by their addresses.
//!
//! A code object lives as long as a frame runs it, so what is at its address while the thread stands still is what it
//! runs. To have the thread stand still for that would cost it some microseconds more; so it is let go first. If the same
//! code object is there before and after, it was there in between. If it is a new one, or another than before, nothing is
//! certain: the moment is taken again, and this time the thread waits until its code objects have been looked at.

use std::time::{Duration, Instant};

use py_spy_python::{Reader, Unreadable};

use super::{Part, Watch};

/// Moments for which all is looked at while the threads stand still, after a code object was new, or was another than
/// before. Programs that compile what they run use the same memory again for each piece.
const CAREFUL_AFTER_NEW: u32 = 4;
const CAREFUL_AFTER_OTHER: u32 = 1000;

/// So many new code objects are read while their thread stands still, those of the innermost frames: what they run may be over as
/// soon as it goes on (`eval`). Each takes some 10 us.
const MOST_READ_HELD: usize = 4;

/// A look at the code objects that comes so late is of no use: meanwhile one may have gone and an equal one come.
const TOO_LATE: Duration = Duration::from_micros(200);

impl Watch {
    /// Looks at the code objects of the moment's parts from `first` on. True when all were known and are what they were.
    pub(super) fn codes_are_known(&mut self, first: usize, epoch: u64) -> bool {
        let released = Instant::now();
        let (frames, parts) = (&self.moment.frames, &self.moment.parts[first..]);
        // Those that were checked in the moment before at the same epoch need not be looked up again.
        let new = |part: &Part| &frames[part.first..part.end - part.stood.min(part.end - part.first)];
        let codes = || {
            let mut last = None;
            let codes = parts.iter().flat_map(new).filter(|frame| !frame.shim).map(|frame| frame.code);
            // Recursion: once is enough.
            codes.filter(move |&code| last.replace(code) != Some(code))
        };
        if codes().all(|code| self.codes.is_checked(code, epoch)) {
            return true;
        }
        if self.code_window.refill(&self.memory, (0, 0), &mut []).is_err() {
            return false;
        }
        let mut seen = Instant::now();
        let mut reader = Reader::new(&mut self.code_window, &self.memory, 0);
        let (replaced, count) = (self.codes.replaced, self.codes.len());
        let mut readable = true;
        for code in codes() {
            readable &= self.codes.check(&mut reader, &self.python.layout, code, epoch).is_ok();
        }
        if self.codes.replaced != replaced {
            self.careful = CAREFUL_AFTER_OTHER;
        } else if self.codes.len() != count || !readable {
            self.careful = self.careful.max(CAREFUL_AFTER_NEW);
        }
        if self.code_window.misses() > 0 {
            seen = Instant::now();
        }
        seen.saturating_duration_since(released) < TOO_LATE
            && readable
            && self.codes.replaced == replaced
            && self.codes.len() == count
    }

    /// Makes sure that the code objects on the moment's frames from `first` on are the ones that are known by their
    /// addresses, while they can not change: what is new or another is known afterwards.
    pub(super) fn learn_codes(&mut self, first: usize, epoch: u64) -> Result<(), Unreadable> {
        self.code_window.refill(&self.memory, (0, 0), &mut [])?;
        let mut reader = Reader::new(&mut self.code_window, &self.memory, 0);
        let replaced = self.codes.replaced;
        for frame in self.moment.frames[first..].iter().filter(|frame| !frame.shim) {
            self.codes.check(&mut reader, &self.python.layout, frame.code, epoch)?;
        }
        if self.codes.replaced != replaced {
            self.careful = CAREFUL_AFTER_OTHER;
        }
        self.codes.read_new(&self.memory, &self.python.layout, MOST_READ_HELD);
        Ok(())
    }
}
