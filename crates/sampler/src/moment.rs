//! One moment of a process: this tick's copy of some threads' frames.
//!
//! Each way of getting it is one file behind the same contract: `take` fills a [`Moment`] with stacks that all stood so,
//! or says that it could not. Who walks, names and writes never knows which way it was.

mod asleep;
mod before;
mod code_check;
mod effort;
mod kernel;
mod nonblocking;
mod rest;
mod roots;
mod stacks;
mod stop;
mod values;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use py_spy_address_space::{ALL_NEAR, Addr, BEFORE, LAST, Window};
use py_spy_python::{Gil, Python, RawFrame, Reader, Runs, Stack, ThreadState, Unreadable, stands, walk, walk_again};
use py_spy_target::{Call, CpuClock, Live, ProcessEnd, Slices, Stopper, Target, Tasks};
use rustc_hash::FxHashMap;

use crate::codes::Codes;
use crate::native::Native;
use crate::roster::Roster;
use crate::{Mode, Options};
use before::Before;
pub use effort::Effort;
use kernel::Kernel;
pub(crate) use kernel::{NoKernel, Recipe, Stranger, Ticked, TickedStack};
use roots::Roots;
pub(crate) use stacks::{Moment, NativeStack, Part};
use stop::Resting;
pub(crate) use values::About;
pub use values::Variable;
use values::Wants;

/// From this interval down a thread that is stopped again and again is stayed attached to in between. What happens to it
/// then is noticed at once, for the waits are as short.
const STAY_ATTACHED_FROM: Duration = Duration::from_micros(500);

/// A large odd number without a pattern (the golden ratio's digits), as hash functions use.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Pages with the innermost frames of which there are all copies, where there are several. With one the share of stacks
/// that never stood grows tenfold in programs that do nothing but call and return, with more it stays as it is.
const NEAR_PAGES: u32 = 2;

/// Which threads' stacks are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// Every thread's.
    All,
    /// These threads of the kernel, if they have Python frames.
    Threads(&'a [u32]),
    /// The one that holds the GIL.
    Holder,
}

/// Everything that is needed to look at one CPython of a process.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) target: Target,
    pub(crate) memory: Live,
    pub(crate) python: Python,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Option<CpuClock>,
    end: Option<ProcessEnd>,
    pub(crate) roster: Roster,
    pub(crate) codes: Codes,
    pub(crate) moment: Moment,
    before: Before,
    pub(crate) stopper: Stopper,
    pub(crate) mode: Mode,
    /// All ways in which stacks were got so far.
    pub(crate) ways: BTreeSet<Mode>,
    /// How they are got where the kernel does not take samples.
    pub(crate) fallback: Mode,
    /// Native stacks, where they are wanted.
    pub(crate) native: Option<Native>,
    /// The samples that the kernel takes, where it does.
    pub(crate) kernel: Option<Kernel>,
    /// The one before it, with what it took last.
    former_kernel: Option<Kernel>,
    window: Window,
    /// Those of threads that are looked at one by one.
    windows: FxHashMap<u32, Window>,
    resting: Resting,
    /// Threads that sleep are wanted too.
    idle_too: bool,
    /// The kernel's frames are wanted too.
    kernel_frames: bool,
    /// The pages of the lists of interpreters and threads, where they are not read at each tick, and when they were.
    lists: Window,
    listed: Option<Instant>,
    fast: bool,
    /// The pages of the code objects, which are looked at after the threads have been let go.
    code_window: Window,
    /// Moments from now on at which the code objects are looked at while the threads stand still: some have been changing.
    careful: u32,
    /// The thread state that held a GIL at the last moment under it: the GIL's address and the state's.
    last_holder: (Addr, Addr),
    /// The thread that slept at the last look under a GIL, and what the scheduler had counted for it.
    kept: Option<(u32, Option<Slices>)>,
    /// The system calls that threads were in before the look.
    pub(crate) calls: FxHashMap<u32, Call>,
    /// What is wanted of variables, if anything is.
    wants: Option<Wants>,
    effort: Effort,
    /// Looks taken, and what [`Watch::code_epoch`] was at the last one that stopped something.
    looks: u64,
    epoch: u64,
    tids: Vec<u32>,
    /// The thread that was stopped last.
    last_held: u32,
    gils: Vec<Option<Gil>>,
    /// The threads that ran at the last look but one of [`Watch::others_rest`], and the CPU time of all others then.
    pub(crate) runners: Vec<u32>,
    spare_runners: Vec<u32>,
    time_of_others: Option<u64>,
    /// What [`Watch::others_rest`] saw last of each GIL that nobody held.
    at_rest: Vec<Option<(Addr, Option<Slices>)>>,
    wanted: Vec<usize>,
    /// Moments in a row at which nobody knew who holds the GIL.
    unknown: u32,
    /// The CPU time that the process had used at the last of them.
    unknown_at: Option<u64>,
    /// Where the stacks of each thread state end, of the looks that stop nothing.
    roots: FxHashMap<Addr, Roots>,
    scratch: Vec<RawFrame>,
    runs: Runs,
    holders: Vec<usize>,
}

impl Watch {
    pub(crate) fn new(
        target: Target,
        memory: Live,
        python: Python,
        mode: Mode,
        options: &Options,
    ) -> std::io::Result<Watch> {
        let tasks = Tasks::of(target.pid)?;
        let native = if options.native { Some(Native::of(&target, options.native_all)?) } else { None };
        let values = || py_spy_python::layout::values::Values::of(&python.layout, python.version);
        let wants = options.values.clone().map(|options| Wants::of(options, values()));
        let mut stopper = Stopper::new(target.pid);
        stopper.restart_calls(options.restart_calls);
        // A program that is traced by somebody without the right to trace all gains no privilege by an exec (`sudo`).
        stopper.stay_attached(options.interval <= STAY_ATTACHED_FROM && target.permission().can_trace);
        Ok(Watch {
            clock: CpuClock::of(target.pid),
            end: ProcessEnd::of(target.pid),
            stopper,
            tasks,
            target,
            memory,
            python,
            mode,
            ways: BTreeSet::new(),
            fallback: mode,
            native,
            kernel: None,
            former_kernel: None,
            window: Window::new(copies(mode)),
            windows: FxHashMap::default(),
            resting: Resting::default(),
            idle_too: options.include_idle,
            kernel_frames: options.kernel_frames,
            lists: Window::new(1),
            listed: None,
            fast: options.interval < nonblocking::RELIST,
            code_window: Window::new(1),
            careful: 0,
            last_holder: (0, 0),
            kept: None,
            calls: FxHashMap::default(),
            wants,
            roster: Roster::default(),
            codes: Codes::default(),
            moment: Moment::default(),
            before: Before::default(),
            effort: Effort::default(),
            looks: 0,
            epoch: 0,
            tids: Vec::new(),
            last_held: 0,
            gils: Vec::new(),
            at_rest: Vec::new(),
            runners: Vec::new(),
            spare_runners: Vec::new(),
            time_of_others: None,
            wanted: Vec::new(),
            unknown: 0,
            unknown_at: None,
            roots: FxHashMap::default(),
            scratch: Vec::new(),
            runs: Runs::default(),
            holders: Vec::new(),
        })
    }

    /// Forgets the code objects, whose names are ids in tables that are not used any more.
    pub(crate) fn forget_codes(&mut self) {
        self.codes = Codes::default();
        // What stood in the last moment was checked against those.
        self.before = Before::default();
        self.moment.clear();
        self.resting.clear();
        if let Some(native) = &mut self.native {
            native.forget_names();
        }
    }

    /// Opens and reads what the first tick would otherwise spend its time on: with a thousand threads that is a tenth of
    /// a second. Nothing is stopped for it.
    pub(crate) fn prepare(&mut self) {
        self.tasks.running(&mut Vec::new(), false);
        if let Err(why) = self.renew_roster() {
            log::debug!("process {}: {why}", self.target.pid);
        }
    }

    /// True unless it is known that none of its interpreters has a GIL in force (a free-threaded build).
    pub(crate) fn has_gil(&self) -> bool {
        self.roster.gils.is_empty() || self.roster.gils.iter().any(Option::is_some)
    }

    /// Gets the wanted stacks of one moment into [`Watch::moment`].
    ///
    /// # Errors
    /// When the lists that all hangs on can not be read: the process is ending, or is no longer the program it was.
    pub(crate) fn take(&mut self, wanted: Wanted<'_>) -> Result<(), Unreadable> {
        self.effort.moments += 1;
        self.ways.insert(self.mode);
        self.before.take(&mut self.moment, self.codes.replaced);
        let before = self.memory.count().calls;
        let taken = match self.mode {
            Mode::Stop => self.take_stopping(wanted),
            Mode::Kernel | Mode::Nonblocking => {
                let sleepers = self.sleepers(wanted);
                let taken = self.take_nonblocking(wanted);
                self.follow_sleepers(sleepers);
                taken
            }
        };
        if self.wants.is_some() && self.moment.values.is_empty() && self.moment.about.is_empty() {
            // Nothing was stopped.
            self.read_values(0);
        }
        self.effort.moment_reads += self.memory.count().calls - before;
        self.codes.read_new(&self.memory, &self.python.layout, usize::MAX);
        taken
    }

    /// What it took so far.
    pub(crate) fn effort(&self) -> Effort {
        let count = self.memory.count();
        Effort { reads: count.calls, bytes: count.bytes, ..self.effort }
    }

    /// From now on nothing is stopped: it is not possible, and the user should know why.
    fn stop_no_more(&mut self) {
        let why = match self.target.tracer() {
            _ if self.unknown >= stop::MAX_UNKNOWN => "the kernel's ids of its threads are not known".to_owned(),
            Some(tracer) => format!("process {tracer} traces it"),
            None => "ptrace is not allowed here, by a seccomp filter or another policy".to_owned(),
        };
        log::warn!("process {} can not be stopped ({why}): sampling without stopping it", self.target.pid);
        self.change_mode(Mode::Nonblocking);
    }

    /// Has another way of getting stacks from here on.
    pub(crate) fn change_mode(&mut self, mode: Mode) {
        if mode != Mode::Kernel {
            self.kernel = None;
        }
        if copies(mode) != self.window.copies() {
            self.window = Window::new(copies(mode));
            self.windows.clear();
        }
        self.mode = mode;
    }

    /// The process has another CPython: what runs no Python of this one may run that one's.
    pub(crate) fn leave_strangers(&mut self, other: &mut Watch) {
        if self.native.as_ref().is_some_and(|native| native.all) {
            log::warn!("process {} has several Pythons: threads that run none are not shown", self.target.pid);
        }
        for native in [&mut self.native, &mut other.native].into_iter().flatten() {
            native.all = false;
        }
    }

    /// Waits for the process's end, until `deadline` at the latest. False when it has ended.
    pub(crate) fn wait_for_end(&mut self, deadline: Instant) -> bool {
        if let Some(end) = &self.end {
            return !end.wait_until(deadline);
        }
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        self.target.is_alive()
    }

    /// True while the process lives and still runs the program that it ran when it was attached.
    pub(crate) fn is_same_program(&self) -> bool {
        self.target.is_alive() && !self.memory.is_replaced()
    }

    fn refresh_roster(&mut self) -> Result<bool, Unreadable> {
        let mut reader = Reader::new(&mut self.window, &self.memory, LAST);
        self.roster.refresh(&mut reader, &self.python.layout, self.python.runtime, &self.tasks, &self.target)
    }

    /// Has the lists read again if a wanted thread is not in them.
    fn look_for(&mut self, wanted: Wanted<'_>) {
        if let Wanted::Threads(tids) = wanted
            && tids.iter().fold(false, |any, &tid| any | self.roster.looks_for(tid))
        {
            self.roster.doubt();
        }
    }

    fn is_settled(&mut self) -> Result<bool, Unreadable> {
        let mut reader = Reader::new(&mut self.window, &self.memory, LAST);
        self.roster.is_settled(&mut reader, &self.python.layout)
    }

    /// A number that changes whenever a code object may have been freed.
    fn code_epoch(&mut self) -> u64 {
        let mut reader = Reader::new(&mut self.window, &self.memory, LAST);
        let Some(offset) = self.python.layout.interpreter.code_generation else { return self.looks };
        let mut epoch = 0_u64;
        for interpreter in &self.roster.interpreters {
            let Ok(count) = reader.word(interpreter.at.wrapping_add(u64::from(offset))) else {
                // An odd one out is as good as a new one.
                return u64::MAX - self.looks;
            };
            // No sum: one interpreter may have ended and another one have counted as far.
            for part in [interpreter.id, count] {
                epoch = (epoch.rotate_left(5) ^ part).wrapping_mul(MIX);
            }
        }
        epoch
    }

    /// Writes down which members are wanted.
    fn choose(&mut self, wanted: Wanted<'_>, holder: impl Fn(usize) -> bool) {
        self.wanted.clear();
        match wanted {
            Wanted::All => self.wanted.extend(0..self.roster.members.len()),
            Wanted::Threads(tids) => {
                for &tid in tids {
                    self.wanted.extend_from_slice(self.roster.of_thread(tid));
                }
            }
            Wanted::Holder => self.wanted.extend((0..self.roster.members.len()).filter(|&member| holder(member))),
        }
    }

    /// A member's frames in the first copy, appended to `frames`: how the walk ended, and how many frames, from the root on,
    /// are the same as in the moment before. `None` when the state is no longer that member's.
    fn walk(&mut self, member: usize, frames: &mut Vec<RawFrame>) -> Result<Option<(Stack, usize)>, Unreadable> {
        let first = frames.len();
        let before = std::mem::take(&mut self.before);
        let version = self.roster.version;
        let known = before.stack(member, version, self.window.refills());
        let walked = self.walk_like(0, member, (BEFORE, known), frames);
        let walked = walked.map(|walked| {
            let (stack, same) = walked?;
            Some((stack, before.same(member, version, &frames[first..], same)))
        });
        self.before = before;
        walked
    }

    /// The same in any copy, where the frames are known from another one.
    fn walk_like(
        &mut self,
        copy: usize,
        member: usize,
        known: (usize, &[RawFrame]),
        frames: &mut Vec<RawFrame>,
    ) -> Result<Option<(Stack, usize)>, Unreadable> {
        let Some(state) = self.begin_walk(copy, member)? else { return Ok(None) };
        let mut reader = Reader::new(&mut self.window, &self.memory, copy);
        reader.begin(NEAR_PAGES);
        let (layout, ends) = (&self.python.layout, (state.frame, state.base));
        Ok(Some(if known.1.is_empty() {
            (walk(&mut reader, layout, ends.0, ends.1, frames)?, 0)
        } else {
            walk_again(&mut reader, layout, ends, known, frames)?
        }))
    }

    /// True when a member's stack, which is known from the first copy and in [`Watch::runs`], is the same in another one, but
    /// for where in its code the innermost frame is.
    fn stands(&mut self, copy: usize, member: usize, known: &[RawFrame]) -> Result<bool, Unreadable> {
        let Some(state) = self.begin_walk(copy, member)? else { return Ok(false) };
        let mut reader = Reader::new(&mut self.window, &self.memory, copy);
        reader.begin(NEAR_PAGES);
        stands(&mut reader, &self.python.layout, (state.frame, state.base), (0, known, &self.runs))
    }

    /// A member's state in one copy.
    fn begin_walk(&mut self, copy: usize, member: usize) -> Result<Option<ThreadState>, Unreadable> {
        self.window.begin(ALL_NEAR);
        let mut reader = Reader::new(&mut self.window, &self.memory, copy);
        self.roster.state(member, &mut reader, &self.python.layout)
    }

    /// How many of a new part's outermost frames need no check of their code objects.
    fn stood(&self, member: usize, same: usize, epoch: u64) -> usize {
        self.before.checked(member, self.roster.version, same, epoch, self.codes.replaced)
    }
}

/// How many copies a mode needs. Each equal copy divides the share of stacks that never stood by 5 to 30; from four on
/// it is below 0.02 % even in programs that do nothing but move. In two more only what leads to the stacks is copied once
/// more, right after what is near: see [`Window`].
fn copies(mode: Mode) -> usize {
    match mode {
        Mode::Stop => 1,
        // What sleeps is read as if nothing could be stopped.
        Mode::Kernel | Mode::Nonblocking => 6,
    }
}
