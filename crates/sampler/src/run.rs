//! The loop: at each instant of the clock one moment of the process, named and given to the sink.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use py_spy_profile::{Frame, Nanos, Sample, Sink, StackId, Tables};

use crate::clock::{Clock, Slot, wait_until};
use crate::moment::{Moment, Wanted, Watch};
use crate::roster::Member;
use crate::stacks::Namer;
use crate::thread_table::ThreadTable;
use crate::{Control, End, Options, Sampler};

/// No sample stands for more than this: a profiler that was itself suspended has not seen that time.
const MAX_WEIGHT: Nanos = 100_000_000;

/// What moved while it was read.
const MOVING: &str = "(moving)";

/// What a run keeps from tick to tick.
#[derive(Debug, Default)]
pub(crate) struct Run {
    threads: ThreadTable,
    running: Vec<u32>,
    members: Vec<Member>,
    order: Vec<usize>,
    cpu_time: u64,
}

/// What a tick came to.
enum Tick {
    Done,
    Exited,
    SinkFailed,
}

impl Sampler {
    pub(crate) fn run_until_end(&mut self, tables: &mut Tables, sink: &mut dyn Sink, control: &Control) -> End {
        let mut run = Run::default();
        let mut clock = Clock::start(self.options.interval);
        let end = self.options.duration.map(|duration| clock.started() + duration);
        loop {
            let (at, slot) = clock.next();
            let over = end.is_some_and(|end| at >= end);
            let until = if over { end.unwrap_or(at) } else { at };
            let watch = &mut self.watch;
            let mut alive = true;
            wait_until(until, self.options.interval, |deadline| {
                // Threads that have not yet reported their stop stand still once they have: let them go soon.
                watch.stopper.collect_until(deadline);
                alive = watch.wait_for_end(deadline);
                alive && !control.stop.load(Relaxed)
            });
            if control.stop.load(Relaxed) {
                return End::Stopped;
            }
            if !alive {
                return End::Exited;
            }
            if over {
                control.missed.fetch_add(slot.skipped, Relaxed);
                return End::Duration;
            }
            match run.tick(&mut self.watch, &mut self.files, &self.options, slot, tables, sink, control) {
                Tick::Done => {}
                Tick::Exited => return End::Exited,
                Tick::SinkFailed => return End::Sink,
            }
        }
    }
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Relaxed);
}

impl Run {
    #[expect(clippy::too_many_arguments, reason = "the parts of a sampler that a tick uses side by side")]
    fn tick(
        &mut self,
        watch: &mut Watch,
        files: &mut crate::file_names::FileNames,
        options: &Options,
        slot: Slot,
        tables: &mut Tables,
        sink: &mut dyn Sink,
        control: &Control,
    ) -> Tick {
        add(&control.ticks, 1);
        control.missed.fetch_add(slot.skipped, Relaxed);
        let interval = options.interval.as_nanos() as Nanos;
        let weight = (interval * (slot.skipped + 1)).min(MAX_WEIGHT.max(interval));
        let at = (slot.number + 1).saturating_mul(interval).saturating_sub(weight);

        if !self.look_at_threads(watch, options) {
            return Tick::Exited;
        }
        control.threads.store(watch.tasks.len() as u64, Relaxed);
        let wanted = if options.gil_only {
            Wanted::Holder
        } else if options.include_idle {
            Wanted::All
        } else if self.running.is_empty() {
            return Tick::Done;
        } else {
            Wanted::Threads(&self.running)
        };
        if let Err(why) = watch.take(wanted) {
            log::debug!("no look at process {}: {why}", watch.target.pid);
            if !watch.is_same_program() {
                return Tick::Exited;
            }
            add(&control.dropped, 1);
            return Tick::Done;
        }
        add(&control.dropped, watch.moment.dropped);
        self.write(watch, files, options, (at, weight), tables, sink, control)
    }

    /// Finds out which threads run. False when the process has ended.
    fn look_at_threads(&mut self, watch: &mut Watch, options: &Options) -> bool {
        let now = watch.clock.and_then(py_spy_target::CpuClock::now);
        if now.is_none() && !watch.target.is_alive() {
            return false;
        }
        // The clock of the whole process costs one call whatever the number of threads: when it stands still, and
        // nobody was waiting for a CPU, nobody has run.
        let idle = now.is_some_and(|now| now == self.cpu_time) && !watch.tasks.any_running();
        self.cpu_time = now.unwrap_or(0);
        if idle {
            self.running.clear();
            return true;
        }
        if watch.tasks.refresh().is_err() {
            return false;
        }
        if !options.gil_only {
            watch.tasks.running(&mut self.running, watch.mode == crate::Mode::Stop);
        }
        true
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a sampler that a tick uses side by side")]
    fn write(
        &mut self,
        watch: &mut Watch,
        files: &mut crate::file_names::FileNames,
        options: &Options,
        (at, weight): (Nanos, Nanos),
        tables: &mut Tables,
        sink: &mut dyn Sink,
        control: &Control,
    ) -> Tick {
        let Watch { roster, moment, codes, memory, python, target, .. } = watch;
        let mut namer =
            Namer { codes, files, memory: &*memory, layout: &python.layout, tables, naming: options.naming() };
        self.members.clear();
        add(&control.gil_held, usize::from(moment.parts.iter().any(|part| part.holds_gil)));
        add(&control.active, self.running.len());
        self.order.clear();
        self.order.extend(0..moment.parts.len());
        // One thread's states side by side, the outer interpreter's first: together they are its one stack.
        self.order.sort_by_key(|&part| thread_of(moment, roster.members.as_slice(), part));
        let same = |a: &usize, b: &usize| {
            let of = |part| thread_of(moment, &roster.members, part).0;
            of(*a) == of(*b)
        };
        for parts in self.order.chunk_by(same) {
            let first = &moment.parts[parts[0]];
            let member = roster.members[first.member];
            let frames = parts.iter().flat_map(|&part| {
                let part = &moment.parts[part];
                moment.frames[part.first..part.end].iter().rev()
            });
            let moving = parts.iter().any(|&part| moment.parts[part].moving);
            let seen = self.threads.entry(&member, target.pid, options.thread_frames, namer.tables);
            self.members.push(member);
            let root = seen.label;
            let (thread, stack) = (seen.id, seen.path.push(root, frames, &mut namer));
            let stack = match stack {
                Ok(stack) if moving => Some(with_moving(namer.tables, stack.or(root))),
                Ok(Some(stack)) => Some(stack),
                // It runs no Python.
                Ok(None) => None,
                Err(()) => {
                    add(&control.dropped, 1);
                    None
                }
            };
            if let Some(stack) = stack {
                add(&control.samples, 1);
                if sink.sample(&Sample { at, weight, thread, stack }, namer.tables).is_err() {
                    return Tick::SinkFailed;
                }
            }
        }
        self.threads.name(&self.members, roster, memory, &python.layout, tables);
        Tick::Done
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
