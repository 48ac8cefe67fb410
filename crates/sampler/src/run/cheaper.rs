//! Which of stopping and the kernel costs the program less.
//!
//! A stop takes what the thread stands still. Where the kernel takes the samples each tick takes some microseconds, and so does each
//! time that a thread is put on a CPU, for its timer is set up then: a program that hands a lock to and fro is better stopped. So it
//! begins by stopping, which needs no preparation, and looks now and then what the other way would have cost.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use py_spy_kernel::{Ticks, Unavailable};

use super::look::Look;
use crate::Mode;
use crate::moment::{NoKernel, Recipe};

/// What a tick takes the program, and being put on a CPU with a timer, ns: on a virtual machine, where the timer's interrupt is
/// most of it.
const TICK: u64 = 7_000;
const SWITCH: u64 = 5_000;

/// It is looked at so often.
const LOOK: Duration = Duration::from_millis(500);

/// The kernel has to be so much cheaper before it is asked, and to have become so much dearer before it is not any more.
const CHEAPER: f64 = 0.75;
const DEARER: f64 = 1.5;

/// After that it is not asked for so long.
const REST: Duration = Duration::from_secs(20);

/// Of more threads it is not asked how often they were put on a CPU: it is a system call each, and they have a timer each.
const MAX_THREADS: usize = 512;

/// Where more processes are sampled at one time the kernel is not asked: each takes a program of its own, and us the time to load it.
const MAX_PROCESSES: u64 = 16;

/// Code objects that may have become others between two looks: of a program that makes code all the time the kernel can not tell what
/// ran.
const MAX_REPLACED: u64 = 2;

/// What was counted until a look.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// How often threads were put on a CPU.
    switches: u64,
    /// For how long they stood still.
    stood: Duration,
    /// Samples of threads on a CPU: of those that wait for one neither way takes anything.
    samples: u64,
    /// Code objects that have become others.
    replaced: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Stay,
    /// Have the kernel take the samples.
    Kernel,
    /// Have it take none any more, for this reason.
    Leave(&'static str),
}

impl Counts {
    /// What has been counted since others.
    fn since(&self, before: &Counts) -> Counts {
        Counts {
            switches: self.switches.saturating_sub(before.switches),
            stood: self.stood.saturating_sub(before.stood),
            samples: self.samples.saturating_sub(before.samples),
            replaced: self.replaced.saturating_sub(before.replaced),
        }
    }

    /// What is to be done where samples were taken in this way and each costs so many ns by stopping.
    fn choice(&self, mode: Mode, by_stopping: f64) -> Choice {
        let ticks = self.samples.saturating_mul(TICK);
        let by_kernel = ticks.saturating_add(self.switches.saturating_mul(SWITCH)) as f64;
        let is_still = self.replaced <= MAX_REPLACED;
        match mode {
            _ if self.samples == 0 => Choice::Stay,
            Mode::Kernel if !is_still => Choice::Leave("it makes code all the time"),
            Mode::Kernel if by_kernel > DEARER * by_stopping * self.samples as f64 => {
                Choice::Leave("its threads are put on a CPU so often that stopping them costs less")
            }
            Mode::Stop if is_still && by_kernel < CHEAPER * self.stood.as_nanos() as f64 => Choice::Kernel,
            Mode::Kernel | Mode::Stop => Choice::Stay,
            // Nothing else is as true.
            Mode::Nonblocking => Choice::Kernel,
        }
    }
}

/// What is known of both ways.
#[derive(Debug, Default)]
pub(super) struct Cheaper {
    /// Samples that nothing was stopped for, so far.
    pub(super) samples: u64,
    last: Option<(Instant, Counts)>,
    /// What one sample costs by stopping, ns.
    by_stopping: f64,
    /// The kernel's program on its way.
    loading: Option<Loading>,
    /// Not before.
    rest_until: Option<Instant>,
    /// The kernel can not take them.
    is_given_up: bool,
}

#[derive(Debug)]
struct Loading {
    recipe: Recipe,
    program: Receiver<Result<Ticks, Unavailable>>,
}

impl Cheaper {
    /// The kernel is not asked any more.
    pub(super) fn give_up(&mut self) {
        (self.is_given_up, self.loading) = (true, None);
    }
}

impl Look<'_> {
    /// Goes over to the cheaper way, if that is wanted.
    pub(super) fn choose_cheaper(&mut self) {
        let many = self.control.running.load(Relaxed) > MAX_PROCESSES;
        if !self.options.cheaper || self.cheaper.is_given_up || many {
            return;
        }
        if let Some(loading) = self.cheaper.loading.take() {
            match loading.program.try_recv() {
                Ok(program) => self.begin_loaded(&loading.recipe, program),
                Err(TryRecvError::Empty) => self.cheaper.loading = Some(loading),
                Err(TryRecvError::Disconnected) => self.cheaper.give_up(),
            }
            return;
        }
        let now = Instant::now();
        if self.cheaper.last.is_some_and(|(at, _)| now - at < LOOK) || self.watch.tasks.len() > MAX_THREADS {
            return;
        }
        let counts = self.count();
        let Some((_, before)) = self.cheaper.last.replace((now, counts)) else { return };
        let new = counts.since(&before);
        let mode = self.watch.mode;
        if mode == Mode::Stop && new.samples > 0 {
            self.cheaper.by_stopping = new.stood.as_nanos() as f64 / new.samples as f64;
        }
        let choice = new.choice(mode, self.cheaper.by_stopping);
        log::debug!("{new:?}, {:.0} ns a sample by stopping: {choice:?}", self.cheaper.by_stopping);
        match choice {
            Choice::Stay => {}
            Choice::Kernel => self.load(now),
            Choice::Leave(why) => {
                (self.cheaper.rest_until, self.cheaper.last) = (Some(now + REST), None);
                self.leave_kernel(why);
            }
        }
    }

    fn count(&mut self) -> Counts {
        let tids: Vec<u32> = self.watch.tasks.ids().collect();
        let turns = |tid| self.watch.tasks.slices(tid).and_then(|slices| slices.turns()).unwrap_or(0);
        let turns: u64 = tids.into_iter().map(turns).sum();
        let (still, replaced) = (self.watch.stopper.still(), self.watch.codes.replaced);
        // Each stop is one of them.
        let (stood, switches) = (still.total(), turns.saturating_sub(still.count()));
        let samples = if self.watch.mode == Mode::Stop { still.count() } else { self.cheaper.samples };
        Counts { switches, stood, samples, replaced }
    }

    /// Has the kernel's program made and loaded, on a thread of its own: it takes tens of milliseconds.
    fn load(&mut self, now: Instant) {
        if self.cheaper.rest_until.is_some_and(|until| now < until) {
            return;
        }
        let recipe = match self.watch.recipe(self.options.interval, self.deep) {
            Ok(recipe) => recipe,
            // What is in the way may be gone the next time.
            Err(why @ NoKernel::Unreadable(_)) => return log::debug!("no samples by the kernel yet: {why}"),
            Err(why) => return self.fall_back(&why.to_string()),
        };
        let (loaded, program) = channel();
        let mine = recipe.clone();
        let work = move || {
            py_spy_target::step_back();
            // Whoever wanted it may have ended.
            loaded.send(mine.load()).ok();
        };
        match std::thread::Builder::new().name("loading".to_owned()).spawn(work) {
            Ok(_) => self.cheaper.loading = Some(Loading { recipe, program }),
            Err(why) => self.fall_back(&why.to_string()),
        }
    }

    fn begin_loaded(&mut self, recipe: &Recipe, program: Result<Ticks, Unavailable>) {
        let begun = program.map_err(NoKernel::from).and_then(|ticks| self.watch.begin_loaded(recipe, ticks));
        self.begun(begun);
        self.cheaper.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_STOPPING: f64 = 25_000.0;

    /// A second at 100 looks.
    fn counts(switches: u64, replaced: u64) -> Counts {
        Counts { switches, stood: Duration::from_micros(2500), samples: 100, replaced }
    }

    #[test]
    fn a_program_that_computes_costs_less_by_the_kernel() {
        assert_eq!(counts(20, 0).choice(Mode::Stop, BY_STOPPING), Choice::Kernel);
        assert_eq!(counts(20, 0).choice(Mode::Kernel, BY_STOPPING), Choice::Stay);
    }

    #[test]
    fn one_that_switches_all_the_time_is_better_stopped() {
        assert_eq!(counts(100_000, 0).choice(Mode::Stop, BY_STOPPING), Choice::Stay);
        assert!(matches!(counts(100_000, 0).choice(Mode::Kernel, BY_STOPPING), Choice::Leave(_)));
        // In between each stays what it is.
        assert_eq!(counts(400, 0).choice(Mode::Stop, BY_STOPPING), Choice::Stay);
        assert_eq!(counts(400, 0).choice(Mode::Kernel, BY_STOPPING), Choice::Stay);
    }

    #[test]
    fn so_is_one_that_makes_code_all_the_time() {
        assert_eq!(counts(20, 50).choice(Mode::Stop, BY_STOPPING), Choice::Stay);
        assert!(matches!(counts(20, 50).choice(Mode::Kernel, BY_STOPPING), Choice::Leave(_)));
    }

    #[test]
    fn one_that_can_not_be_stopped_is_left_to_the_kernel() {
        assert_eq!(counts(100_000, 50).choice(Mode::Nonblocking, 0.0), Choice::Kernel);
    }

    #[test]
    fn who_sleeps_says_nothing() {
        for mode in [Mode::Stop, Mode::Kernel, Mode::Nonblocking] {
            assert_eq!(Counts { samples: 0, ..counts(7, 9) }.choice(mode, BY_STOPPING), Choice::Stay);
        }
    }
}
