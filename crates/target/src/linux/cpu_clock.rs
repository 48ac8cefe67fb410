//! The CPU time of a whole process.

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The CPU time that all threads of a process have used, to the nanosecond and up to now.
#[derive(Debug, Clone, Copy)]
pub struct CpuClock(ClockId);

impl CpuClock {
    /// The clock of a process; `None` when there is no such process.
    pub fn of(pid: u32) -> Option<CpuClock> {
        clock_getcpuclockid(Pid::from_raw(pid as i32)).ok().map(CpuClock)
    }

    /// Nanoseconds; `None` when the process is gone.
    pub fn now(self) -> Option<u64> {
        let time = clock_gettime(self.0).ok()?;
        Some(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
    }
}
