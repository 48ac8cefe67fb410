//! Nobody holds the lock, and nothing tells who held it last: up to 3.6 only the holder of the moment is named.
//!
//! That nobody has it before and after a copy proves nothing: somebody may have taken it and given it back. But only its
//! own thread moves a stack. So every thread whose stack is wanted is kept still for the one copy: those that run are
//! stopped, and of those that sleep the scheduler tells afterwards that they did not run. Whatever the others do meanwhile,
//! these stacks all stood at one moment.

use py_spy_python::{Gil, Unreadable};
use py_spy_target::Slices;

use super::copy::{MAX_GIL_WORDS, gil_words};
use super::still::Still;
use super::{Look, Plan, Wanted, Watch};

/// A thread that is kept still, and what the scheduler had counted for it if it sleeps.
type Kept = (u32, Option<Option<Slices>>);

impl Watch {
    /// Keeps each wanted thread still, copies and walks.
    pub(super) fn look_at_each(&mut self, gil: Gil, wanted: Wanted<'_>, plan: Plan) -> Result<Look, Unreadable> {
        self.choose(wanted, |_| false);
        let kept = match self.keep_each_still(gil, plan.pressing) {
            Ok(kept) => kept,
            Err(Look::Denied) => return Ok(Look::Denied),
            Err(look) => {
                // One that has ended, or one that is just beginning.
                self.roster.doubt();
                self.renew_roster()?;
                return Ok(look);
            }
        };
        let mark = self.moment.frames.len();
        let (tail, words) = gil_words(gil);
        let mut bytes = [0; MAX_GIL_WORDS];
        self.window.refill(&self.memory, tail, &mut bytes[..tail.1])?;
        self.refresh_roster()?;
        let holder = self.roster.at(words(&bytes[..tail.1]).0);
        self.choose(wanted, |_| false);
        self.epoch = self.code_epoch();
        let mut whole = true;
        for index in 0..self.wanted.len() {
            let member = self.wanted[index];
            if self.roster.gil_of(member) != Some(gil) {
                continue;
            }
            let tid = self.roster.members[member].tid;
            let Some((_, asleep)) = kept.iter().find(|kept| Some(kept.0) == tid) else { return Ok(Look::Moved) };
            // A thread that sleeps has nothing half done.
            whole &= self.walk_one(member, holder == Some(member), plan.last || asleep.is_some());
        }
        if plan.careful && self.learn_codes(mark, self.epoch).is_err() {
            return Ok(Look::Moved);
        }
        let moved =
            |&(tid, before): &Kept| before.is_some_and(|before| before.is_none() || self.tasks.slices(tid) != before);
        Ok(match kept.iter().any(moved) {
            true => Look::Moved,
            false if whole || plan.last => Look::True,
            false => Look::Cut,
        })
    }

    /// Keeps the threads that [`Watch::choose`] has written down from moving.
    fn keep_each_still(&mut self, gil: Gil, pressing: bool) -> Result<Vec<Kept>, Look> {
        let mut kept: Vec<Kept> = Vec::new();
        for index in 0..self.wanted.len() {
            let member = self.wanted[index];
            if self.roster.gil_of(member) != Some(gil) {
                continue;
            }
            let tid = self.roster.members[member].tid.ok_or(Look::Unknown)?;
            if kept.iter().all(|known| known.0 != tid) {
                kept.push(match self.keep_thread_still(tid, pressing)? {
                    Still::Asleep(tid, slices) => (tid, Some(slices)),
                    Still::Held(_) | Still::Nobody => (tid, None),
                });
            }
        }
        Ok(kept)
    }
}
