//! Whether all threads still sleep, without asking each of them.
//!
//! The CPU clock of another process counts a thread that runs only at the kernel's next tick, up to 4 ms later
//! (`thread_group_cputime` in `kernel/sched/cputime.c` brings only the caller's own up to date), so a thread that has just
//! begun to run does not show there, and a server that works for a millisecond now and then would never be seen at it.
//! Whoever runs Python holds a GIL, and whoever has let it go since is its last holder, whose slices count at once. What
//! neither shows is a thread that woke up inside C code and has not come back to Python yet; it shows after 4 ms.

use py_spy_address_space::Addr;
use py_spy_target::Slices;

use super::Watch;
use super::stop::gil_words;

/// A GIL that nobody held: its last holder, and what the scheduler had counted for that one's thread.
type AtRest = (Addr, Option<Slices>);

impl Watch {
    /// True when nobody holds a GIL, and the last holders are those of the last call and have not run since. Where there
    /// is no GIL, or one that does not tell who held it last, it is never known.
    pub(crate) fn gils_rest(&mut self) -> bool {
        let mut rest = !self.roster.gils.is_empty();
        for index in 0..self.roster.gils.len() {
            let now = self.gil_at_rest(index);
            if self.at_rest.get(index) != Some(&now) {
                self.at_rest.resize(self.roster.gils.len(), None);
                self.at_rest[index] = now;
                rest = false;
            }
            rest &= now.is_some();
        }
        rest
    }

    fn gil_at_rest(&mut self, index: usize) -> Option<AtRest> {
        let gil = self.roster.gils[index].filter(|gil| !gil.names_holders_only())?;
        let (tail, words) = gil_words(gil);
        let bytes = &mut [0; super::stop::MAX_GIL_WORDS][..tail.1];
        py_spy_address_space::Memory::read(&self.memory, tail.0, bytes).ok()?;
        let (holder, locked) = words(bytes);
        if locked {
            return None;
        }
        let tid = self.roster.at(holder).and_then(|member| self.roster.members[member].tid);
        // The thread of a holder that is unknown has ended.
        Some((holder, tid.and_then(|tid| self.tasks.slices(tid))))
    }
}
