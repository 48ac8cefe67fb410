//! A thread's own timer: a perf event that comes each time the thread has used so much CPU time.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::bpf::Program;

/// `PERF_TYPE_SOFTWARE`, `PERF_COUNT_SW_CPU_CLOCK`, `PERF_COUNT_SW_DUMMY` (`include/uapi/linux/perf_event.h`).
const SOFTWARE: u32 = 1;
const CPU_CLOCK: u64 = 0;
const DUMMY: u64 = 9;

/// Bits of the attributes' flags: begins switched off, goes on in new threads, but not in new processes, ends at an exec.
const DISABLED: u64 = 1;
const INHERIT: u64 = 1 << 1;
const INHERIT_THREAD: u64 = 1 << 35;
const REMOVE_ON_EXEC: u64 = 1 << 36;

/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: u64 = 8;

/// Orders to an event.
const ENABLE: u64 = 0x2400;
const DISABLE: u64 = 0x2401;
const SET_PERIOD: u64 = 0x4008_2404;
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
pub struct CpuTicks {
    event: OwnedFd,
    /// An event that never comes and is not passed on. Between threads of which one has passed on all its events to the
    /// other the kernel exchanges these when one follows the other on a CPU, which saves it to switch them
    /// (`perf_event_context_sched_out` in `kernel/events/core.c`). A timer would then be another thread's, and end with it.
    _stay: Option<OwnedFd>,
}

impl CpuTicks {
    /// A timer that comes after each `period` ns of CPU time of a thread, and a program that runs then, in the thread. It is
    /// switched off at first. With `stays` it is always this thread's; without, it may change places with that of a thread
    /// that this one made, which takes one file less.
    ///
    /// Kernel and user code count alike: a tick within a system call is one too.
    ///
    /// # Errors
    /// `EACCES` where `perf_event_paranoid` and the lack of `CAP_PERFMON` forbid it, `EINVAL` on a kernel before 5.13,
    /// `ESRCH` when the thread is gone, `EMFILE` when too many files are open.
    pub fn new(tid: u32, period: u64, program: &Program, stays: bool) -> io::Result<CpuTicks> {
        let stay = Attributes { kind: SOFTWARE, config: DUMMY, flags: DISABLED, ..Attributes::default() };
        let stay = if stays { Some(open(&stay, tid)?) } else { None };
        let event = Attributes {
            kind: SOFTWARE,
            config: CPU_CLOCK,
            period: period.max(SHORTEST_PERIOD),
            flags: DISABLED | INHERIT | INHERIT_THREAD | REMOVE_ON_EXEC,
            ..Attributes::default()
        };
        let ticks = CpuTicks { event: open(&event, tid)?, _stay: stay };
        ticks.order(SET_PROGRAM, program.as_fd().as_raw_fd() as u64)?;
        Ok(ticks)
    }

    /// Switches it on, and those that threads have got from this one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn enable(&self) -> io::Result<()> {
        self.order(ENABLE, 0)
    }

    /// Switches it off, and those that threads have got from this one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn disable(&self) -> io::Result<()> {
        self.order(DISABLE, 0)
    }

    /// Gives this thread another period, which begins now, and all threads that are made from now on. Those that were made
    /// before keep theirs. The period that the kernel tells the program stays the first one, in this thread.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_period(&self, period: u64) -> io::Result<()> {
        let period = period.max(SHORTEST_PERIOD);
        self.order(SET_PERIOD, &raw const period as u64)
    }

    fn order(&self, order: u64, argument: u64) -> io::Result<()> {
        #[expect(unsafe_code, reason = "nix knows no orders of perf events")]
        // SAFETY: these orders take a number, or the address of one that lives for the call, and write no memory of ours.
        let result = unsafe { libc::ioctl(self.event.as_raw_fd(), order, argument) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// An event of a thread, on whatever CPU it is.
fn open(attributes: &Attributes, tid: u32) -> io::Result<OwnedFd> {
    let attributes = Attributes { size: size_of::<Attributes>() as u32, ..*attributes };
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
    Ok(unsafe { OwnedFd::from_raw_fd(event as i32) })
}
