//! One CPython at the clock's instants: which of its threads run, their stacks named and given to the sink.

use std::time::{Duration, Instant};

use py_spy_profile::{Nanos, Sink, Tables};

use super::add;
use super::cheaper::Cheaper;
use super::delays::Delays;
use super::held::Held;
use super::parked::{Parked, Queue, Writer};
use super::written::Written;
use crate::clock::Slot;
use crate::file_names::FileNames;
use crate::kernel_names::KernelNames;
use crate::moment::{Moment, NativeStack, Part, Ticked, Wanted, Watch};
use crate::native::Change;
use crate::roster::Member;
use crate::stacks::Namer;
use crate::stacks::mixed::Both;
use crate::thread_table::ThreadTable;
use crate::{Control, End, Mode, Options};

/// No sample stands for more than this: a profiler that was itself suspended has not seen that time.
const MAX_WEIGHT: Nanos = 100_000_000;

/// New threads are looked for at most this often.
const REFRESH_TASKS: Duration = Duration::from_millis(1);

/// Whether the process has become another program is asked at most this often, while nothing looks like it.
const DOUBT_PROGRAM: Duration = Duration::from_millis(10);

/// Of so many threads each one's count is read at every tick; of more only when the clock of their process or a GIL moves.
const FEW_THREADS: usize = 8;

/// Where samples go.
pub(super) struct Out<'a> {
    pub(super) files: &'a mut FileNames,
    pub(super) tables: &'a mut Tables,
    pub(super) sink: &'a mut dyn Sink,
}

/// One CPython, with what is kept of it from tick to tick.
pub(super) struct Look<'a> {
    pub(super) watch: Held<'a>,
    pub(super) options: &'a Options,
    pub(super) control: &'a Control,
    pub(super) threads: ThreadTable,
    /// The threads that were running at this tick.
    pub(super) running: Vec<u32>,
    /// Those whose stacks are wanted.
    pub(super) wanted: Vec<u32>,
    /// What the kernel took.
    pub(super) ticked: Ticked,
    pub(super) delays: Delays,
    pub(super) cheaper: Cheaper,
    /// Where the kernel's frames are wanted.
    pub(super) kernel_names: Option<KernelNames>,
    /// The kernel is to follow as many frames as it can.
    pub(super) deep: bool,
    /// What the times of the kernel's samples count from, ns of the monotonic clock.
    pub(super) began: u64,
    /// When the list of threads is looked at again.
    refresh_at: Option<Instant>,
    /// When it is seen to that it still is the same program.
    doubt_at: Option<Instant>,
    /// The last moment was read whole.
    is_fresh: bool,
    pub(super) members: Vec<Member>,
    order: Vec<usize>,
    pub(super) parked: Queue,
}

impl<'a> Look<'a> {
    pub(super) fn new(mut watch: Held<'a>, options: &'a Options, control: &'a Control) -> Look<'a> {
        let Watch { native, target, .. } = &mut *watch;
        if let Some(native) = native {
            native.ask_elsewhere(target);
        }
        Look {
            watch,
            options,
            control,
            threads: ThreadTable::default(),
            running: Vec::new(),
            wanted: Vec::new(),
            ticked: Ticked::default(),
            delays: Delays::default(),
            cheaper: Cheaper::default(),
            kernel_names: None,
            deep: false,
            began: 0,
            refresh_at: None,
            doubt_at: None,
            is_fresh: false,
            members: Vec::new(),
            order: Vec::new(),
            parked: Queue::default(),
        }
    }

    /// One sample of each thread that is wanted. Returns why the run is over, if it is.
    pub(super) fn tick(&mut self, slot: Slot, out: &mut Out<'_>) -> Option<End> {
        if self.is_ticked() {
            return self.tick_of_kernel(slot, out);
        }
        let Some(ran) = self.look_at_threads() else { return Some(End::Exited) };
        if self.options.gil_only {
            return self.look(slot, ran, Wanted::Holder, out);
        }
        if self.options.include_idle {
            return self.look(slot, ran, Wanted::All, out);
        }
        if self.running.is_empty() {
            return self.write_parked(out, false);
        }
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.clone_from(&self.running);
        let end = self.look(slot, ran, Wanted::Threads(&wanted), out);
        self.wanted = wanted;
        end
    }

    /// A sample of each of these threads. `ran`: some thread may have run since the last look.
    pub(super) fn look(&mut self, slot: Slot, ran: bool, wanted: Wanted<'_>, out: &mut Out<'_>) -> Option<End> {
        // When nobody has run since the last moment, it is this one too.
        if ran || !self.is_fresh {
            self.is_fresh = false;
            let failed = self.watch.take(wanted).err();
            if let Some(why) = &failed {
                log::debug!("no look at process {}: {why}", self.watch.target.pid);
            }
            let dropped = if failed.is_some() { 1 } else { self.watch.moment.dropped };
            if dropped > 0 && !self.watch.is_same_program() {
                // It came too late: what is gone has no stack that could have been read.
                add(&self.control.missed, 1);
                return Some(End::Exited);
            }
            add(&self.control.dropped, dropped);
            if failed.is_some() {
                return None;
            }
            self.is_fresh = dropped == 0;
        }
        self.write(slot, out)
    }

    /// Finds out which threads run, and whether any has run since the last tick. `None` when the process has ended.
    pub(super) fn look_at_threads(&mut self) -> Option<bool> {
        let stops = self.watch.mode == Mode::Stop;
        self.running.clear();
        self.refresh_tasks()?;
        let mut ran = self.read_running(stops);
        if self.watch.tasks.is_stale() {
            // One has ended, and another that began meanwhile may have its place in the number of threads.
            self.refresh_tasks()?;
            ran |= self.read_running(stops);
        }
        if ran {
            return Some(true);
        }
        // An exec uses CPU time, but it may all have been used before we looked.
        (!self.watch.memory.is_replaced()).then_some(false)
    }

    /// Which threads of the list run, and whether any has run since the last tick.
    fn read_running(&mut self, stops: bool) -> bool {
        // The clock of the whole process and the words of its GILs cost a few calls whatever the number of threads. Of a few
        // threads each is asked at once.
        if self.watch.tasks.len() > FEW_THREADS && self.watch.others_rest() {
            let Watch { tasks, runners, .. } = &mut *self.watch;
            tasks.running_of(runners, &mut self.running, stops)
        } else {
            self.watch.tasks.running(&mut self.running, stops)
        }
    }

    /// Has the list of threads read again if there may be new ones. `None` when the process has ended.
    pub(super) fn refresh_tasks(&mut self) -> Option<()> {
        let now = Instant::now();
        if self.watch.tasks.is_stale() || self.refresh_at.is_none_or(|at| at <= now) {
            self.refresh_at = Some(now + REFRESH_TASKS);
            if let Err(why) = self.watch.tasks.refresh() {
                // Of a process that is there the list may not be readable just now: we may have too many files open.
                if !self.watch.target.is_alive() {
                    return None;
                }
                log::debug!("the list of threads could not be read: {why}");
            }
        }
        // Another program may have the same addresses, and threads like those before.
        if self.doubt_at.is_none_or(|at| at <= now) {
            self.doubt_at = Some(now + DOUBT_PROGRAM);
            if self.watch.memory.is_replaced() {
                return None;
            }
        }
        Some(())
    }

    /// Gives the moment's stacks to the sink: of each thread one, made of all its thread states.
    fn write(&mut self, slot: Slot, out: &mut Out<'_>) -> Option<End> {
        let interval = self.options.interval.as_nanos() as Nanos;
        // It stands for the slots that were missed before it too.
        let weight = interval.saturating_mul(slot.skipped + 1).min(MAX_WEIGHT.max(interval));
        let at = interval.saturating_mul(slot.number + 1).saturating_sub(weight);
        let Watch { roster, moment, codes, memory, python, target, native, .. } = &mut *self.watch;
        let (memory, layout) = (&*memory, &python.layout);
        let naming = self.options.naming();
        let mut namer = Namer { codes, files: out.files, memory, layout, tables: out.tables, naming };
        add(&self.control.gil_held, usize::from(moment.parts.iter().any(|part| part.holds_gil)));
        self.members.clear();
        self.order.clear();
        // Where the kernel's ids are known, a thread without one is just beginning or ending: under its other id it would
        // be another thread.
        let known = roster.members.iter().any(|member| member.tid.is_some());
        let of_nobody = |part: &Part| known && roster.members[part.member].tid.is_none();
        let lost = moment.parts.iter().filter(|part| of_nobody(part) && part.first < part.end).count();
        add(&self.control.dropped, lost);
        self.order.extend((0..moment.parts.len()).filter(|&part| !of_nobody(&moment.parts[part])));
        // One thread's states side by side, the outer interpreter's first: together they are its one stack.
        self.order.sort_by_key(|&part| thread_of(moment, &roster.members, part));
        let same = |a: &usize, b: &usize| {
            let of = |part| thread_of(moment, &roster.members, part).0;
            of(*a) == of(*b)
        };
        let outer = |parts: &[usize]| roster.members[moment.parts[parts[0]].member];
        self.members.extend(self.order.chunk_by(same).map(outer));
        // First: from a thread's first sample on it has its name.
        let labels = self.options.thread_frames;
        self.threads.name(&self.members, target.pid, labels, roster, memory, layout, namer.tables);
        for parts in self.order.chunk_by(same) {
            let member = roster.members[moment.parts[parts[0]].member];
            let there = |tid| roster.of_thread(tid).iter().filter(|&member| !moment.gone.contains(member)).count();
            let known = member.tid.map_or(1, there);
            if parts.len() < known && !self.options.gil_only {
                // Under another GIL this thread has frames that could not be read: the rest is not its stack.
                add(&self.control.dropped, 1);
                continue;
            }
            let active = member.tid.is_some_and(|tid| self.running.contains(&tid));
            add(&self.control.active, usize::from(active));
            self.cheaper.samples += u64::from(active);
            let frames = parts.iter().flat_map(|&part| {
                let part = &moment.parts[part];
                moment.frames[part.first..part.end].iter().rev()
            });
            let moving = parts.iter().any(|&part| moment.parts[part].moving);
            let seen = self.threads.entry(&member, target.pid, labels, namer.tables);
            let (root, thread) = (seen.label, seen.id);
            let written = Written { at, weight, thread, root, moving };
            let plain = seen.path.push(root, frames.clone(), &mut namer);
            if native.is_some() {
                let stack = moment.natives.iter().find(|stack| Some(stack.tid) == member.tid);
                let both = stack
                    .filter(|_| plain.is_ok())
                    .map(|stack| Both::of(&moment.native_frames, stack, frames, &mut namer));
                self.parked.push(Parked {
                    written,
                    both: both.and_then(Result::ok),
                    plain,
                    kernel: Box::default(),
                    active,
                });
            } else if let Some(end) = written.give(plain, self.control, namer.tables, out.sink) {
                return Some(end);
            }
        }
        // Of a thread in an interpreter's list that is what it is without a frame of Python.
        let of_nobody = |stack: &&NativeStack| !self.members.iter().any(|member| member.tid == Some(stack.tid));
        for of_thread in moment.natives.iter().filter(of_nobody) {
            let active = self.running.contains(&of_thread.tid);
            add(&self.control.active, usize::from(active));
            let seen = self.threads.stranger(of_thread.tid, target, labels, namer.tables);
            let written = Written { at, weight, thread: seen.id, root: seen.label, moving: false };
            let both = Some(Both::stranger(&moment.native_frames, of_thread));
            self.parked.push(Parked { written, both, plain: Ok(None), kernel: Box::default(), active });
        }
        self.write_parked(out, false)
    }

    /// Writes the stacks whose native frames have their names; with `wait` all.
    pub(super) fn write_parked(&mut self, out: &mut Out<'_>, wait: bool) -> Option<End> {
        let Watch { memory, target, native, .. } = &mut *self.watch;
        let native = native.as_mut().filter(|_| !self.parked.is_empty())?;
        let seen = if native.is_stale() { Some(native.look_again(target)) } else { None };
        let replaced = matches!(seen, Some((Change::Replaced, _)));
        let mut writer = Writer {
            native,
            target,
            memory,
            full_stack: self.options.full_stack,
            control: self.control,
            kernel_names: self.kernel_names.as_mut(),
            tables: out.tables,
            sink: out.sink,
        };
        let end = self.parked.write(&mut writer, wait || replaced);
        if let Some((change, mappings)) = seen {
            writer.native.take_files(change, &mappings);
        }
        end
    }
}

/// What a part's thread is sorted by: the kernel's id or else its own, then its interpreter's age.
fn thread_of(moment: &Moment, members: &[Member], part: usize) -> (u64, usize) {
    let member = &members[moment.parts[part].member];
    (member.tid.map_or(member.id, u64::from), member.interpreter)
}
