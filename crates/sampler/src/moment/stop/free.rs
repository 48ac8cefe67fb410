//! Threads that run without a GIL: only its own thread moves a stack, so each is a moment of its own.

use py_spy_python::Unreadable;

use super::still::Still;
use super::{Look, Wanted, Watch};

/// Looks at a thread without a GIL that began to run meanwhile, or was just linking a frame.
const MAX_FREE_TRIES: u32 = 8;

impl Watch {
    /// The stacks of the threads that run without a GIL, one after the other.
    pub(super) fn take_free(&mut self, wanted: Wanted<'_>) -> Result<Look, Unreadable> {
        self.window.refill(&self.memory, (0, 0), &mut [])?;
        self.refresh_roster()?;
        self.choose(wanted, |_| false);
        for index in 0..self.wanted.len() {
            let member = self.wanted[index];
            if self.roster.gil_of(member).is_some() {
                continue;
            }
            let Some(tid) = self.roster.members[member].tid else { continue };
            let mut seen = false;
            let (mark, mut unsure) = (self.moment.mark(), false);
            for tries in 1..=MAX_FREE_TRIES {
                let still = match self.keep_thread_still(tid, false) {
                    Ok(still) => still,
                    Err(Look::Denied) => return Ok(Look::Denied),
                    Err(_) => {
                        // It has ended.
                        seen = true;
                        break;
                    }
                };
                let careful = unsure || self.careful > 0;
                let look = self.look_at_one(member, still, tries == MAX_FREE_TRIES, careful);
                self.stopper.release();
                seen = look? == Look::True;
                if seen && (careful || self.codes_are_known(mark[0], self.epoch)) {
                    break;
                }
                if seen {
                    self.moment.rewind(mark);
                    (seen, unsure) = (false, true);
                } else {
                    self.let_run();
                }
                self.effort.retries += 1;
            }
            self.moment.dropped += usize::from(!seen);
        }
        Ok(Look::True)
    }

    /// The stack of one thread that is kept still. With `last` one that ends early is taken for whole.
    fn look_at_one(&mut self, member: usize, still: Still, last: bool, careful: bool) -> Result<Look, Unreadable> {
        let mark = self.moment.mark();
        self.looks += 1;
        self.window.refill(&self.memory, (0, 0), &mut [])?;
        self.epoch = self.code_epoch();
        let whole = self.walk_one(member, false, last || !matches!(still, Still::Held(_)))
            && (!careful || self.learn_codes(mark[0], self.epoch).is_ok());
        let look = match still {
            Still::Asleep(tid, before) if self.tasks.slices(tid) != before => Look::Moved,
            _ if whole => return Ok(Look::True),
            Still::Held(_) => Look::Cut,
            Still::Asleep(..) | Still::Nobody => Look::Moved,
        };
        self.moment.rewind(mark);
        Ok(look)
    }
}
