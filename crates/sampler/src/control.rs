//! What passes between a running sampler and whoever started it.

use std::sync::atomic::{AtomicBool, AtomicU64};

/// Switch and counters of a running sampler; shared between threads, each field on its own.
#[derive(Debug, Default)]
pub struct Control {
    /// Set to end the run; looked at before every tick.
    pub stop: AtomicBool,
    /// Set to have all threads let go and none stopped, until it is unset.
    pub pause: AtomicBool,
    /// No thread is stopped or attached, because of [`Control::pause`].
    pub paused: AtomicBool,
    /// Ticks taken.
    pub ticks: AtomicU64,
    /// Stacks written, one a thread and tick.
    pub samples: AtomicU64,
    /// Ticks whose time had passed before we came to them; they are skipped.
    pub missed: AtomicU64,
    /// Ticks that were left out so that stopped threads do not stand still for too large a share of the time.
    pub held_back: AtomicU64,
    /// Of the stacks written, those whose innermost frames moved while they were read.
    pub moving: AtomicU64,
    /// Stacks that could not be read truly and were not written.
    pub dropped: AtomicU64,
    /// Threads that exist, as of the last look at the list.
    pub threads: AtomicU64,
    /// Sum over all ticks of the threads that were active.
    pub active: AtomicU64,
    /// Ticks in which some thread held the GIL.
    pub gil_held: AtomicU64,
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
