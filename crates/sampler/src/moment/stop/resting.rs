//! Stacks of threads that have slept ever since they were looked at: they are what they were.
//!
//! Only its own thread moves a stack, and takes or lets go a GIL. The scheduler counts a thread before it runs one instruction, so while
//! that count stands nothing has changed. A count that is read after a moment tells that it stood at that moment: so nobody has to
//! stand still for it.

use py_spy_native::NativeFrame;
use py_spy_python::{Gil, RawFrame};
use py_spy_target::{Slices, TaskState};
use rustc_hash::FxHashMap;

use super::{Wanted, Watch};
use crate::moment::{Moment, NativeStack, Part};

/// Stacks are kept of so many threads; beyond that all are forgotten and looked at again.
const MAX_RESTING: usize = 1 << 14;

/// What was seen of threads that slept.
#[derive(Debug, Default)]
pub(in crate::moment) struct Resting {
    threads: FxHashMap<u32, Thread>,
    /// Under the GIL that is being looked at: by member, those whose stacks are not copied because they are known.
    known: Vec<bool>,
    /// The threads of those.
    put: Vec<u32>,
    /// Threads that slept before the copy, by member.
    sleepers: Vec<(usize, u32, Slices)>,
}

/// The stacks of one thread. Places are counted from the beginning of its own.
#[derive(Debug)]
struct Thread {
    slices: Slices,
    /// [`crate::roster::Roster::version`] then.
    roster: u64,
    frames: Vec<RawFrame>,
    parts: Vec<Part>,
    native: Option<(Vec<NativeFrame>, bool)>,
}

impl Resting {
    /// Keeps some parts of a moment, which are those of one thread, and its native stack: it slept all the while, and this is what was
    /// counted for it.
    pub(super) fn keep(
        &mut self,
        (tid, slices, roster): (u32, Slices, u64),
        (frames, parts): (&[RawFrame], &[Part]),
        native: Option<(&[NativeFrame], bool)>,
    ) {
        let first = parts.first().map_or(0, |part| part.first);
        let end = parts.last().map_or(0, |part| part.end);
        let Some(frames) = frames.get(first..end) else { return };
        if self.threads.len() >= MAX_RESTING {
            self.threads.clear();
        }
        let moved = |part: &Part| Part { first: part.first - first, end: part.end - first, walked: None, ..*part };
        let native = native.map(|(frames, whole)| (frames.to_vec(), whole));
        let parts = parts.iter().map(moved).collect();
        self.threads.insert(tid, Thread { slices, roster, frames: frames.to_vec(), parts, native });
    }

    /// True when something is known of a thread.
    pub(super) fn has(&self, tid: u32) -> bool {
        self.threads.contains_key(&tid)
    }

    /// True when a member's stack is not to be copied.
    pub(super) fn knows(&self, member: usize) -> bool {
        self.known.get(member).is_some_and(|known| *known)
    }

    /// Puts in what is known of a thread. False when it has run since, or the list of threads is another.
    pub(super) fn put(&mut self, tid: u32, slices: Option<Slices>, roster: u64, moment: &mut Moment) -> bool {
        let Some(thread) = self.threads.get(&tid) else { return false };
        if Some(thread.slices) != slices || thread.roster != roster {
            self.threads.remove(&tid);
            return false;
        }
        let first = moment.frames.len();
        moment.frames.extend_from_slice(&thread.frames);
        for part in &thread.parts {
            let stood = part.end - part.first;
            moment.push(Part { first: part.first + first, end: part.end + first, stood, ..*part }, roster);
        }
        if let Some((frames, whole)) = &thread.native {
            let first = moment.native_frames.len();
            moment.native_frames.extend_from_slice(frames);
            moment.natives.push(NativeStack { tid, first, end: moment.native_frames.len(), whole: *whole });
        }
        true
    }

    /// Forgets all.
    pub(in crate::moment) fn clear(&mut self) {
        self.threads.clear();
    }

    fn begin(&mut self, members: usize) {
        self.known.clear();
        self.known.resize(members, false);
        self.put.clear();
        self.sleepers.clear();
    }
}

impl Watch {
    /// Before a look under a GIL: which of the wanted threads are known to sleep since, and which others sleep now.
    pub(super) fn note_sleepers(&mut self, gil: Gil, wanted: Wanted<'_>) {
        let Watch { roster, resting, tasks, .. } = self;
        resting.begin(roster.members.len());
        // Values change while a thread sleeps; and one thread that runs is what there mostly is.
        let several = match wanted {
            Wanted::All => true,
            Wanted::Threads(tids) => tids.len() > 1,
            Wanted::Holder => false,
        };
        // Who looks once has nothing to keep it for.
        let again = self.effort.moments > 1;
        if !several || !again || self.wants.is_some() || gil.names_holders_only() {
            return;
        }
        let mut note = |tid: u32| {
            let &[member] = roster.of_thread(tid) else { return };
            if roster.gil_of(member) != Some(gil) {
                return;
            }
            if resting.threads.get(&tid).is_some_and(|thread| thread.roster == roster.version) {
                resting.known[member] = true;
                resting.put.push(tid);
                return;
            }
            // In this order: one that wakes after it was counted will have been counted once more.
            if let Some(slices) = tasks.slices(tid)
                && matches!(tasks.state(tid), Some(TaskState::Sleeping | TaskState::DiskSleep))
                && tasks.is_off_cpu(tid)
            {
                resting.sleepers.push((member, tid, slices));
            }
        };
        match wanted {
            Wanted::All => roster.members.iter().filter_map(|member| member.tid).for_each(&mut note),
            Wanted::Threads(tids) => tids.iter().copied().for_each(&mut note),
            Wanted::Holder => {}
        }
    }

    /// After it: puts in the stacks of those that still sleep. False when one has run since.
    pub(super) fn put_sleepers(&mut self) -> bool {
        let put = std::mem::take(&mut self.resting.put);
        // Each is asked, so that the next look knows of all that have.
        let mut all = true;
        for &tid in &put {
            let slices = self.tasks.slices(tid);
            all &= self.resting.put(tid, slices, self.roster.version, &mut self.moment);
        }
        self.resting.put = put;
        all
    }

    /// When the moment is true: keeps the stacks, among the parts from `first` on, of those that slept all the while.
    pub(super) fn keep_sleepers(&mut self, first: usize) {
        let Watch { resting, moment, roster, tasks, .. } = self;
        if moment.mixed || moment.roster != roster.version {
            return;
        }
        let sleepers = std::mem::take(&mut resting.sleepers);
        // Both are in the order in which they were wanted.
        let mut at = first;
        for &(member, tid, slices) in &sleepers {
            let Some(skip) = moment.parts.get(at..).and_then(|parts| parts.iter().position(|p| p.member == member))
            else {
                continue;
            };
            at += skip;
            if roster.members.get(member).is_some_and(|member| member.tid == Some(tid))
                && tasks.slices(tid) == Some(slices)
            {
                resting.keep((tid, slices, roster.version), (&moment.frames, &moment.parts[at..=at]), None);
            }
            at += 1;
        }
        resting.sleepers = sleepers;
    }
}
