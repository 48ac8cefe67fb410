//! One CPython whose samples the kernel takes: what it left since the last look, named and given to the sink.

use std::time::Instant;

use py_spy_address_space::Addr;
use py_spy_profile::Nanos;

use super::add;
use super::look::{Look, Out};
use super::parked::Parked;
use super::written::Written;
use crate::clock::Slot;
use crate::kernel_names::KernelNames;
use crate::moment::{NoKernel, Stranger, Ticked, TickedStack, Wanted};
use crate::stacks::Namer;
use crate::stacks::mixed::Both;
use crate::{End, Mode};

impl Look<'_> {
    /// Has the kernel take the samples from now on, if it can and is asked for. The times of those that it takes count from `began`.
    pub(super) fn begin_kernel(&mut self, began: Instant) {
        let elapsed = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.began = py_spy_target::monotonic_time().saturating_sub(elapsed);
        if self.options.mode == Mode::Kernel {
            let takes = self.watch.begin_kernel(self.options.interval, self.deep);
            self.begun(takes);
        }
    }

    /// The kernel takes the samples from now on, or it is said why not.
    pub(super) fn begun(&mut self, begun: Result<(), NoKernel>) {
        match begun {
            Ok(()) => {
                self.kernel_names = self.options.kernel_frames.then(KernelNames::read);
                self.delays.begin(&mut self.watch.tasks);
                log::info!("process {}: the kernel takes the samples", self.watch.target.pid);
                self.watch.change_mode(Mode::Kernel);
            }
            Err(why) => self.fall_back(&why.to_string()),
        }
    }

    /// Has samples taken by stopping from here on, where that can be done.
    pub(super) fn fall_back(&mut self, why: &str) {
        let pid = self.watch.target.pid;
        let level = if self.options.insist { log::Level::Warn } else { log::Level::Info };
        log::log!(level, "process {pid}: the kernel does not take the samples: {why}");
        self.cheaper.give_up();
        let fallback = self.watch.fallback;
        self.watch.change_mode(fallback);
    }

    /// The same, and the kernel may take them again later.
    pub(super) fn leave_kernel(&mut self, why: &str) {
        log::info!("process {}: the kernel does not take the samples any more: {why}", self.watch.target.pid);
        let fallback = self.watch.fallback;
        self.watch.change_mode(fallback);
    }

    /// True when the kernel takes the samples.
    pub(super) fn is_ticked(&self) -> bool {
        self.watch.mode == Mode::Kernel
    }

    /// What the kernel took since the last look; and with the idle ones a sample of each thread that does not run. Returns
    /// why the run is over, if it is.
    pub(super) fn tick_of_kernel(&mut self, slot: Slot, out: &mut Out<'_>) -> Option<End> {
        let idle = self.options.include_idle && !self.options.gil_only;
        let ran = if idle { self.look_at_threads() } else { self.refresh_tasks().map(|()| false) };
        let Some(ran) = ran else { return Some(End::Exited) };
        if let Some(end) = self.write_ticks(out) {
            return Some(end);
        }
        if !idle || !self.is_ticked() {
            return None;
        }
        let mut asleep = std::mem::take(&mut self.wanted);
        asleep.clear();
        let members = self.watch.roster.members.iter().filter_map(|member| member.tid);
        asleep.extend(members.filter(|tid| !self.running.contains(tid)));
        asleep.sort_unstable();
        asleep.dedup();
        let end = if asleep.is_empty() { None } else { self.look(slot, ran, Wanted::Threads(&asleep), out) };
        self.wanted = asleep;
        end
    }

    /// Gives what the kernel took since the last look to the sink.
    pub(super) fn write_ticks(&mut self, out: &mut Out<'_>) -> Option<End> {
        let mut ticked = std::mem::take(&mut self.ticked);
        let taken = self.watch.take_ticks(&mut ticked);
        // The sample before this many ns is of a program that was there before an exec.
        if self.watch.memory.is_replaced() {
            add(&self.control.missed, ticked.stacks.len());
            self.ticked = ticked;
            return Some(End::Exited);
        }
        add(&self.control.dropped, ticked.dropped as usize);
        add(&self.control.missed, ticked.missed as usize);
        self.members.clear();
        self.members.extend(ticked.stacks.iter().map(|stack| stack.member));
        self.members.sort_unstable_by_key(|member| member.at);
        self.members.dedup_by_key(|member| member.at);
        let watch = &mut *self.watch;
        let (memory, layout) = (&watch.memory, &watch.python.layout);
        let labels = self.options.thread_frames;
        self.threads.name(&self.members, watch.target.pid, labels, &watch.roster, memory, layout, out.tables);
        self.delays.look(&mut watch.tasks, ticked.stacks.iter().filter_map(|stack| stack.member.tid));
        let mut end = None;
        for stack in &ticked.stacks {
            let waited = stack.member.tid.map_or(0, |tid| self.delays.take(tid, stack.period));
            let samples = waited.saturating_add(stack.samples.into());
            add(&self.control.gil_held, if stack.holds_gil { samples as usize } else { 0 });
            add(&self.control.active, samples as usize);
            self.cheaper.samples += 1;
            if stack.holds_gil || !self.options.gil_only {
                end = self.write_tick(stack, samples, &ticked, out);
            }
            if end.is_some() {
                break;
            }
        }
        if !self.options.gil_only {
            ticked.strangers.iter().for_each(|stranger| self.park_stranger(stranger, &ticked, out));
        }
        end = end.or_else(|| self.write_parked(out, false));
        self.ticked = ticked;
        match taken {
            Err(why @ (NoKernel::Unreadable(_) | NoKernel::Lock)) => self.begin_again(&why),
            Err(why @ NoKernel::Deep(_)) if !self.deep => {
                self.deep = true;
                self.begin_again(&why);
            }
            Err(why) => self.fall_back(&why.to_string()),
            Ok(()) => {}
        }
        end
    }

    /// The program of the kernel's is made anew for what has changed.
    fn begin_again(&mut self, why: &NoKernel) {
        log::info!("process {}: begun again: {why}", self.watch.target.pid);
        if let Err(why) = self.watch.begin_kernel(self.options.interval, self.deep) {
            self.fall_back(&why.to_string());
        }
    }

    fn write_tick(&mut self, stack: &TickedStack, samples: u64, ticked: &Ticked, out: &mut Out<'_>) -> Option<End> {
        let watch = &mut *self.watch;
        let naming = self.options.naming();
        let (memory, layout) = (&watch.memory, &watch.python.layout);
        let Out { files, tables, sink } = out;
        let mut namer = Namer { codes: &mut watch.codes, files, memory, layout, tables, naming };
        let labels = self.options.thread_frames;
        let seen = self.threads.entry(&stack.member, watch.target.pid, labels, namer.tables);
        let (root, thread) = (seen.label, seen.id);
        let frames = || ticked.frames[stack.first..stack.end].iter().rev();
        let path = seen.path.push(root, frames(), &mut namer);
        let weight: Nanos = stack.period;
        let at = stack.time.saturating_sub(self.began).saturating_sub(weight);
        let mut times = self.delays.times(stack.member.tid.unwrap_or(0), at, samples, weight);
        let written = |at| Written { at, weight, thread, root, moving: stack.moving };
        let kernel = &ticked.kernel_frames[stack.kernel.0..stack.kernel.1];
        if watch.native.is_none() {
            let path = path.map(|path| match (path, &mut self.kernel_names) {
                // What is inside of them is not known.
                (Some(path), Some(of_kernel)) if !stack.moving => Some(of_kernel.put(kernel, path, namer.tables)),
                (path, _) => path,
            });
            return times.find_map(|at| written(at).give(path, self.control, namer.tables, *sink));
        }
        // Inside of the frames that are known there may be others, which would have had theirs of native code.
        let native = stack.native.filter(|_| !stack.moving && path.is_ok());
        let both = native.and_then(|native| Both::of(&ticked.native_frames, &native, frames(), &mut namer).ok());
        let kernel: Box<[Addr]> = if stack.moving { Box::default() } else { kernel.into() };
        for at in times {
            self.parked.push(Parked {
                written: written(at),
                both: both.clone(),
                plain: path,
                kernel: kernel.clone(),
                active: true,
            });
        }
        None
    }

    /// A sample of a thread that runs no Python, to be written when its frames have their names.
    fn park_stranger(&mut self, stranger: &Stranger, ticked: &Ticked, out: &mut Out<'_>) {
        let watch = &mut *self.watch;
        let Stranger { native, kernel, time, samples } = stranger;
        let weight: Nanos = self.options.interval.as_nanos() as Nanos;
        let at = time.saturating_sub(self.began).saturating_sub(weight);
        let seen = self.threads.stranger(native.tid, &watch.target, self.options.thread_frames, out.tables);
        let both = Both::stranger(&ticked.native_frames, native);
        let kernel: Box<[Addr]> = ticked.kernel_frames[kernel.0..kernel.1].into();
        add(&self.control.active, *samples as usize);
        for at in self.delays.times(native.tid, at, u64::from(*samples), weight) {
            let written = Written { at, weight, thread: seen.id, root: seen.label, moving: false };
            self.parked.push(Parked {
                written,
                both: Some(both.clone()),
                plain: Ok(None),
                kernel: kernel.clone(),
                active: true,
            });
        }
    }
}
