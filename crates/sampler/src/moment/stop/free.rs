//! Threads one after the other: only its own thread moves a stack, so each is a moment of its own. So it is without a GIL, and
//! where native stacks are wanted too: those move whoever holds the GIL.

use std::time::Duration;

use py_spy_address_space::Window;
use py_spy_native::Registers;
use py_spy_python::Unreadable;

use super::copy::{MAX_GIL_WORDS, gil_words};
use super::still::Still;
use super::{Look, Wanted, Watch};

/// Looks at a thread without a GIL that began to run meanwhile, or was just linking a frame.
const MAX_FREE_TRIES: u32 = 8;

/// So many threads have a window of their own; beyond that all are made anew. Each takes some 50 KB.
const MAX_WINDOWS: usize = 256;

/// A thread off its CPU is waited for so long until it tells its registers. On a busy machine it takes that time until it
/// has one.
const TELLS_REGISTERS_WITHIN: Duration = Duration::from_millis(20);

impl Watch {
    /// True when a member's stack is a moment of its own.
    fn is_alone(&self, member: usize) -> bool {
        self.native.is_some() || self.roster.gil_of(member).is_none()
    }

    /// True when threads that run no Python are wanted too.
    fn has_strangers(&self) -> bool {
        self.native.as_ref().is_some_and(|native| native.all)
    }

    /// The stacks of those threads, one after the other.
    pub(super) fn take_free(&mut self, wanted: Wanted<'_>) -> Result<Look, Unreadable> {
        let mut tids = std::mem::take(&mut self.tids);
        tids.clear();
        match wanted {
            Wanted::Threads(wanted) => tids.extend_from_slice(wanted),
            Wanted::All => {
                self.window.refill(&self.memory, (0, 0), &mut [])?;
                self.refresh_roster()?;
                tids.extend(self.roster.members.iter().filter_map(|member| member.tid));
                if self.has_strangers() {
                    tids.extend(self.tasks.ids());
                }
                tids.sort_unstable();
                tids.dedup();
            }
            Wanted::Holder if self.native.is_some() => self.add_holders(&mut tids)?,
            // There is nothing to hold.
            Wanted::Holder => {}
        }
        let look = tids.iter().try_fold(Look::True, |look, &tid| match look {
            Look::Denied => Ok(look),
            _ => self.take_one(tid, matches!(wanted, Wanted::Threads(_))),
        });
        self.tids = tids;
        if wanted == Wanted::Holder {
            self.moment.parts.retain(|part| part.holds_gil);
        }
        look
    }

    /// The threads that hold a GIL just now; whether they still do shows when they stand still.
    fn add_holders(&mut self, tids: &mut Vec<u32>) -> Result<(), Unreadable> {
        for gil in self.roster.gils.iter().flatten() {
            let (tail, words) = gil_words(*gil);
            let mut bytes = [0; MAX_GIL_WORDS];
            self.window.refill(&self.memory, tail, &mut bytes[..tail.1])?;
            let (named, locked) = words(&bytes[..tail.1]);
            let member = self.roster.at(named).filter(|_| locked);
            tids.extend(member.and_then(|member| self.roster.members[member].tid));
        }
        Ok(())
    }

    /// The stack of one thread. `runs` when it was seen just now that it does.
    fn take_one(&mut self, tid: u32, runs: bool) -> Result<Look, Unreadable> {
        if self.wants.is_none() && self.resting.has(tid) {
            let slices = self.tasks.slices(tid);
            if self.resting.put(tid, slices, self.roster.version, &mut self.moment) {
                return Ok(Look::True);
            }
        }
        // What has to be read for one thread is not read for all the others too.
        let mut window = self.windows.remove(&tid).unwrap_or_else(|| Window::new(self.window.copies()));
        std::mem::swap(&mut self.window, &mut window);
        let taken = self.take_in_window(tid, runs);
        std::mem::swap(&mut self.window, &mut window);
        if self.windows.len() >= MAX_WINDOWS {
            self.windows.clear();
        }
        self.windows.insert(tid, window);
        taken
    }

    /// The same through a window that is the thread's own.
    fn take_in_window(&mut self, tid: u32, runs: bool) -> Result<Look, Unreadable> {
        let (mark, mut careful) = (self.moment.mark(), self.careful > 0);
        for tries in 1..=MAX_FREE_TRIES {
            let is_stranger = self.roster.of_thread(tid).is_empty() && self.has_strangers();
            if !is_stranger && !self.roster.of_thread(tid).iter().any(|&member| self.is_alone(member)) {
                return Ok(Look::True);
            }
            self.moment.rewind(mark);
            if tries == 1 && !self.stopper.is_attached() {
                self.read_before(tid)?;
            }
            let still = if tries == 1 && runs { self.hold(tid) } else { self.keep_thread_still(tid, false) };
            let still = match still {
                Ok(still) => still,
                Err(Look::Denied) => return Ok(Look::Denied),
                // It has ended.
                Err(_) => return Ok(Look::True),
            };
            let look = if is_stranger {
                self.look_for_member(tid)
            } else {
                self.look_at_one(tid, still, tries == MAX_FREE_TRIES, careful)
            };
            let copied = matches!(look, Ok(Look::True)) && self.copy_native(tid, still);
            if matches!(look, Ok(Look::True)) {
                self.read_values(mark[0]);
            }
            let look = match still {
                // What was read of values is as old as the stack only if it slept on.
                Still::Asleep(tid, before) if self.wants.is_some() && tries < MAX_FREE_TRIES => {
                    if self.tasks.slices(tid) == before { look } else { Ok(Look::Moved) }
                }
                _ => look,
            };
            self.stopper.release();
            match look? {
                Look::True if careful || self.codes_are_known(mark[1], self.epoch) => {
                    self.codes.read_new(&self.memory, &self.python.layout, usize::MAX);
                    if copied {
                        self.follow_native(tid);
                    }
                    self.keep_asleep(still, copied, mark);
                    return Ok(Look::True);
                }
                Look::True => careful = true,
                _ => self.let_run(),
            }
            self.effort.retries += 1;
        }
        self.moment.rewind(mark);
        self.moment.dropped += 1;
        Ok(Look::True)
    }

    /// Reads once what will be read with the thread stopped: after a pause the first read of a page takes five times as long as the
    /// second one.
    fn read_before(&mut self, tid: u32) -> Result<(), Unreadable> {
        self.window.refill(&self.memory, (0, 0), &mut [])?;
        if let Some(native) = &mut self.native {
            native.read_before(&self.memory, tid);
        }
        Ok(())
    }

    /// Keeps what was seen of a thread, which is what the moment has since a mark, if it slept all the while.
    fn keep_asleep(&mut self, still: Still, copied: bool, [_, part, gone, dropped, native_frame, native]: [usize; 6]) {
        let Watch { resting, moment, roster, .. } = self;
        let known = moment.gone.len() == gone && moment.dropped == dropped && !moment.mixed;
        let Still::Asleep(tid, Some(slices)) = still else { return };
        if !known || self.native.is_some() && !copied {
            return;
        }
        let native = moment.natives.get(native).map(|native| (&moment.native_frames[native_frame..], native.whole));
        resting.keep((tid, slices, roster.version), (&moment.frames, &moment.parts[part..]), native);
    }

    /// A thread that is in no list stands still: if it has come into one meanwhile it is looked at again.
    fn look_for_member(&mut self, tid: u32) -> Result<Look, Unreadable> {
        self.window.refill(&self.memory, (0, 0), &mut [])?;
        self.refresh_roster()?;
        Ok(if self.roster.of_thread(tid).is_empty() { Look::True } else { Look::Moved })
    }

    /// The stack of one thread that is kept still. With `last` one that ends early is taken for whole.
    fn look_at_one(&mut self, tid: u32, still: Still, last: bool, careful: bool) -> Result<Look, Unreadable> {
        self.looks += 1;
        // Under a GIL this also tells whether it is the thread's.
        let gil = self.roster.of_thread(tid).iter().find_map(|&member| self.roster.gil_of(member));
        let (tail, words) = gil.map(gil_words).unzip();
        let (tail, mut bytes) = (tail.unwrap_or((0, 0)), [0; MAX_GIL_WORDS]);
        self.window.refill(&self.memory, tail, &mut bytes[..tail.1])?;
        self.refresh_roster()?;
        let (named, locked) = words.map_or((0, false), |words| words(&bytes[..tail.1]));
        let holder = self.roster.at(named).filter(|_| locked);
        self.choose(Wanted::Threads(&[tid]), |_| false);
        self.epoch = self.code_epoch();
        let first = self.moment.frames.len();
        let mut whole = true;
        for index in 0..self.wanted.len() {
            let member = self.wanted[index];
            if self.is_alone(member) {
                whole &= self.walk_one(member, holder == Some(member), last || !matches!(still, Still::Held(_)));
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

    /// Copies the native stack of a thread that is kept still. False when it is not wanted, or can not be had.
    fn copy_native(&mut self, tid: u32, still: Still) -> bool {
        let Some(native) = &mut self.native else { return false };
        let registers = match still {
            Still::Held(_) => self.stopper.registers(tid, TELLS_REGISTERS_WITHIN).map(Registers::all),
            // Whether it slept all the time was seen before; if it wakes now its stack has other frames than those of Python.
            Still::Asleep(..) => {
                self.tasks.pointers(tid).map(|(stack, instruction)| Registers::asleep(instruction, stack))
            }
            Still::Nobody => None,
        };
        if let Some(registers) = registers {
            native.copy(&self.memory, tid, &registers);
        }
        registers.is_some() && !matches!(still, Still::Asleep(_, before) if self.tasks.slices(tid) != before)
    }
}
