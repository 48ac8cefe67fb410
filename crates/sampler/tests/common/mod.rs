//! Sampling a test program, with a sink that counts.

#![allow(dead_code, clippy::print_stderr, reason = "each test uses a part of it, and says what it skips")]

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use py_spy_profile::{About, Frame, FrameId, Nanos, Sample, Sink, StackId, Tables, ThreadId};
use py_spy_sampler::{Control, Effort, End, Mode, Options, Sampler};
use py_spy_test_programs::Program;

/// A stack as names and lines, root first; a note has line 0.
pub(crate) type Named = Vec<(String, u32)>;

/// How often it is seen how many ticks there were.
const LOOK_UP: Duration = Duration::from_millis(1);

/// How often each stack was seen in each thread; says stop after so many samples.
struct Counting<'a> {
    stacks: BTreeMap<(ThreadId, StackId), u64>,
    by_time: BTreeMap<Nanos, u64>,
    left: u64,
    control: &'a Control,
    counts: &'a mut dyn FnMut() -> bool,
}

impl Sink for Counting<'_> {
    fn sample(&mut self, sample: &Sample, _: &Tables) -> io::Result<()> {
        if !(self.counts)() {
            return Ok(());
        }
        *self.stacks.entry((sample.thread, sample.stack)).or_default() += 1;
        *self.by_time.entry(sample.at).or_default() += 1;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.control.stop.store(true, Relaxed);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Tables, _: &About, _: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Seen {
    /// By the kernel's id of the thread.
    pub(crate) stacks: BTreeMap<(u64, Named), u64>,
    /// Samples by the instant they are for.
    pub(crate) by_time: BTreeMap<Nanos, u64>,
    /// What the run took.
    pub(crate) effort: Effort,
    pub(crate) end: End,
    pub(crate) ticks: u64,
    pub(crate) samples: u64,
    pub(crate) dropped: u64,
    /// How samples were taken at the end.
    pub(crate) mode: Mode,
}

/// Short intervals: tests want many samples, not a light hand.
pub(crate) fn options(mode: Mode) -> Options {
    Options { interval: Duration::from_micros(100), mode, max_overhead: 1.0, ..Options::default() }
}

/// True when the kernel may take samples here; else it is said why not.
pub(crate) fn kernel_may() -> bool {
    let (_, layout) = py_spy_python::layout::KNOWN.last().expect("a row");
    let subject = py_spy_kernel::Subject {
        layout,
        interpreter: 0,
        gil: None,
        namespace: (0, 0),
        tid_at: 0,
        period: 1_000_000,
        frames: 256,
        stacks: None,
    };
    match py_spy_kernel::Ticks::new(&subject) {
        Ok(_) => true,
        Err(why) => {
            eprintln!("SKIPPED: the kernel takes no samples here: {why}");
            false
        }
    }
}

/// A sampler and its one set of tables.
pub(crate) struct Attached {
    sampler: Sampler,
    tables: Tables,
}

pub(crate) fn attach(program: &Program, options: Options) -> Attached {
    let sampler = Sampler::attach(program.id(), options).unwrap_or_else(|error| panic!("{error} ({:?})", error.hint));
    Attached { sampler, tables: Tables::new() }
}

impl Attached {
    /// Runs until there are so many samples (stacks written), or the options' duration is over.
    pub(crate) fn run(&mut self, samples: u64) -> Seen {
        self.run_counting(samples, &mut || true)
    }

    /// The same, with only the samples for which `counts` says so.
    pub(crate) fn run_counting(&mut self, samples: u64, counts: &mut dyn FnMut() -> bool) -> Seen {
        self.run_until(samples, u64::MAX, counts)
    }

    /// Runs until there were at least so many ticks, of a program of which there are no samples.
    pub(crate) fn run_ticks(&mut self, ticks: u64) -> Seen {
        self.run_until(u64::MAX, ticks, &mut || true)
    }

    fn run_until(&mut self, samples: u64, ticks: u64, counts: &mut dyn FnMut() -> bool) -> Seen {
        let control = Control::default();
        let mut sink =
            Counting { stacks: BTreeMap::new(), by_time: BTreeMap::new(), left: samples, control: &control, counts };
        let before = self.sampler.effort();
        let is_over = || control.stop.load(Relaxed) || control.ticks.load(Relaxed) >= ticks;
        let end = std::thread::scope(|scope| {
            if ticks < u64::MAX {
                scope.spawn(|| {
                    while !is_over() {
                        std::thread::sleep(LOOK_UP);
                    }
                    control.stop.store(true, Relaxed);
                });
            }
            let end = self.sampler.run(&mut self.tables, &mut sink, &control);
            control.stop.store(true, Relaxed);
            end
        });
        let after = self.sampler.effort();
        let Counting { stacks, by_time, .. } = sink;
        let mut named = BTreeMap::new();
        for ((thread, stack), count) in stacks {
            *named.entry((self.tables.thread_of(thread).tid, self.unfold(stack))).or_default() += count;
        }
        let effort = Effort {
            moments: after.moments - before.moments,
            stops: after.stops - before.stops,
            retries: after.retries - before.retries,
            reads: after.reads - before.reads,
            moment_reads: after.moment_reads - before.moment_reads,
            bytes: after.bytes - before.bytes,
        };
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let (ticks, samples, dropped) = (count(&control.ticks), count(&control.samples), count(&control.dropped));
        let mode = self.sampler.mode();
        Seen { stacks: named, by_time, effort, end, ticks, samples, dropped, mode }
    }

    fn unfold(&self, stack: StackId) -> Named {
        let mut frames: Vec<FrameId> = Vec::new();
        self.tables.unfold(stack, &mut frames);
        let named = |frame| match self.tables.frame_of(frame) {
            Frame::Python { name, line, .. } => (self.tables.str(name).to_owned(), line),
            Frame::Note(text) => (self.tables.str(text).to_owned(), 0),
            Frame::Thread(_) => ("(thread)".to_owned(), 0),
        };
        frames.into_iter().map(named).collect()
    }
}
