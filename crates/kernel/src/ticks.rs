//! The program, the timers of all threads of a process that it runs at, and the ring that its records come through.

use py_spy_address_space::Addr;
use py_spy_python::FrameWords;
use py_spy_target::{Map, MapKind, Program, Ring, Tasks};

use crate::periods::Periods;
use crate::record::{Chain, HEADER, StackCopy, Tick};
use crate::stack_copy;
use crate::timers::Timers;
use crate::unavailable::Unavailable;
use crate::walker::{Maps, Subject, assemble};

/// Threads whose states are known to the program; others it looks for itself.
const MAX_THREADS: u32 = 1 << 14;

/// The ring, at usual rates and at high ones, bytes: what eight busy threads with a hundred frames leave between two looks.
const RING: u32 = 1 << 19;
const LARGE_RING: u32 = 1 << 22;

/// With native stacks: so long may they be, bytes, that eight threads leave between two looks.
const RING_OF_STACKS: u32 = 1 << 23;
const LARGE_RING_OF_STACKS: u32 = 1 << 25;

/// From this period down it is the large one, ns.
const LARGE_FROM: u64 = 500_000;

/// Frames that are followed at least and at most. The verifier takes some 2,000, but 20 to 40 us for each of them.
const FEW_FRAMES: u32 = 256;
const MANY_FRAMES: u32 = 1024;

/// What one frame takes at most, ns, and which part of a period the walk may take: interrupts are off meanwhile.
const FRAME_TAKES: u64 = 80;
const PART_OF_PERIOD: u64 = 10;

/// More CPUs than this are none.
const MAX_CPUS: u32 = 1 << 14;

/// What the program left.
#[derive(Debug)]
pub enum Left<'a> {
    /// A tick, and how many samples it is.
    Tick(&'a Tick<'a>, u32),
    /// The native stack of a tick that is still to come.
    Stack(&'a StackCopy<'a>),
}

/// The timers of a process's threads.
#[derive(Debug)]
pub struct Ticks {
    ring: Ring,
    states: Map,
    /// Threads that had a tick, by their own ids: their timer's period if it was changed, else 0.
    met: Map,
    misses: Map,
    /// Where threads' stacks begin, by their own ids.
    tops: Map,
    // The program holds them.
    _buffers: [Map; 2],
    program: Program,
    timers: Timers,
    words: FrameWords,
    frames: u32,
    kernel_frames: bool,
    periods: Periods,
    /// A record's bytes as words.
    record: Vec<u64>,
}

impl Ticks {
    /// How many frames are followed where nothing else is known: it loads faster.
    pub const FRAMES: u32 = FEW_FRAMES;

    /// How many frames are followed at most where a tick comes after each `period` ns.
    pub fn frames_at(period: u64) -> u32 {
        let most = period / PART_OF_PERIOD / FRAME_TAKES;
        u32::try_from(most).unwrap_or(u32::MAX).clamp(FEW_FRAMES, MANY_FRAMES)
    }

    /// Loads the program. No thread has a timer yet.
    ///
    /// # Errors
    /// When the kernel does not allow it, or can not.
    pub fn new(subject: &Subject<'_>) -> Result<Ticks, Unavailable> {
        let words = FrameWords::of(&subject.layout.frame).ok_or(Unavailable::Layout)?;
        let periods = Periods::of(subject.period);
        let with_stacks = subject.stacks.is_some_and(|stacks| stacks.user);
        let ring = match (periods.asked() <= LARGE_FROM, with_stacks) {
            (false, false) => RING,
            (true, false) => LARGE_RING,
            (false, true) => RING_OF_STACKS,
            (true, true) => LARGE_RING_OF_STACKS,
        };
        let ring = Ring::new(ring).map_err(Unavailable::Map)?;
        let states = Map::new(MapKind::Hash, 4, 8, MAX_THREADS).map_err(Unavailable::Map)?;
        let met = Map::new(MapKind::Recent, 4, 8, MAX_THREADS).map_err(Unavailable::Map)?;
        let misses = Map::new(MapKind::Array, 4, 8, 1).map_err(Unavailable::Map)?;
        let longest = 8 * (HEADER as u32 + subject.frames * words.offsets().len() as u32);
        let buffers = Map::new(MapKind::Array, 4, longest, cpus()).map_err(Unavailable::Map)?;
        let pages = stack_copy::pages_at(periods.asked());
        // Where no native stacks are wanted nobody uses these.
        let (longest, entries) = subject.stacks.map_or((8, 1), |stacks| (stacks.longest(pages), cpus()));
        let stacks = Map::new(MapKind::Array, 4, longest, entries).map_err(Unavailable::Map)?;
        let tops = Map::new(MapKind::Recent, 4, 8, MAX_THREADS).map_err(Unavailable::Map)?;
        let maps = Maps {
            states: states.number(),
            met: met.number(),
            buffers: buffers.number(),
            ring: ring.map().number(),
            misses: misses.number(),
            stacks: stacks.number(),
            tops: tops.number(),
        };
        let code = assemble(subject, periods.asked(), &words, maps).ok_or(Unavailable::Layout)?;
        let program = Program::load(&code).inspect_err(|refused| log::debug!("the verifier says: {}", refused.log))?;
        let (timers, record, frames) = (Timers::default(), Vec::new(), subject.frames);
        let kernel_frames = subject.stacks.is_some_and(|stacks| stacks.kernel);
        Ok(Ticks {
            ring,
            states,
            met,
            misses,
            tops,
            _buffers: [buffers, stacks],
            program,
            timers,
            words,
            frames,
            kernel_frames,
            periods,
            record,
        })
    }

    /// Gives each thread a timer, which goes on in the threads that it makes. `below` gives a number at random below another.
    ///
    /// # Errors
    /// When a timer is refused.
    pub fn begin(&mut self, tasks: &mut Tasks, below: impl FnMut(u64) -> u64) -> Result<(), Unavailable> {
        // Those of before go only when it is known that there will be others.
        let timers = self.open(tasks, below)?;
        self.timers = timers;
        self.timers.enable().map_err(Unavailable::Event)
    }

    fn open(&self, tasks: &mut Tasks, mut below: impl FnMut(u64) -> u64) -> Result<Timers, Unavailable> {
        let meet = |own, period| meet(&self.met, own, period);
        Timers::open(tasks, &self.program, self.periods, &mut below, meet)
    }

    /// Has no ticks come until [`Ticks::go_on`].
    pub fn pause(&self) {
        self.timers.disable();
    }

    /// Has ticks come again.
    pub fn go_on(&self) {
        if let Err(error) = self.timers.enable() {
            log::debug!("a timer stays switched off: {error}");
        }
    }

    /// Takes the timers away; what was left until now can still be drained.
    pub fn end(&mut self) {
        self.timers = Timers::default();
    }

    /// Gives those threads timers of their own that have had them from their makers until now, of which `own_tids` are some: their
    /// periods can not be changed. To be called when no threads come or go any more, and not often: half a period of each is lost.
    pub fn adopt(&mut self, own_tids: impl Iterator<Item = u32>, tasks: &mut Tasks, below: impl FnMut(u64) -> u64) {
        let has_all = { own_tids }.all(|own| self.timers.has(own) || tasks.by_own_id(own).is_none());
        if has_all || self.timers.len().max(tasks.len()) > MAX_ADOPTED {
            return;
        }
        match self.open(tasks, below) {
            Ok(timers) => {
                self.timers = timers;
                self.timers.owe();
                self.go_on();
            }
            Err(why) => log::debug!("threads keep their makers' timers: {why}"),
        }
    }

    /// Gives each thread that has a timer of its own another period, and so all threads that are made from now on: shorter ones
    /// than usual, so that threads that live shortly have a tick too. To be called again while threads come and go, and not
    /// often: each time half a period of each of the former threads is lost.
    pub fn shorten(&mut self, tasks: &Tasks, mut below: impl FnMut(u64) -> u64) {
        let (periods, met) = (self.periods, &self.met);
        self.timers.change(tasks, || periods.short(&mut below), |own, period| meet(met, own, period));
    }

    /// Gives each thread that has a timer of its own and had some ticks with its period another usual one.
    pub fn vary(&mut self, mut below: impl FnMut(u64) -> u64) {
        let (periods, met) = (self.periods, &self.met);
        self.timers.vary(|| periods.usual(&mut below), |own, period| meet(met, own, period));
    }

    /// Tells the program a thread's state.
    pub fn know(&self, own_tid: u32, state: Addr) {
        if let Err(error) = self.states.set(&own_tid.to_ne_bytes(), &state.to_ne_bytes()) {
            log::debug!("thread {own_tid} is not told to the kernel: {error}");
        }
    }

    /// Has it forget one.
    pub fn forget(&self, own_tid: u32) {
        // It may not have been told.
        self.states.remove(&own_tid.to_ne_bytes()).ok();
    }

    /// The CPU time that a tick stands for, ns.
    pub fn period(&self) -> u64 {
        self.periods.asked()
    }

    /// How many frames are followed at most.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// The words of a frame that ticks have.
    pub fn words(&self) -> &FrameWords {
        &self.words
    }

    /// Gives all that was left since the last call to `take`, in order. `below` as for [`Ticks::begin`].
    pub fn drain(&mut self, mut below: impl FnMut(u64) -> u64, mut take: impl FnMut(Left<'_>)) {
        let kernel_frames = self.kernel_frames;
        let (record, words, timers) = (&mut self.record, self.words.offsets().len(), &mut self.timers);
        self.ring.drain(|bytes| {
            if let Some(stack) = StackCopy::parse(bytes, kernel_frames) {
                return take(Left::Stack(&stack));
            }
            record.clear();
            record.extend(bytes.chunks_exact(8).filter_map(|word| word.first_chunk()).copied().map(u64::from_ne_bytes));
            let Some(tick) = Tick::parse(record, words, self.frames) else {
                return log::debug!("a record of {} bytes is none of ours", bytes.len());
            };
            let samples = tick.first.map_or(1, |period| self.periods.samples(period, &mut below));
            let made_up = match tick.chain {
                Chain::Offered => 0,
                _ => timers.more(tick.own_tid, self.periods.asked(), &mut below),
            };
            take(Left::Tick(&tick, samples + made_up));
        });
    }

    /// Tells the program where a thread's stack begins: no more of it is copied.
    pub fn know_top(&self, own_tid: u32, top: Addr) {
        if let Err(error) = self.tops.set(&own_tid.to_ne_bytes(), &top.to_ne_bytes()) {
            log::debug!("the stack of thread {own_tid} is not told to the kernel: {error}");
        }
    }

    /// Has it forget that.
    pub fn forget_top(&self, own_tid: u32) {
        // It may not have been told, or have been forgotten among many.
        self.tops.remove(&own_tid.to_ne_bytes()).ok();
    }

    /// Ticks that found no room, in all.
    pub fn missed(&self) -> u64 {
        let mut count = [0; 8];
        match self.misses.get(&[0; 4], &mut count) {
            Ok(()) => u64::from_ne_bytes(count),
            Err(error) => {
                log::debug!("the count of ticks without room could not be read: {error}");
                0
            }
        }
    }
}

/// Has the program know what the period of a thread's timer is.
fn meet(met: &Map, own_tid: u32, period: u64) {
    if let Err(error) = met.set(&own_tid.to_ne_bytes(), &period.to_ne_bytes()) {
        log::debug!("the period of thread {own_tid} is not told to the kernel: {error}");
    }
}

/// Of more threads none gets another timer: it takes some 20 us each.
const MAX_ADOPTED: usize = 64;

/// How many CPUs there can be.
fn cpus() -> u32 {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = text.trim().rsplit(['-', ',']).next().and_then(|last| last.parse::<u32>().ok());
    last.map_or(MAX_CPUS / 16, |last| last.saturating_add(1)).min(MAX_CPUS)
}
