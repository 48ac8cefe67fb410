//! The loop: at each instant of the clock one moment of the process, named and given to the sink.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use py_spy_profile::{Frame, Nanos, Sample, Sink, StackId, Tables};

use crate::clock::{Clock, Slot, wait_until};
use crate::file_names::FileNames;
use crate::moment::{Moment, Part, Wanted, Watch};
use crate::roster::Member;
use crate::stacks::Namer;
use crate::thread_table::ThreadTable;
use crate::{Control, End, Mode, Options, Sampler};

/// No sample stands for more than this: a profiler that was itself suspended has not seen that time.
const MAX_WEIGHT: Nanos = 100_000_000;

/// New threads are looked for at most this often.
const REFRESH_TASKS: Duration = Duration::from_millis(1);

/// Whether the process has become another program is asked at most this often, while nothing looks like it.
const DOUBT_PROGRAM: Duration = Duration::from_millis(10);

/// In a pause it is seen this often whether it is over.
const LOOK_UP_PAUSE: Duration = Duration::from_millis(1);

/// When a stop took longer than this we were ourselves stopped or without a CPU, and the rest of it is not made up for.
const MOST_TO_MAKE_UP: Duration = Duration::from_millis(100);

/// Of so many threads each one's count is read at every tick; of more only when the clock of their process or a GIL moves.
const FEW_THREADS: usize = 8;

/// What moved while it was read.
const MOVING: &str = "(moving)";

/// A run, with what it keeps from tick to tick.
struct Run<'a> {
    watch: &'a mut Watch,
    files: &'a mut FileNames,
    options: &'a Options,
    tables: &'a mut Tables,
    sink: &'a mut dyn Sink,
    control: &'a Control,
    threads: ThreadTable,
    /// The threads that were running at this tick.
    running: Vec<u32>,
    /// When the list of threads is looked at again.
    refresh_at: Option<Instant>,
    /// When it is seen to that it still is the same program.
    doubt_at: Option<Instant>,
    /// Until then threads are not stopped again.
    not_before: Option<Instant>,
    /// The last moment was read whole.
    is_fresh: bool,
    members: Vec<Member>,
    order: Vec<usize>,
    /// How many threads [`Control::threads`] has of this process.
    counted: &'a mut u64,
}

impl Sampler {
    pub(crate) fn run_until_end(&mut self, tables: &mut Tables, sink: &mut dyn Sink, control: &Control) -> End {
        // What is known of code objects is kept as ids in the tables, which may be others than last time.
        self.watch.forget_codes();
        let mut run = Run {
            watch: &mut self.watch,
            files: &mut self.files,
            options: &self.options,
            tables,
            sink,
            control,
            threads: ThreadTable::default(),
            running: Vec::new(),
            refresh_at: None,
            doubt_at: None,
            not_before: None,
            is_fresh: false,
            members: Vec::new(),
            order: Vec::new(),
            counted: &mut self.counted,
        };
        control.running.fetch_add(1, Relaxed);
        let end = run.until_end();
        control.running.fetch_sub(1, Relaxed);
        end
    }
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Relaxed);
}

impl Run<'_> {
    fn until_end(&mut self) -> End {
        py_spy_target::sleep_exactly();
        self.watch.prepare();
        let mut clock = Clock::since(self.options.began.unwrap_or_else(Instant::now), self.options.interval);
        let end = self.options.duration.map(|duration| clock.started() + duration);
        loop {
            let (at, slot) = clock.next(self.not_before);
            let over = end.is_some_and(|end| at >= end);
            let until = end.filter(|_| over).unwrap_or(at);
            let mut alive = true;
            wait_until(until, self.options.interval, |deadline| {
                alive = self.wait(deadline);
                alive && !self.control.stop.load(Relaxed) && !self.control.pause.load(Relaxed)
            });
            if self.control.stop.load(Relaxed) {
                return End::Stopped;
            }
            if !alive {
                return End::Exited;
            }
            if over {
                return End::Duration;
            }
            self.control.missed.fetch_add(slot.skipped - slot.held_back, Relaxed);
            self.control.held_back.fetch_add(slot.held_back, Relaxed);
            if self.control.pause.load(Relaxed) {
                add(&self.control.missed, 1);
                self.pause();
                continue;
            }
            let stood = self.watch.stopper.still().total();
            if let Some(end) = self.tick(slot) {
                return end;
            }
            // For each instant that threads stood still they are to run undisturbed for some more. For how long is at
            // random around that: always the same would be a period that the program may have too.
            let stood = self.watch.stopper.still().total().saturating_sub(stood);
            let stood = stood.min(MOST_TO_MAKE_UP);
            let undisturbed = stood.as_secs_f64() * (1.0 / self.options.max_overhead - 1.0) * clock.about_one();
            self.not_before = (!stood.is_zero()).then(|| Instant::now() + Duration::from_secs_f64(undisturbed));
        }
    }

    /// Lets everything go and waits until it may go on.
    fn pause(&mut self) {
        self.watch.stopper.let_all_go();
        self.control.paused.fetch_add(1, Relaxed);
        while self.control.pause.load(Relaxed) && !self.control.stop.load(Relaxed) {
            std::thread::sleep(LOOK_UP_PAUSE);
        }
        self.control.paused.fetch_sub(1, Relaxed);
    }

    /// Waits until a deadline, or not at all, and lets threads go on that stand still. False when the process has ended.
    fn wait(&mut self, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else {
            if self.watch.stopper.is_attached() {
                self.watch.stopper.attend();
            }
            return true;
        };
        self.watch.stopper.attend_until(deadline);
        self.watch.wait_for_end(deadline)
    }

    /// One sample of each thread that is wanted. Returns why the run is over, if it is.
    fn tick(&mut self, slot: Slot) -> Option<End> {
        self.control.count_tick(slot.number);
        self.watch.stopper.attend();
        let Some(ran) = self.look_at_threads() else { return Some(End::Exited) };
        let threads = self.watch.tasks.len() as u64;
        let counted = std::mem::replace(self.counted, threads);
        if threads != counted {
            self.control.threads.fetch_add(threads.wrapping_sub(counted), Relaxed);
        }
        let wanted = if self.options.gil_only {
            Wanted::Holder
        } else if self.options.include_idle {
            Wanted::All
        } else if self.running.is_empty() {
            return None;
        } else {
            Wanted::Threads(&self.running)
        };
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
        self.write(slot)
    }

    /// Finds out which threads run, and whether any has run since the last tick. `None` when the process has ended.
    fn look_at_threads(&mut self) -> Option<bool> {
        let stops = self.watch.mode == Mode::Stop;
        self.running.clear();
        self.refresh_tasks()?;
        // The clock of the whole process and the words of its GILs cost a few calls whatever the number of threads. Of a few
        // threads each is asked at once.
        let ran = if self.watch.tasks.len() > FEW_THREADS && self.watch.others_rest() {
            let Watch { tasks, runners, .. } = &mut *self.watch;
            tasks.running_of(runners, &mut self.running, stops)
        } else {
            self.watch.tasks.running(&mut self.running, stops)
        };
        if ran {
            return Some(true);
        }
        // An exec uses CPU time, but it may all have been used before we looked.
        (!self.watch.memory.is_replaced()).then_some(false)
    }

    /// Has the list of threads read again if there may be new ones. `None` when the process has ended.
    fn refresh_tasks(&mut self) -> Option<()> {
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
    fn write(&mut self, slot: Slot) -> Option<End> {
        let interval = self.options.interval.as_nanos() as Nanos;
        // It stands for the slots that were missed before it too.
        let weight = interval.saturating_mul(slot.skipped + 1).min(MAX_WEIGHT.max(interval));
        let at = interval.saturating_mul(slot.number + 1).saturating_sub(weight);
        let Watch { roster, moment, codes, memory, python, target, .. } = &mut *self.watch;
        let (memory, layout) = (&*memory, &python.layout);
        let naming = self.options.naming();
        let mut namer = Namer { codes, files: self.files, memory, layout, tables: self.tables, naming };
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
            let frames = parts.iter().flat_map(|&part| {
                let part = &moment.parts[part];
                moment.frames[part.first..part.end].iter().rev()
            });
            let moving = parts.iter().any(|&part| moment.parts[part].moving);
            let seen = self.threads.entry(&member, target.pid, labels, namer.tables);
            let (root, thread) = (seen.label, seen.id);
            let stack = match seen.path.push(root, frames, &mut namer) {
                Ok(stack) if moving => with_moving(namer.tables, stack.or(root)),
                Ok(Some(stack)) => stack,
                // It runs no Python.
                Ok(None) => continue,
                Err(()) => {
                    add(&self.control.dropped, 1);
                    continue;
                }
            };
            add(&self.control.samples, 1);
            add(&self.control.moving, usize::from(moving));
            if self.sink.sample(&Sample { at, weight, thread, stack }, namer.tables).is_err() {
                return Some(End::Sink);
            }
        }
        None
    }
}

/// What a part's thread is sorted by: the kernel's id or else its own, then its interpreter's age.
fn thread_of(moment: &Moment, members: &[Member], part: usize) -> (u64, usize) {
    let member = &members[moment.parts[part].member];
    (member.tid.map_or(member.id, u64::from), member.interpreter)
}

fn with_moving(tables: &mut Tables, stack: Option<StackId>) -> StackId {
    let text = tables.string(MOVING);
    let frame = tables.frame(Frame::Note(text));
    tables.stack(stack, frame)
}
