//! A thread's own timer: a perf event that comes each time the thread has used so much CPU time.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::bpf::Program;

/// `PERF_TYPE_SOFTWARE`, `PERF_COUNT_SW_CPU_CLOCK` (`include/uapi/linux/perf_event.h`).
const SOFTWARE: u32 = 1;
const CPU_CLOCK: u64 = 0;

/// Bits of the attributes' flags: begins switched off, goes on in new threads, but not in new processes, ends at an exec.
const DISABLED: u64 = 1;
const INHERIT: u64 = 1 << 1;
const INHERIT_THREAD: u64 = 1 << 35;
const REMOVE_ON_EXEC: u64 = 1 << 36;

/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: u64 = 8;

/// Orders to an event.
const ENABLE: u64 = 0x2400;
const SET_PROGRAM: u64 = 0x4004_2408;

/// The kernel makes a shorter period this long (`perf_swevent_hrtimer` in `kernel/events/core.c`), ns.
pub const SHORTEST_PERIOD: u64 = 10_000;

/// The clock that programs of the kernel's read (`bpf_ktime_get_ns`), ns: `CLOCK_MONOTONIC`, as [`std::time::Instant`] is.
pub fn monotonic_time() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    time.map_or(0, |time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// `struct perf_event_attr` of version 7 (128 bytes), as far as it is used here.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    rest: [u64; 10],
}

/// A thread's timer. It runs on in the threads that this one makes, until it is dropped.
#[derive(Debug)]
pub struct CpuTicks(OwnedFd);

impl CpuTicks {
    /// A timer that comes after each `period` ns of CPU time of a thread, and a program that runs then, in the thread. It is
    /// switched off at first.
    ///
    /// Kernel and user code count alike: a tick within a system call is one too.
    ///
    /// # Errors
    /// `EACCES` where `perf_event_paranoid` and the lack of `CAP_PERFMON` forbid it, `EINVAL` on a kernel before 5.13,
    /// `ESRCH` when the thread is gone, `EMFILE` when too many files are open.
    pub fn new(tid: u32, period: u64, program: &Program) -> io::Result<CpuTicks> {
        let attributes = Attributes {
            kind: SOFTWARE,
            size: size_of::<Attributes>() as u32,
            config: CPU_CLOCK,
            period: period.max(SHORTEST_PERIOD),
            flags: DISABLED | INHERIT | INHERIT_THREAD | REMOVE_ON_EXEC,
            ..Attributes::default()
        };
        let any_cpu = -1;
        let no_group = -1;
        #[expect(unsafe_code, reason = "nix has no perf_event_open")]
        // SAFETY: the attributes are a repr(C) struct that says its own size and lives for the call.
        let event = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                tid as libc::pid_t,
                any_cpu,
                no_group,
                CLOSE_ON_EXEC,
            )
        };
        if event < 0 {
            return Err(io::Error::last_os_error());
        }
        #[expect(unsafe_code, reason = "nix has no perf_event_open")]
        // SAFETY: the call has just returned this new file descriptor, which nobody else has.
        let ticks = CpuTicks(unsafe { OwnedFd::from_raw_fd(event as i32) });
        ticks.order(SET_PROGRAM, program.as_fd().as_raw_fd())?;
        Ok(ticks)
    }

    /// Switches it on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn enable(&self) -> io::Result<()> {
        self.order(ENABLE, 0)
    }

    fn order(&self, order: u64, argument: i32) -> io::Result<()> {
        #[expect(unsafe_code, reason = "nix knows no orders of perf events")]
        // SAFETY: these orders take a number and touch no memory of ours.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), order, argument) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
