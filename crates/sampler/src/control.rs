//! What passes between a running sampler and whoever started it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Switches and counters of running samplers, of one or of many; shared between threads, each field on its own.
#[derive(Debug, Default)]
pub struct Control {
    /// Set to end the run; looked at before every tick.
    pub stop: AtomicBool,
    /// Set to have all threads let go and none stopped, until it is unset.
    pub pause: AtomicBool,
    /// Samplers that run.
    pub running: AtomicU64,
    /// Those of them that have stopped and attached no thread, because of [`Control::pause`].
    pub paused: AtomicU64,
    /// Ticks taken, of all processes together.
    pub ticks: AtomicU64,
    /// Instants of the clock at which some process was looked at: what shares of the time are shares of. With one
    /// process there are as many as ticks.
    pub instants: AtomicU64,
    /// One more than the number of the last of them.
    pub(crate) last_instant: AtomicU64,
    /// Processes that are sampled.
    pub processes: AtomicU64,
    /// Stacks written, one a thread and tick.
    pub samples: AtomicU64,
    /// Ticks whose time had passed before we came to them; they are skipped.
    pub missed: AtomicU64,
    /// Ticks that were left out so that stopped threads do not stand still for too large a share of the time.
    pub held_back: AtomicU64,
    /// Of the stacks written, those whose innermost frames moved while they were read.
    pub moving: AtomicU64,
    /// Of the stacks written of threads that run, those that lack native frames that were wanted: these could not be followed to
    /// the thread's start, or do not fit the Python frames.
    pub unmerged: AtomicU64,
    /// The same of threads that sleep: of those only the instruction pointer and the stack pointer are known.
    pub cut: AtomicU64,
    /// Stacks that could not be read truly and were not written.
    pub dropped: AtomicU64,
    /// Threads that exist, as of the last look at the list; of a process that has ended, those that it had at last until its
    /// sampler is dropped.
    pub threads: AtomicU64,
    /// Sum over all ticks of the threads that were active.
    pub active: AtomicU64,
    /// Ticks in which some thread held the GIL.
    pub gil_held: AtomicU64,
}

impl Control {
    /// True when nothing is stopped or attached, and will not be until [`Control::pause`] is unset.
    pub fn all_paused(&self) -> bool {
        self.paused.load(Relaxed) >= self.running.load(Relaxed)
    }

    /// Counts so many ticks, up to the one at the clock's instant before this one.
    pub(crate) fn count_ticks(&self, next: u64, ticks: u64) {
        self.ticks.fetch_add(ticks, Relaxed);
        let counted = self.last_instant.fetch_max(next, Relaxed);
        self.instants.fetch_add(next.saturating_sub(counted).min(ticks), Relaxed);
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `Control::stop` was set.
    Stopped,
    /// The duration is over.
    Duration,
    /// The process has ended or has become another program.
    Exited,
    /// The sink could not take a sample.
    Sink,
}
