//! Sampling what is not one process from begin to end: a process that becomes another program, a launcher and the Python
//! that it starts, a process with all that come from it.
//!
//! Of one process at a time everything is done on the calling thread, without a lock ([`turns`]). Of many each has a
//! thread, a clock and tables of its own ([`crowd`], [`scout`]), and what it samples is translated into one profile
//! ([`book`]): who is slow delays nobody else.

mod book;
mod candidate;
mod crowd;
mod scout;
mod turns;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use py_spy_profile::{Sink, Tables};
use py_spy_target::Durations;

use crate::{AttachError, Control, Effort, End, Mode, Options, Patience, ProcessInfo, Sampler};

/// Between two looks for new processes: a child that lives for 50 ms is to be seen.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Processes of which the names are kept for the profile; of more only the last ones.
const MAX_NAMES: usize = 1 << 16;

/// What is to be sampled.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The processes to begin with.
    pub founders: Vec<u32>,
    /// Which of them, and of those that come from them.
    pub at_once: AtOnce,
    /// How long to wait for the first Python.
    pub patience: Patience,
}

/// Which processes are sampled at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtOnce {
    /// One: the founder, or of what a launcher starts the first that is Python.
    One,
    /// All founders.
    Founders,
    /// All founders and all that come from them.
    Family,
}

/// What happens while it goes on.
#[derive(Debug)]
pub enum News<'a> {
    /// A process is sampled from now on.
    Attached(&'a ProcessInfo),
    /// A process is not, though it may be Python: why.
    LeftOut(&'a AttachError),
    /// There are more processes at one time than are followed.
    TooMany(usize),
}

impl fmt::Display for News<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            News::Attached(info) => write!(f, "process {} is sampled", info.pid),
            News::LeftOut(why) => write!(f, "left out: {why}"),
            News::TooMany(most) => {
                write!(f, "there are more than {most} processes at one time: those beyond are left out")
            }
        }
    }
}

/// What came of it.
pub struct Sampled {
    /// What the samples point into.
    pub tables: Tables,
    /// What has the samples.
    pub sink: Box<dyn Sink + Send>,
    /// Why it is over.
    pub end: End,
    /// How long it took, from the first process on.
    pub elapsed: Duration,
    /// What it took.
    pub cost: Cost,
    /// The processes that were sampled, by id, and their command lines.
    pub processes: Vec<(u32, String)>,
}

/// What sampling took, of all processes together.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// How samples were taken: several processes may be sampled in different ways.
    pub modes: BTreeSet<Mode>,
    /// What the looks took.
    pub effort: Effort,
    /// For how long threads stood still, each stop by itself.
    pub still: Durations,
    /// Stops of threads that were not on a CPU.
    pub late: u64,
}

impl Cost {
    fn add(&mut self, sampler: &Sampler) {
        self.modes.extend(sampler.ways());
        self.effort = self.effort + sampler.effort();
        self.still.extend(sampler.stood_still());
        self.late += sampler.late_stops();
    }
}

/// Samples until `control` says stop, the duration is over or nothing is left to sample. `in_vain` says that the
/// first process has ended, so that there is nothing to wait for; `news` is told what happens, on whatever thread.
///
/// # Errors
/// When nothing could be sampled at all: why the first process could not.
pub fn sample(
    scope: &Scope,
    options: &Options,
    sink: Box<dyn Sink + Send>,
    control: &Control,
    in_vain: &(dyn Fn() -> bool + Sync),
    news: &(dyn Fn(News<'_>) + Sync),
) -> Result<Sampled, AttachError> {
    match scope.at_once {
        AtOnce::One => turns::sample(scope, options, sink, control, in_vain, news),
        AtOnce::Founders | AtOnce::Family => crowd::sample(scope, options, sink, control, news),
    }
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampled").field("end", &self.end).field("cost", &self.cost).finish_non_exhaustive()
    }
}
