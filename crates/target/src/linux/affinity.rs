//! Which CPUs a thread may use.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// What is known of the CPUs is asked again after this time.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Tells whether a thread can run while we do.
#[derive(Debug, Default)]
pub(super) struct Affinity {
    /// We may use one CPU only, as of when it was asked.
    confined: bool,
    /// A thread that could run beside us then.
    beside: Option<u32>,
    asked: Option<Instant>,
}

impl Affinity {
    /// True when a thread and we have to share one CPU: it does not run while we do. Wrong answers would have us take a
    /// running thread for one that is not, so "yes" is always asked anew.
    pub(super) fn is_shared_with(&mut self, tid: u32, now: Instant) -> bool {
        if self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= ASK_AGAIN) {
            *self = Affinity { confined: only_cpu(0).is_some(), beside: None, asked: Some(now) };
        }
        if !self.confined || self.beside == Some(tid) {
            return false;
        }
        let shared = only_cpu(0).is_some_and(|ours| only_cpu(tid) == Some(ours));
        if !shared {
            self.beside = Some(tid);
        }
        shared
    }
}

/// The CPU that a thread may use, if it is one only; 0 is ourselves.
fn only_cpu(tid: u32) -> Option<usize> {
    let set = sched_getaffinity(Pid::from_raw(tid as i32)).ok()?;
    let mut cpus = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false));
    let first = cpus.next()?;
    cpus.next().is_none().then_some(first)
}
