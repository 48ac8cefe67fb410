//! Threads that run without a GIL: only its own thread moves a stack, so each is a moment of its own.

use py_spy_python::Unreadable;

use super::still::Still;
use super::{Look, MAX_STEPS, Wanted, Watch};

/// Looks at a thread without a GIL that began to run meanwhile.
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
            for _ in 0..MAX_FREE_TRIES {
                let still = match self.keep_thread_still(tid, false) {
                    Ok(still) => still,
                    Err(Look::Denied) => return Ok(Look::Denied),
                    Err(_) => {
                        // It has ended.
                        seen = true;
                        break;
                    }
                };
                let look = self.look_at_one(member, still);
                self.stopper.release();
                let look = look?;
                seen = look == Look::True;
                if seen || look == Look::Cut {
                    break;
                }
                self.effort.retries += 1;
            }
            self.moment.dropped += usize::from(!seen);
        }
        Ok(Look::True)
    }

    /// The stack of one thread that is kept still, as [`Watch::look`] does it.
    fn look_at_one(&mut self, member: usize, still: Still) -> Result<Look, Unreadable> {
        let mark = self.moment.mark();
        for steps in 0..=MAX_STEPS {
            self.window.refill(&self.memory, (0, 0), &mut [])?;
            let epoch = self.code_epoch();
            let last = steps == MAX_STEPS || !matches!(still, Still::Held(_));
            let whole = self.walk_one(member, false, last, epoch);
            match still {
                Still::Held(_) if whole => return Ok(Look::True),
                Still::Held(tid) if self.stopper.step(tid) => {}
                Still::Asleep(tid, before) if whole && self.tasks.slices(tid) == before => return Ok(Look::True),
                _ => break,
            }
            self.effort.retries += 1;
        }
        self.moment.rewind(mark);
        Ok(if matches!(still, Still::Held(_)) { Look::Cut } else { Look::Moved })
    }
}
