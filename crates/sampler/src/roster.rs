//! Who is there: the process's interpreters and thread states, and the kernel's threads that they belong to.

use py_spy_address_space::Addr;
use py_spy_python::layout::{AfterFork, FrameSlot, Layout};
use py_spy_python::{Gil, Interpreter, Reader, ThreadState, Unreadable, gil, interpreters, thread_state, threads};
use py_spy_target::{Target, Tasks};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::c_stacks::Stacks;

/// Where glibc keeps the kernel's thread id in the `struct pthread` that `pthread_self()` points to (`nptl/descr.h`,
/// x86-64; the same since 2.4). The struct starts with a pointer to itself, and has another one at 16.
pub(crate) const PTHREAD_TID: usize = 720;
const PTHREAD_SELF: [usize; 2] = [0, 16];

/// A thread state whose thread can not be told is looked at again this often: it is listed before its thread begins.
const LOOKS_FOR_NEWCOMERS: u32 = 16;

/// After that a thread that is not in the lists is looked for once in so many times.
const LOOKS_BETWEEN: u32 = 64;

/// Strangers that are remembered; then all are forgotten.
const MAX_STRANGERS: usize = 1 << 12;

/// A thread state that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// Where its state is.
    pub(crate) at: Addr,
    /// Its interpreter, as an index into [`Roster::interpreters`].
    pub(crate) interpreter: usize,
    /// `pthread_self()`.
    pub(crate) id: u64,
    /// What the thread state has for the kernel's id, true or not.
    native_id: Option<u64>,
    /// The kernel's id, if it is one of this process's threads.
    pub(crate) tid: Option<u32>,
}

impl Member {
    /// One of the first interpreter, as its own state says.
    pub(crate) fn of_tick(at: Addr, id: u64, native_id: u64, tid: u32) -> Member {
        Member { at, interpreter: 0, id, native_id: Some(native_id), tid: Some(tid) }
    }
}

/// Who is there.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// The oldest first.
    pub(crate) interpreters: Vec<Interpreter>,
    /// The oldest first, interpreter by interpreter.
    pub(crate) members: Vec<Member>,
    /// The locks that there are, each once; `None` stands for interpreters that run without one.
    pub(crate) gils: Vec<Option<Gil>>,
    by_tid: FxHashMap<u32, Vec<usize>>,
    /// How often each thread that is not in the lists was looked for.
    strangers: FxHashMap<u32, u32>,
    by_state: FxHashMap<Addr, usize>,
    /// Counts how often the members changed: their places in [`Roster::members`] mean something else then.
    pub(crate) version: u64,
    newest_interpreter: Addr,
    /// Some member's thread could not be told, perhaps because it is just beginning: how many more looks it is worth.
    unsettled: u32,
    /// Members that may pass from one thread to another: in 3.12 the thread state of a sub-interpreter names the thread
    /// that made it, not the one that runs it, and only the C stack that it is on tells that one.
    wanderers: Vec<usize>,
    /// The threads' C stacks, when there are wanderers.
    stacks: Option<Stacks>,
}

impl Roster {
    /// Reads the lists again if any has a new head, which is where newcomers are put. Returns whether it did.
    pub(crate) fn refresh(
        &mut self,
        reader: &mut Reader<'_>,
        layout: &Layout,
        runtime: Addr,
        tasks: &Tasks,
        target: &Target,
    ) -> Result<bool, Unreadable> {
        let current = self.is_current(reader, layout, runtime)?;
        if current && self.unsettled == 0 {
            return Ok(false);
        }
        let looks = if current { self.unsettled - 1 } else { LOOKS_FOR_NEWCOMERS };
        self.read(reader, layout, runtime, tasks, target)?;
        self.unsettled = self.unsettled.min(looks);
        Ok(true)
    }

    fn is_current(&self, reader: &mut Reader<'_>, layout: &Layout, runtime: Addr) -> Result<bool, Unreadable> {
        let newest = reader.word(runtime.wrapping_add(u64::from(layout.runtime.interpreters_head)))?;
        if newest != self.newest_interpreter || self.interpreters.is_empty() {
            return Ok(false);
        }
        for interpreter in &self.interpreters {
            let head = interpreter.at.wrapping_add(u64::from(layout.interpreter.threads_head));
            // A lock may be made after its interpreter, and in free-threaded builds come into force and go.
            if reader.word(head)? != interpreter.threads_head
                || gil(reader, layout, runtime, interpreter.at)? != interpreter.gil
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads the lists.
    pub(crate) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        layout: &Layout,
        runtime: Addr,
        tasks: &Tasks,
        target: &Target,
    ) -> Result<(), Unreadable> {
        // Until it is complete it is not current.
        self.newest_interpreter = 0;
        self.interpreters = interpreters(reader, layout, runtime)?;
        let newest = self.interpreters.first().map_or(0, |interpreter| interpreter.at);
        self.interpreters.reverse();
        self.gils = self.interpreters.iter().map(|interpreter| interpreter.gil).collect();
        self.gils.sort_unstable_by_key(|gil| gil.map(|gil| gil.last_holder));
        self.gils.dedup();
        let before = std::mem::take(&mut self.members);
        self.version += 1;
        self.by_tid.clear();
        self.by_state.clear();
        self.unsettled = 0;
        self.wanderers.clear();
        self.stacks = None;
        for (index, interpreter) in self.interpreters.iter().enumerate() {
            let mut states = threads(reader, layout, interpreter)?;
            if layout.thread.after_fork == AfterFork::Kept {
                let all = states.len();
                forget_the_dead(reader, tasks, &mut states);
                if states.len() < all {
                    self.unsettled = LOOKS_FOR_NEWCOMERS;
                }
            }
            for state in states.into_iter().rev() {
                let tid = if index > 0 && matches!(layout.thread.frame, FrameSlot::ThroughCFrame { .. }) {
                    self.wanderers.push(self.members.len());
                    let stacks = self.stacks.get_or_insert_with(|| Stacks::of(target, &self.members));
                    state.on_stack.and_then(|place| stacks.thread_at(place))
                } else {
                    let tid = thread_id(reader, &state).and_then(|tid| tasks.by_own_id(tid));
                    if tid.is_none() {
                        self.unsettled = LOOKS_FOR_NEWCOMERS;
                    }
                    tid
                };
                let member = Member { at: state.at, interpreter: index, id: state.id, native_id: state.native_id, tid };
                self.by_state.insert(state.at, self.members.len());
                if let Some(tid) = tid {
                    let all = self.by_tid.entry(tid).or_default();
                    // Up to 3.11 a new thread has its parent's ids until it begins to run.
                    if all.iter().any(|&older| self.members[older].interpreter == index) {
                        self.unsettled = LOOKS_FOR_NEWCOMERS;
                    }
                    all.push(self.members.len());
                }
                self.members.push(member);
            }
        }
        self.newest_interpreter = newest;
        if self.members == before {
            self.version -= 1;
        }
        Ok(())
    }

    /// True when the wanderers are where they were when the lists were read. If not, the lists are read again at the next
    /// refresh.
    pub(crate) fn is_settled(&mut self, reader: &mut Reader<'_>, layout: &Layout) -> Result<bool, Unreadable> {
        for &member in &self.wanderers {
            let place = thread_state(reader, layout, self.members[member].at)?.on_stack;
            let tid = place.and_then(|place| self.stacks.as_ref()?.thread_at(place));
            if tid != self.members[member].tid {
                self.unsettled = 1;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True when it is worth to read the lists again for a thread that is not in them: the first times, and now and then.
    /// The head of a list does not always tell of a newcomer, whose state may lie where that of another one lay. A thread
    /// that runs no Python is never in them.
    pub(crate) fn looks_for(&mut self, tid: u32) -> bool {
        if self.by_tid.contains_key(&tid) {
            return false;
        }
        if self.strangers.len() >= MAX_STRANGERS {
            self.strangers.clear();
        }
        let looks = self.strangers.entry(tid).or_default();
        *looks += 1;
        *looks <= LOOKS_FOR_NEWCOMERS || looks.is_multiple_of(LOOKS_BETWEEN)
    }

    /// Has the lists read again at the next refresh.
    pub(crate) fn doubt(&mut self) {
        self.unsettled = self.unsettled.max(1);
    }

    /// True when the lists are to be read at the next refresh, or may at any time say something else of the members.
    pub(crate) fn is_doubted(&self) -> bool {
        self.unsettled > 0 || !self.wanderers.is_empty() || self.interpreters.is_empty()
    }

    /// The thread states of one of the kernel's threads, by interpreter: the outer one first.
    pub(crate) fn of_thread(&self, tid: u32) -> &[usize] {
        self.by_tid.get(&tid).map_or(&[], Vec::as_slice)
    }

    /// The member with its state at an address.
    pub(crate) fn at(&self, state: Addr) -> Option<usize> {
        self.by_state.get(&state).copied()
    }

    /// A member's lock, if there is one. (A list that could not be read to its end may have lost the member.)
    pub(crate) fn gil_of(&self, member: usize) -> Option<Gil> {
        self.interpreters.get(self.members.get(member)?.interpreter)?.gil
    }

    /// A member's thread state now; `None` when it is no longer that thread's.
    pub(crate) fn state(
        &self,
        member: usize,
        reader: &mut Reader<'_>,
        layout: &Layout,
    ) -> Result<Option<ThreadState>, Unreadable> {
        let known = &self.members[member];
        let state = thread_state(reader, layout, known.at)?;
        let same = state.id == known.id
            && state.native_id == known.native_id
            && state.interpreter == self.interpreters[known.interpreter].at;
        Ok(same.then_some(state))
    }
}

/// Leaves out the states, the newest first, that a forked child has of its parent's other threads. Their threads are none
/// of this process, or they have got the id of a newer one. Nobody is left out where no thread's id can be told at all.
fn forget_the_dead(reader: &mut Reader<'_>, tasks: &Tasks, states: &mut Vec<ThreadState>) {
    let mut known = FxHashSet::default();
    // A state without a frame may be that of a thread that begins, which has the id of the thread that made it.
    states.retain(|state| state.frame == 0 || known.insert(state.id));
    let mut lives = |state: &ThreadState| thread_id(reader, state).and_then(|tid| tasks.by_own_id(tid)).is_some();
    if states.iter().any(&mut lives) {
        states.retain(lives);
    }
}

/// The kernel's id for a thread, as far as the process's memory tells.
fn thread_id(reader: &mut Reader<'_>, state: &ThreadState) -> Option<u32> {
    if let Some(native) = state.native_id {
        return u32::try_from(native).ok().filter(|&tid| tid != 0);
    }
    let mut bytes = [0; PTHREAD_TID + 4];
    reader.read(state.id, &mut bytes).ok()?;
    let word = |at: usize| bytes[at..].first_chunk().map(|chunk| u64::from_le_bytes(*chunk));
    if PTHREAD_SELF.iter().any(|&at| word(at) != Some(state.id)) {
        return None;
    }
    bytes[PTHREAD_TID..].first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}
