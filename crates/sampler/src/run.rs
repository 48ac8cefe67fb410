//! The loop: at each instant of the clock one moment of the process, named and given to the sink.

mod cheaper;
mod delays;
mod held;
mod look;
mod more;
mod parked;
mod ticked;
mod written;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use py_spy_profile::{Sink, Tables};
use py_spy_target::Stopper;

use crate::clock::{Clock, Slot, wait_until};
use crate::moment::Watch;
use crate::{Control, End, Options, Sampler, attach};
use held::Held;
use look::{Look, Out};
use more::More;

/// In a pause it is seen this often whether it is over.
const LOOK_UP_PAUSE: Duration = Duration::from_millis(1);

/// Where the kernel takes the samples they are looked at so often.
const LOOK_AT_TICKS: Duration = Duration::from_millis(10);

/// When a stop took longer than this we were ourselves stopped or without a CPU, and the rest of it is not made up for.
const MOST_TO_MAKE_UP: Duration = Duration::from_millis(100);

/// A run, with what it keeps from tick to tick.
struct Run<'a> {
    /// The process's Pythons, at least one. The first one's stopper is everybody's: a thread that it stays attached to could
    /// not be stopped by another.
    looks: Vec<Look<'a>>,
    out: Out<'a>,
    options: &'a Options,
    control: &'a Control,
    /// Until then threads are not stopped again.
    not_before: Option<Instant>,
    more: More,
    /// How many threads [`Control::threads`] has of this process.
    counted: &'a mut u64,
}

impl Sampler {
    pub(crate) fn run_until_end(&mut self, tables: &mut Tables, sink: &mut dyn Sink, control: &Control) -> End {
        // What is known of code objects is kept as ids in the tables, which may be others than last time.
        let watches = std::iter::once(&mut self.watch).chain(&mut self.further);
        let looks = watches.map(|watch| {
            watch.forget_codes();
            Look::new(Held::Lent(watch), &self.options, control)
        });
        let mut run = Run {
            looks: looks.collect(),
            out: Out { files: &mut self.files, tables, sink },
            options: &self.options,
            control,
            not_before: None,
            more: More::new(),
            counted: &mut self.counted,
        };
        control.running.fetch_add(1, Relaxed);
        let end = run.until_end();
        for look in &mut run.looks {
            // What is in the way of writing was the end already.
            look.write_parked(&mut run.out, true);
        }
        run.looks.iter_mut().for_each(|look| look.watch.kernel = None);
        let found: Vec<Watch> = run.looks.into_iter().filter_map(|look| look.watch.into_new()).collect();
        self.further.extend(found);
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
        self.looks.iter_mut().for_each(|look| look.watch.prepare());
        if self.options.gil_only && self.looks.iter().all(|look| !look.watch.has_gil()) {
            let pid = self.looks[0].watch.target.pid;
            log::warn!("process {pid} runs without a GIL: no thread holds one, so with --gil none is shown");
        }
        let mut clock = Clock::since(self.options.began.unwrap_or_else(Instant::now), self.options.interval);
        let end = self.options.duration.map(|duration| clock.started() + duration);
        if let [only] = self.looks.as_mut_slice() {
            only.begin_kernel(clock.started());
        }
        let mut pace = 1;
        loop {
            if pace != self.pace() {
                pace = self.pace();
                clock = Clock::since(clock.started(), self.options.interval * pace);
            }
            let (at, slot) = clock.next(self.not_before);
            let over = end.is_some_and(|end| at >= end);
            let until = end.filter(|_| over).unwrap_or(at);
            let mut alive = true;
            wait_until(until, self.options.interval, |deadline| {
                alive = self.wait(deadline);
                alive && !self.control.stop.load(Relaxed) && !self.control.pause.load(Relaxed)
            });
            let ended = match () {
                () if self.control.stop.load(Relaxed) => Some(End::Stopped),
                () if !alive => Some(End::Exited),
                () if over => Some(End::Duration),
                () => None,
            };
            if let Some(ended) = ended {
                return self.last_ticks().unwrap_or(ended);
            }
            let pace = u64::from(pace);
            // What the kernel takes is not missed because we come late.
            if !self.looks[0].is_ticked() {
                self.control.missed.fetch_add(slot.skipped - slot.held_back, Relaxed);
            }
            self.control.held_back.fetch_add(slot.held_back, Relaxed);
            if self.control.pause.load(Relaxed) {
                add(&self.control.missed, 1);
                self.pause();
                continue;
            }
            let stood = self.stopper().still().total();
            if let Some(end) = self.tick(slot, pace) {
                return end;
            }
            // For each instant that threads stood still they are to run undisturbed for some more. For how long is at
            // random around that: always the same would be a period that the program may have too.
            let stood = self.stopper().still().total().saturating_sub(stood);
            let stood = stood.min(MOST_TO_MAKE_UP);
            let undisturbed = stood.as_secs_f64() * (1.0 / self.options.max_overhead - 1.0) * clock.about_one();
            self.not_before = (!stood.is_zero()).then(|| Instant::now() + Duration::from_secs_f64(undisturbed));
        }
    }

    /// After how many instants one is to look.
    fn pace(&self) -> u32 {
        let looks_at_each = self.options.include_idle && !self.options.gil_only;
        if looks_at_each || !self.looks[0].is_ticked() {
            return 1;
        }
        let pace = LOOK_AT_TICKS.as_nanos() / self.options.interval.as_nanos().max(1);
        u32::try_from(pace).unwrap_or(u32::MAX).max(1)
    }

    /// What the kernel has taken last. Returns why the run is over, if it is for that.
    fn last_ticks(&mut self) -> Option<End> {
        if self.looks[0].is_ticked() { self.looks[0].write_ticks(&mut self.out) } else { None }
    }

    /// Lets everything go and waits until it may go on.
    fn pause(&mut self) {
        self.stopper().let_all_go();
        let kernel = |run: &Run<'_>, pauses| run.looks[0].watch.kernel.iter().for_each(|kernel| kernel.pause(pauses));
        kernel(self, true);
        self.control.paused.fetch_add(1, Relaxed);
        while self.control.pause.load(Relaxed) && !self.control.stop.load(Relaxed) {
            std::thread::sleep(LOOK_UP_PAUSE);
        }
        kernel(self, false);
        self.control.paused.fetch_sub(1, Relaxed);
    }

    /// Waits until a deadline, or not at all, and lets threads go on that stand still. False when the process has ended.
    fn wait(&mut self, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else {
            if self.stopper().is_attached() {
                self.stopper().attend();
            }
            return true;
        };
        self.stopper().attend_until(deadline);
        self.looks[0].watch.wait_for_end(deadline)
    }

    /// What stops threads, whichever CPython they run.
    fn stopper(&mut self) -> &mut Stopper {
        &mut self.looks[0].watch.stopper
    }

    /// One sample of each thread that is wanted. Returns why the run is over, if it is.
    fn tick(&mut self, slot: Slot, pace: u64) -> Option<End> {
        // Those that were skipped have been looked at too, where the kernel did it.
        let ticks = if self.looks[0].is_ticked() { pace * (slot.skipped + 1) } else { 1 };
        self.control.count_ticks((slot.number + 1) * pace, ticks);
        self.look_for_more();
        self.stopper().attend();
        if self.looks.len() > 1 && self.looks[0].is_ticked() {
            self.looks[0].fall_back("it has several Pythons");
        }
        if let [only] = self.looks.as_mut_slice() {
            only.choose_cheaper();
        }
        let mut end = self.looks[0].tick(slot, &mut self.out);
        for index in 1..self.looks.len() {
            if end.is_some() {
                break;
            }
            self.lend_stopper(index);
            end = self.looks[index].tick(slot, &mut self.out);
            self.lend_stopper(index);
        }
        let threads = self.looks[0].watch.tasks.len() as u64;
        let counted = std::mem::replace(self.counted, threads);
        if threads != counted {
            self.control.threads.fetch_add(threads.wrapping_sub(counted), Relaxed);
        }
        end
    }

    /// Takes in what CPython the process has loaded since.
    fn look_for_more(&mut self) {
        if !self.more.is_due() {
            return;
        }
        let known: Vec<_> = self.looks.iter().map(|look| look.watch.python.runtime).collect();
        let (target, mode) = (self.looks[0].watch.target.clone(), self.looks[0].watch.fallback);
        for (memory, python) in attach::further(&target, &known) {
            match Watch::new(target.clone(), memory, python, mode, self.options) {
                Ok(mut watch) => {
                    self.looks[0].watch.leave_strangers(&mut watch);
                    self.looks.push(Look::new(Held::New(Box::new(watch)), self.options, self.control));
                }
                Err(why) => log::info!("process {}: {why}", target.pid),
            }
        }
    }

    /// Gives the stopper to another than the first, or takes it back.
    fn lend_stopper(&mut self, index: usize) {
        if let Some((first, others)) = self.looks.split_first_mut()
            && let Some(other) = others.get_mut(index - 1)
        {
            std::mem::swap(&mut first.watch.stopper, &mut other.watch.stopper);
        }
    }
}
