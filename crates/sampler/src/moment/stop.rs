//! The exact way: the one thread that could move stands still for one copy.
//!
//! Frames move only under the GIL, so of all threads only its holder has to be stopped. Nobody but a thread itself
//! writes its name into the lock's `last_holder` (`take_gil` and `drop_gil` in CPython's `Python/ceval_gil.c`), and each
//! does so before it runs one instruction. So when the thread that is named there stands still, and is still named
//! there after the copy, nobody ran in between, and all that was copied is one moment. Without a GIL only its own
//! thread moves a stack: each is a moment of its own.

mod copy;
mod each;
mod free;
mod resting;
mod still;

use std::time::{Duration, Instant};

use py_spy_address_space::{Addr, Fault, FaultKind, read_u64};
use py_spy_python::{Gil, Unreadable};
use py_spy_target::{CpuClock, TaskState};

use super::{Wanted, Watch};
pub(super) use copy::{MAX_GIL_WORDS, gil_words};
pub(super) use resting::Resting;
use still::Still;

/// Looks at one moment: each is begun again when the GIL went on to another thread meanwhile. Beyond that the stacks
/// are counted as dropped.
const MAX_TRIES: u32 = 20;

/// Looks with the holder stopped and nobody else. In those after them all threads that run are, and the holder even
/// when it sleeps.
const FEW_TRIES: u32 = 10;

/// Looks at a thread that was stopped while it linked a frame. A chain that ends early each time really ends there (a
/// generator that is a thread's first frame).
const MAX_CUT_TRIES: u32 = 8;

/// How long such a thread is let go before it is looked at again: it needs some nanoseconds, but if it is stopped at once
/// it mostly has not run in between. (To have it run single instructions under ptrace would be exact, and would leave it
/// with a SIGTRAP that kills it if we are killed in between.)
const LET_RUN: Duration = Duration::from_micros(20);

/// On a busy machine it may take this long until it has a CPU.
const LET_RUN_WITHIN: Duration = Duration::from_millis(20);

/// Moments in a row at which nobody knew the GIL's holder, before we give up to stop it: its thread's id can not be told
/// (an old CPython with an unknown C library, or another PID namespace).
pub(super) const MAX_UNKNOWN: u32 = 10;

/// A process that wants a CPU says who holds its GIL once it has had one for so long: a forked child still has its
/// parent's thread id in its memory until it runs.
const TELLS_WITHIN: Duration = Duration::from_millis(1);

/// Moments that are begun again because threads came or went between the looks under several GILs. Beyond that the stacks
/// are counted as dropped.
const MAX_ROSTERS: u32 = 4;

/// Looks at one moment that are begun again because somebody ran while values were read. Each may take its time.
const MAX_TORN_VALUES: u32 = 3;

/// What came of one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// All stacks are true.
    True,
    /// Something moved: begin again.
    Moved,
    /// A stack did not reach its root, or could not be followed.
    Cut,
    /// It can not be told which thread holds the GIL.
    Unknown,
    /// The process can not be stopped.
    Denied,
}

/// How to look.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// It is the first look at this moment: what was seen of the threads just now still holds.
    first: bool,
    /// Stop the holder even when it sleeps.
    pressing: bool,
    /// Look at the code objects too, while nothing moves.
    careful: bool,
    /// A stack that ends early is taken for whole.
    last: bool,
}

impl Watch {
    /// Fills the moment, stopping the GIL's holder for one copy.
    pub(super) fn take_stopping(&mut self, wanted: Wanted<'_>) -> Result<(), Unreadable> {
        self.moment.clear();
        self.careful = self.careful.saturating_sub(1);
        self.look_for(wanted);
        let unknown = match wanted {
            // If one of them is known, looking at it will show the others too.
            Wanted::Threads(tids) => tids.iter().all(|&tid| self.roster.of_thread(tid).is_empty()),
            _ => false,
        };
        if unknown || self.roster.interpreters.is_empty() {
            let mut renewed = self.renew_roster();
            for _ in 1..MAX_TRIES {
                if renewed.is_ok() {
                    break;
                }
                renewed = self.renew_roster();
            }
            renewed?;
        }
        for _ in 0..MAX_ROSTERS {
            self.moment.clear();
            self.gils.clone_from(&self.roster.gils);
            for index in 0..self.gils.len() {
                let look = match self.gils[index] {
                    // Native stacks are taken one by one, of all threads.
                    _ if self.native.is_some() && index > 0 => continue,
                    Some(gil) if self.native.is_none() => self.take_under(gil, wanted)?,
                    _ => self.take_free(wanted)?,
                };
                if look == Look::Denied && !self.is_same_program() {
                    // A process that is ending is not to be had either, and its number may be another's by now.
                    return Err(Fault { at: self.python.runtime, len: 0, why: FaultKind::Gone }.into());
                }
                if look == Look::Denied {
                    self.stop_no_more();
                    return self.take_nonblocking(wanted);
                }
            }
            // A look may have read the lists again: then others may have to be looked at, and what the parts say of members
            // is not to be trusted.
            let lists_stand = self.moment.parts.is_empty() || self.moment.roster == self.roster.version;
            if !self.moment.mixed && lists_stand && self.gils == self.roster.gils {
                return Ok(());
            }
            self.effort.retries += 1;
        }
        let parts = self.moment.parts.len();
        self.moment.clear();
        self.moment.dropped = parts;
        Ok(())
    }

    /// The stacks of the threads under one GIL.
    fn take_under(&mut self, gil: Gil, wanted: Wanted<'_>) -> Result<Look, Unreadable> {
        if let Wanted::Threads(tids) = wanted
            && !tids.iter().any(|&tid| self.roster.of_thread(tid).iter().any(|&m| self.roster.gil_of(m) == Some(gil)))
        {
            return Ok(Look::True);
        }
        let mark = self.moment.mark();
        let (mut cut, mut unknown, mut unsure, mut torn) = (0, 0, 0, 0);
        for tries in 1..=MAX_TRIES {
            self.moment.rewind(mark);
            self.note_sleepers(gil, wanted);
            let pressing = tries > FEW_TRIES;
            if pressing {
                self.hold_all(gil);
            }
            let plan = Plan {
                pressing,
                first: tries == 1,
                careful: self.careful > 0 || unsure > 0,
                last: cut + 1 >= MAX_CUT_TRIES,
            };
            // When the lock went on to another thread, the one that had it stays held: after as many looks as there are
            // threads that run nobody is left who could take it.
            match self.look(gil, wanted, plan) {
                Ok(Look::True) => {
                    self.read_values(mark[0]);
                    if self.wants.is_some() && torn < MAX_TORN_VALUES && !self.values_stand(gil) {
                        torn += 1;
                        continue;
                    }
                    self.stopper.release();
                    if !self.put_sleepers() {
                        continue;
                    }
                    if plan.careful || self.codes_are_known(mark[1], self.epoch) {
                        self.keep_sleepers(mark[1]);
                        return Ok(Look::True);
                    }
                    unsure += 1;
                }
                Ok(Look::Moved) => {}
                // A list that changed while it was read leads anywhere.
                Err(why) if tries < MAX_TRIES => {
                    log::debug!("looking again: {why}");
                    self.roster.doubt();
                }
                Ok(Look::Cut) => {
                    cut += 1;
                    self.let_run();
                }
                Ok(Look::Unknown) => unknown += 1,
                look => {
                    self.stopper.release();
                    return look;
                }
            }
            self.effort.retries += 1;
        }
        self.stopper.release();
        self.moment.rewind(mark);
        if unknown < MAX_TRIES {
            self.unknown = 0;
        } else if !self.waits_for_a_cpu() {
            self.unknown += 1;
        }
        if self.unknown >= MAX_UNKNOWN {
            return Ok(Look::Denied);
        }
        let under = self.wanted.iter().filter(|&&member| self.roster.gil_of(member) == Some(gil));
        self.moment.dropped += under.count().max(1);
        Ok(Look::True)
    }

    /// True when the process has hardly run since this was false, though it wants to.
    fn waits_for_a_cpu(&mut self) -> bool {
        let used = self.clock.and_then(CpuClock::now);
        let least = TELLS_WITHIN.as_nanos() as u64;
        let rested = used.zip(self.unknown_at).is_some_and(|(used, before)| used.saturating_sub(before) < least);
        // What was forked has only its first thread.
        let waits = rested && self.tasks.state(self.target.pid) == Some(TaskState::Running);
        if !waits {
            self.unknown_at = used;
        }
        waits
    }

    /// Stops every thread under a GIL that runs: they hand it on among themselves faster than it can be followed.
    fn hold_all(&mut self, gil: Gil) {
        for member in 0..self.roster.members.len() {
            if self.roster.gil_of(member) == Some(gil)
                && let Some(tid) = self.roster.members[member].tid
            {
                // Whether it could be stopped shows in the look that follows.
                self.keep_thread_still(tid, false).ok();
            }
        }
    }

    /// Lets the held threads go until the one held last has run for a moment. One that has no CPU just now gets nowhere
    /// before it has one.
    pub(super) fn let_run(&mut self) {
        let before = self.tasks.slices(self.last_held);
        self.stopper.release();
        let end = Instant::now() + LET_RUN_WITHIN;
        loop {
            self.stopper.collect_until(Instant::now() + LET_RUN);
            std::thread::sleep(LET_RUN);
            if self.tasks.slices(self.last_held) != before || Instant::now() >= end {
                break;
            }
        }
    }

    /// Keeps the holder from moving and copies.
    fn look(&mut self, gil: Gil, wanted: Wanted<'_>, mut plan: Plan) -> Result<Look, Unreadable> {
        self.looks += 1;
        let (holder, running) = match self.likely_holder(gil, wanted) {
            Some((holder, tid)) if plan.first && self.stopper.is_attached() => (holder, Some(tid)),
            likely if plan.first => {
                // All that is read with the thread stopped is read once before: after a pause the first read of a page takes
                // five times as long as the second one.
                let (tail, words) = gil_words(gil);
                let mut bytes = [0; MAX_GIL_WORDS];
                self.window.refill(&self.memory, tail, &mut bytes[..tail.1])?;
                let (holder, _) = words(&bytes[..tail.1]);
                (holder, likely.filter(|likely| likely.0 == holder).map(|likely| likely.1))
            }
            _ => (read_u64(&self.memory, gil.last_holder)?, None),
        };
        if holder == 0 && gil.names_holders_only() {
            self.kept = None;
            return self.look_at_each(gil, wanted, plan);
        }
        let still = match running {
            Some(tid) => self.hold(tid),
            None => self.keep_still(holder, plan.pressing)?,
        };
        let still = match still {
            Ok(still) => still,
            Err(look) => return Ok(look),
        };
        // Who holds it now is no thread that has ended.
        if still == Still::Nobody && gil.names_holders_only() {
            return Ok(Look::Unknown);
        }
        self.kept = match still {
            Still::Asleep(tid, slices) => Some((tid, slices)),
            Still::Held(_) | Still::Nobody => None,
        };
        // A thread that sleeps has nothing half done.
        plan.last |= matches!(still, Still::Asleep(..));
        let look = self.copy(gil, wanted, holder, still, plan)?;
        Ok(if look == Look::Cut && still == Still::Nobody { Look::Moved } else { look })
    }

    /// The thread state that holds a GIL, and its thread, if that is as good as certain without a look: it held it last
    /// time, and is the only thread that runs. The copy tells whether it was true.
    fn likely_holder(&self, gil: Gil, wanted: Wanted<'_>) -> Option<(Addr, u32)> {
        let Wanted::Threads(&[tid]) = wanted else { return None };
        let (of, holder) = self.last_holder;
        let member = self.roster.at(holder).filter(|_| of == gil.last_holder)?;
        (self.roster.members[member].tid == Some(tid)).then_some((holder, tid))
    }

    /// Copies again and reads the lists of interpreters and threads again, whoever runs.
    pub(super) fn renew_roster(&mut self) -> Result<(), Unreadable> {
        // A thread that can not be found in the list of the kernel's threads would be left out.
        self.tasks.refresh().ok();
        self.window.refill(&self.memory, (0, 0), &mut [])?;
        self.refresh_roster().map(|_| ())
    }
}
