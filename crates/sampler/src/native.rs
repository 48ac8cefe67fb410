//! Native stacks of one process: copied while a thread stands still, followed and named afterwards.

mod asking;
mod copied;
mod jit_dump;
mod known;
mod loaded;
mod names;
mod perf_map;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use py_spy_address_space::{Addr, Mapping, Memory, Module, read_u64};
use py_spy_native::{DebugFrames, End, NativeFrame, Registers, Source, Unwinder};
use py_spy_profile::Tables;
use py_spy_target::{Core, Live, RootFolder, Target};
use rustc_hash::{FxHashMap, FxHashSet};

use asking::Asking;
pub(crate) use copied::Copied;
use jit_dump::JitDump;
use known::Answer;
pub(crate) use known::Known;
pub(crate) use loaded::Change;
use loaded::Files;
use names::Question;
use perf_map::PerfMap;

/// What a function may use below its stack pointer (System V ABI, 3.2.2).
const RED_ZONE: u64 = 128;

/// No more of a stack is copied. Longer ones are cut.
const MAX_STACK: usize = 128 << 10;

/// So much more is copied than a thread's stack had last time.
const MARGIN: u64 = 64;

/// After an address that is in no known file the process's files are looked at again, at most this often.
const RELOOK: Duration = Duration::from_millis(200);

/// The ends of so many threads' stacks are remembered: threads may come and go all day.
const MAX_TOPS: usize = 1 << 14;

/// Names are kept for so many addresses.
const MAX_KNOWN: usize = 1 << 20;

/// Native stacks of one process.
#[derive(Debug)]
pub(crate) struct Native {
    /// Threads that run no Python are wanted too.
    pub(crate) all: bool,
    files: Files,
    perf_map: PerfMap,
    jit_dump: JitDump,
    unwinder: Unwinder,
    asking: Asking,
    known: FxHashMap<Addr, Known>,
    /// What was asked and not answered yet.
    asked: FxHashSet<Addr>,
    /// Where each thread's stack began, when it was last followed to its end.
    tops: FxHashMap<u32, Addr>,
    copy: Copy,
    looked_at: Instant,
    /// Files may have been loaded since.
    is_stale: bool,
}

/// A thread's registers and its stack, at one moment.
#[derive(Debug, Default)]
struct Copy {
    tid: u32,
    registers: Registers,
    from: Addr,
    bytes: Vec<u8>,
}

/// Where the unwinder reads.
struct UnwindTables<'a> {
    memory: &'a dyn Memory,
    files: &'a Files,
}

impl Source for UnwindTables<'_> {
    fn memory(&self) -> &dyn Memory {
        self.memory
    }

    fn eh_frame(&self, module: &Module) -> Option<Range<Addr>> {
        self.files.eh_frame(module)
    }

    fn debug_frames(&self, module: &Module) -> Option<(DebugFrames, Addr)> {
        self.files.debug_frames(module)
    }
}

impl Native {
    pub(crate) fn of(target: &Target, all: bool) -> std::io::Result<Native> {
        let mappings = target.mappings()?;
        let root = RootFolder::of(target.pid).ok();
        Ok(Native { all, ..Native::with(Files::of(target, &mappings), &mappings, root) })
    }

    /// Of a process that is dead, with these mappings.
    pub(crate) fn of_core(core: &Arc<Core>, mappings: &[Mapping]) -> Native {
        Native::with(Files::of_core(core, mappings), mappings, core.root().try_clone().ok())
    }

    fn with(files: Files, mappings: &[Mapping], root: Option<RootFolder>) -> Native {
        Native {
            all: false,
            files,
            perf_map: PerfMap::default(),
            jit_dump: JitDump::default(),
            unwinder: Unwinder::new(mappings),
            asking: Asking::here(root),
            known: FxHashMap::default(),
            asked: FxHashSet::default(),
            is_stale: false,
            tops: FxHashMap::default(),
            copy: Copy::default(),
            looked_at: Instant::now(),
        }
    }

    /// Forgets the names, which are ids in tables that are not used any more.
    pub(crate) fn forget_names(&mut self) {
        self.known.clear();
        self.asked.clear();
    }

    /// From here on names are found on a thread of their own.
    pub(crate) fn ask_elsewhere(&mut self, target: &Target) {
        self.asking = Asking::later(RootFolder::of(target.pid).ok());
        self.asked.clear();
    }

    /// Copies a thread's stack; it stands still.
    pub(crate) fn copy(&mut self, memory: &Live, tid: u32, registers: &Registers) {
        let from = registers.stack().unwrap_or_default().saturating_sub(RED_ZONE);
        let known = self.copy_end(tid).and_then(|end| end.checked_sub(from));
        let length = known.map_or(MAX_STACK, |length| length.min(MAX_STACK as u64) as usize);
        self.copy.registers = *registers;
        (self.copy.tid, self.copy.from) = (tid, from);
        self.copy.bytes.resize(length, 0);
        // It stops at the end of the stack, which is the end of what is mapped.
        let got = memory.read_many(&[(from, length)], &mut self.copy.bytes).unwrap_or(0);
        self.copy.bytes.truncate(got);
    }

    /// Reads what will be copied, as far as it is known; the thread runs.
    pub(crate) fn read_before(&mut self, memory: &Live, tid: u32) {
        if self.copy.tid == tid {
            let wanted = [(self.copy.from, self.copy.bytes.len())];
            memory.read_many(&wanted, &mut self.copy.bytes).ok();
        }
    }

    /// Follows the stack that was copied last, and appends its frames, innermost first. True when they are all.
    pub(crate) fn follow(&mut self, memory: &Live, tid: u32, into: &mut Vec<NativeFrame>) -> bool {
        let copy = std::mem::take(&mut self.copy);
        let copied = Copied { from: copy.from, bytes: &copy.bytes, missing: 0 };
        let whole = self.follow_copied(memory, tid, &copy.registers, copied, into);
        self.copy = copy;
        whole
    }

    /// The same for a stack that somebody else has copied.
    pub(crate) fn follow_copied(
        &mut self,
        memory: &Live,
        tid: u32,
        registers: &Registers,
        copied: Copied<'_>,
        into: &mut Vec<NativeFrame>,
    ) -> bool {
        let first = into.len();
        let source = UnwindTables { memory, files: &self.files };
        let (end, top) = self.unwinder.walk(&source, *registers, &copied, into);
        match end {
            End::Root => {
                if self.tops.len() >= MAX_TOPS {
                    self.tops.clear();
                }
                self.tops.insert(tid, top);
            }
            End::Cut(at) => {
                self.tops.remove(&tid);
                self.is_stale |= !self.unwinder.knows(at) && self.looked_at.elapsed() >= RELOOK;
                log::debug!("thread {tid}: a native stack of {} frames is cut at {at:#x}", into.len() - first);
            }
        }
        end == End::Root
    }

    /// Up to where a thread's stack is to be copied, if it was followed to its end the last time.
    pub(crate) fn copy_end(&self, tid: u32) -> Option<Addr> {
        self.tops.get(&tid)?.checked_add(MARGIN)
    }

    /// Appends the frames of a thread that is dead, innermost first, as [`Native::follow`] does. Its stack is not copied but read
    /// where it is, however deep it may be.
    pub(crate) fn follow_dead(
        &mut self,
        memory: &dyn Memory,
        registers: &Registers,
        into: &mut Vec<NativeFrame>,
    ) -> bool {
        let source = UnwindTables { memory, files: &self.files };
        self.unwinder.walk(&source, *registers, &|at| read_u64(memory, at).ok(), into).0 == End::Root
    }

    /// True when files may have been loaded since they were looked at: see [`Native::look_again`].
    pub(crate) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Looks which files there are, and what has become of those that were known: see [`Native::take_files`].
    pub(crate) fn look_again(&mut self, target: &Target) -> (Change, Vec<Mapping>) {
        self.looked_at = Instant::now();
        self.is_stale = false;
        let Ok(mappings) = target.mappings() else { return (Change::None, Vec::new()) };
        (self.files.compare(&mappings), mappings)
    }

    /// Takes what [`Native::look_again`] has seen. If files are gone all frames of before are to be named first: other code may be where
    /// theirs was.
    pub(crate) fn take_files(&mut self, change: Change, mappings: &[Mapping]) {
        if change == Change::None {
            return;
        }
        self.files.load(mappings);
        self.unwinder = Unwinder::new(mappings);
        if change == Change::Replaced {
            self.forget_names();
        }
    }

    /// What is at an address of a frame, once [`Native::learn`] has said that it is known.
    pub(crate) fn known(&self, at: Addr) -> Option<&Known> {
        self.known.get(&at)
    }

    /// True when it is known what is at an address; else that has been asked. With a process that lives, code that it has made is
    /// looked up too.
    pub(crate) fn learn(&mut self, at: Addr, process: (Option<&Target>, &dyn Memory), tables: &mut Tables) -> bool {
        if self.known.contains_key(&at) {
            return true;
        }
        let (target, memory) = process;
        let Native { files, perf_map, jit_dump, unwinder, .. } = self;
        if !unwinder.knows(at) {
            if let Some(target) = target.filter(|_| perf_map.name(at).or(jit_dump.name(at)).is_none()) {
                perf_map.refresh(target);
                jit_dump.refresh(target);
            }
            self.known.insert(at, Known::made(perf_map.name(at).or(jit_dump.name(at)), at, tables));
            return true;
        }
        if self.asked.insert(at) {
            let begin = unwinder.function(&UnwindTables { memory, files }, at).unwrap_or(at);
            let place = files.place(at);
            let begin = place.address.wrapping_sub(at.wrapping_sub(begin));
            self.asking.ask(at, Question { place, begin });
            self.hear(tables);
        }
        self.known.contains_key(&at)
    }

    /// Forgets the names when there are too many.
    pub(crate) fn make_room(&mut self) {
        if self.known.len() >= MAX_KNOWN {
            self.forget_names();
        }
    }

    /// Takes the answers that are there.
    pub(crate) fn hear(&mut self, tables: &mut Tables) {
        while let Some((at, answer)) = self.asking.answer() {
            self.take(at, &answer, tables);
        }
    }

    /// Waits until it is known what is at an address that was asked.
    pub(crate) fn await_answer(&mut self, at: Addr, tables: &mut Tables) {
        while !self.known.contains_key(&at) {
            let Some((answered, answer)) = self.asking.await_answer() else {
                // Nobody is there any more who could tell.
                self.known.insert(at, Known::made(None, at, tables));
                return;
            };
            self.take(answered, &answer, tables);
        }
    }

    fn take(&mut self, at: Addr, answer: &Answer, tables: &mut Tables) {
        // The names of before were in other tables.
        if self.asked.remove(&at) {
            self.known.insert(at, Known::of(answer, tables));
        }
    }
}
