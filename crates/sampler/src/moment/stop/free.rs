//! Threads that run without a GIL: only its own thread moves a stack, so each is a moment of its own.

use py_spy_python::Unreadable;

use super::still::Still;
use super::{Look, Wanted, Watch};

/// Looks at a thread without a GIL that began to run meanwhile, or was just linking a frame.
const MAX_FREE_TRIES: u32 = 8;

impl Watch {
    /// The stacks of the threads that run without a GIL, one after the other.
    pub(super) fn take_free(&mut self, wanted: Wanted<'_>) -> Result<Look, Unreadable> {
        let mut tids = std::mem::take(&mut self.tids);
        tids.clear();
        match wanted {
            Wanted::Threads(wanted) => tids.extend_from_slice(wanted),
            Wanted::All => {
                self.window.refill(&self.memory, (0, 0), &mut [])?;
                self.refresh_roster()?;
                tids.extend(self.roster.members.iter().filter_map(|member| member.tid));
                tids.sort_unstable();
                tids.dedup();
            }
            // There is nothing to hold.
            Wanted::Holder => {}
        }
        let look = tids.iter().try_fold(Look::True, |look, &tid| match look {
            Look::Denied => Ok(look),
            _ => self.take_one(tid, matches!(wanted, Wanted::Threads(_))),
        });
        self.tids = tids;
        look
    }

    /// The stack of one thread. `runs` when it was seen just now that it does.
    fn take_one(&mut self, tid: u32, runs: bool) -> Result<Look, Unreadable> {
        let (mark, mut careful) = (self.moment.mark(), self.careful > 0);
        for tries in 1..=MAX_FREE_TRIES {
            if self.roster.of_thread(tid).iter().all(|&member| self.roster.gil_of(member).is_some()) {
                return Ok(Look::True);
            }
            self.moment.rewind(mark);
            let still = if tries == 1 && runs { self.hold(tid) } else { self.keep_thread_still(tid, false) };
            let still = match still {
                Ok(still) => still,
                Err(Look::Denied) => return Ok(Look::Denied),
                // It has ended.
                Err(_) => return Ok(Look::True),
            };
            let look = self.look_at_one(tid, still, tries == MAX_FREE_TRIES, careful);
            self.stopper.release();
            match look? {
                Look::True if careful || self.codes_are_known(mark[1], self.epoch) => return Ok(Look::True),
                Look::True => careful = true,
                _ => self.let_run(),
            }
            self.effort.retries += 1;
        }
        self.moment.rewind(mark);
        self.moment.dropped += 1;
        Ok(Look::True)
    }

    /// The stack of one thread that is kept still. With `last` one that ends early is taken for whole.
    fn look_at_one(&mut self, tid: u32, still: Still, last: bool, careful: bool) -> Result<Look, Unreadable> {
        self.looks += 1;
        self.window.refill(&self.memory, (0, 0), &mut [])?;
        self.refresh_roster()?;
        self.choose(Wanted::Threads(&[tid]), |_| false);
        self.epoch = self.code_epoch();
        let first = self.moment.frames.len();
        let mut whole = true;
        for index in 0..self.wanted.len() {
            let member = self.wanted[index];
            if self.roster.gil_of(member).is_none() {
                whole &= self.walk_one(member, false, last || !matches!(still, Still::Held(_)));
            }
        }
        whole &= !careful || self.learn_codes(first, self.epoch).is_ok();
        Ok(match still {
            Still::Asleep(tid, before) if before.is_none() || self.tasks.slices(tid) != before => Look::Moved,
            _ if whole => Look::True,
            Still::Held(_) => Look::Cut,
            Still::Asleep(..) | Still::Nobody => Look::Moved,
        })
    }
}
