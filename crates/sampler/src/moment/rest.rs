//! Whether all threads still sleep but those that ran, without asking each of them.
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

/// With more threads that run than this each thread is asked.
const MAX_RUNNERS: usize = 8;

impl Watch {
    /// True when no thread can have run since the last call but those that did at the last look, which are
    /// [`Watch::runners`] then.
    pub(crate) fn others_rest(&mut self) -> bool {
        std::mem::swap(&mut self.runners, &mut self.spare_runners);
        let mut runners = std::mem::take(&mut self.runners);
        self.tasks.runners(&mut runners);
        let same = runners == self.spare_runners;
        let few = runners.len() <= MAX_RUNNERS;
        let others = self.clock.filter(|_| few).and_then(|clock| self.tasks.time_of_others(clock, &runners));
        let before = std::mem::replace(&mut self.time_of_others, others);
        let rest = self.gils_rest(&runners);
        self.runners = runners;
        rest && same && others.is_some() && others == before
    }

    /// True when each GIL is held by one of these threads, or by nobody and the last holder is that of the last call and
    /// has not run since. Where there is no GIL, or one that does not tell who held it last, it is never known.
    fn gils_rest(&mut self, runners: &[u32]) -> bool {
        let mut rest = !self.roster.gils.is_empty();
        for index in 0..self.roster.gils.len() {
            match self.gil_at_rest(index, runners) {
                Ok(()) => {}
                Err(now) => {
                    if self.at_rest.get(index) != Some(&now) {
                        self.at_rest.resize(self.roster.gils.len(), None);
                        self.at_rest[index] = now;
                        rest = false;
                    }
                    rest &= now.is_some();
                }
            }
        }
        rest
    }

    /// Fine when the last holder is one of the runners; else who it is, if nobody holds it.
    fn gil_at_rest(&mut self, index: usize, runners: &[u32]) -> Result<(), Option<AtRest>> {
        let Some(gil) = self.roster.gils[index] else { return Err(None) };
        let (tail, words) = gil_words(gil);
        let bytes = &mut [0; super::stop::MAX_GIL_WORDS][..tail.1];
        self.effort.moment_reads += 1;
        py_spy_address_space::Memory::read(&self.memory, tail.0, bytes).map_err(|_| None)?;
        let (holder, locked) = words(bytes);
        let tid = self.roster.at(holder).and_then(|member| self.roster.members[member].tid);
        if tid.is_some_and(|tid| runners.contains(&tid)) {
            return Ok(());
        }
        if locked || gil.names_holders_only() {
            return Err(None);
        }
        // The thread of a holder that is unknown has ended.
        Err(Some((holder, tid.and_then(|tid| self.tasks.slices(tid)))))
    }
}
