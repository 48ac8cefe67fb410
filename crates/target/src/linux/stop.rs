//! Stopping one thread of another process for a moment.

mod restart;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::ptrace;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::Pid;

/// A thread on a CPU reports its stop within this time. One that has not is off the CPU or inside the kernel: it can
/// not run another instruction of the program before it stops, so its memory is still.
const REPORT_WITHIN: Duration = Duration::from_micros(30);

/// At the end late reports are waited for this long. On a busy machine it takes a thread some time to get a CPU; one that
/// has ended and is not collected keeps its process from ending for its parent.
const REPORT_AT_LAST: Duration = Duration::from_secs(5);

/// A late report is looked for at least this often: another thread of ours may have taken the signal that tells of it.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Why a thread could not be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has ended.
    Gone,
    /// We may not: somebody else traces it, or we lack the right.
    Denied,
}

/// What a thread's stop looks like to its tracer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Report {
    /// Not yet.
    None,
    /// It stands still; this signal was on its way to it and must be handed on, 0 for none. A bare number: the real-time
    /// signals have no names, and the C library has some of its own among them.
    Stopped(libc::c_int),
    /// It has ended.
    Ended,
}

/// Stops threads and lets them go. Between two holds nothing is attached: a thread that stays attached
/// stops at each signal, holds up an exec and delays its parent's `wait`.
///
/// Use it from one thread only: the kernel takes orders for a stopped thread only from the one that stopped it.
#[derive(Debug)]
pub struct Stopper {
    /// The process, if it is our own child: whoever started it wants its exit status, so its leader is not reaped here.
    child: Option<u32>,
    held: Vec<(u32, Report)>,
    /// Threads that were told to stop and let go before they reported it. They are detached as soon as they do.
    pending: Vec<u32>,
    /// The CPU that we run on, if we may use one only. A thread that may use only that one too does not run while we
    /// do: waiting for its report is of no use.
    only_cpu: Option<usize>,
    signals: SigSet,
}

/// Blocks SIGCHLD for the calling thread and those that it starts. Each stop of a thread that we trace sends one: where
/// a thread does not block it, it is woken for nothing.
pub fn block_child_signals() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    match signals.thread_swap_mask(SigmaskHow::SIG_BLOCK) {
        Ok(before) if !before.contains(Signal::SIGCHLD) => BLOCKED_BY_US.store(true, Ordering::Relaxed),
        Ok(_) => {}
        Err(errno) => log::warn!("could not block SIGCHLD: {errno}"),
    }
}

/// SIGCHLD was not blocked before we did it: programs that we start must not find it so.
static BLOCKED_BY_US: AtomicBool = AtomicBool::new(false);

/// Undoes [`block_child_signals`] in a program that is being started, between fork and exec: makes one system call.
pub(crate) fn unblock_child_signals() -> nix::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    if BLOCKED_BY_US.load(Ordering::Relaxed) { signals.thread_unblock() } else { Ok(()) }
}

impl Stopper {
    /// For the threads of a process. Blocks SIGCHLD for the calling thread, which is how it hears of late stops.
    pub fn new(pid: u32) -> Stopper {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGCHLD);
        block_child_signals();
        Stopper {
            child: is_child(pid).then_some(pid),
            held: Vec::new(),
            pending: Vec::new(),
            only_cpu: only_cpu(0),
            signals,
        }
    }

    /// Makes sure that a thread can not move until [`Stopper::release`]. Those that are held already stay so.
    pub fn hold(&mut self, tid: u32) -> Result<(), Refusal> {
        if self.held.iter().any(|held| held.0 == tid) {
            return Ok(());
        }
        if let Some(at) = self.pending.iter().position(|&pending| pending == tid) {
            // Still on its way to the stop that it was told to make: its memory is as still as it gets.
            self.pending.swap_remove(at);
            let report = self.report(tid);
            if report == Report::Ended {
                return Err(Refusal::Gone);
            }
            self.held.push((tid, report));
            return Ok(());
        }
        // A thread that is just ending says EPERM too.
        let refusal = |errno| if errno == Errno::ESRCH || is_ended(tid) { Refusal::Gone } else { Refusal::Denied };
        let pid = Pid::from_raw(tid as i32);
        ptrace::seize(pid, ptrace::Options::empty()).map_err(refusal)?;
        // From here on the thread is ours and must be let go whatever happens.
        if let Err(errno) = ptrace::interrupt(pid) {
            self.pending.push(tid);
            self.collect();
            return Err(refusal(errno));
        }
        let wait = self.only_cpu.is_none() || self.only_cpu != only_cpu(tid);
        let asked = Instant::now();
        loop {
            match self.report(tid) {
                Report::Ended => return Err(Refusal::Gone),
                Report::None if wait && asked.elapsed() < REPORT_WITHIN => std::hint::spin_loop(),
                report => {
                    self.held.push((tid, report));
                    return Ok(());
                }
            }
        }
    }

    fn report(&self, tid: u32) -> Report {
        report(tid, self.child == Some(tid))
    }

    /// Lets all held threads go.
    pub fn release(&mut self) {
        let mut late = false;
        while let Some((tid, report)) = self.held.pop() {
            match report {
                Report::Ended => {}
                Report::Stopped(signal) if let_go(tid, signal) => {}
                Report::Stopped(_) | Report::None => {
                    self.pending.push(tid);
                    late = true;
                }
            }
        }
        if late {
            self.collect();
        }
    }

    /// Detaches the threads that have reported since. Returns whether all have.
    pub fn collect(&mut self) -> bool {
        for tid in std::mem::take(&mut self.pending) {
            match self.report(tid) {
                Report::Ended => {}
                Report::Stopped(signal) if let_go(tid, signal) => {}
                Report::Stopped(_) | Report::None => self.pending.push(tid),
            }
        }
        self.pending.is_empty()
    }

    /// Waits until `deadline` at the latest for all threads that have not yet reported, so that none stands still
    /// longer than it must. Returns at once when there is none.
    pub fn collect_until(&mut self, deadline: Instant) {
        while !self.collect() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.await_child_signal(left.min(LOOK_AGAIN));
        }
    }

    /// Sleeps until a SIGCHLD comes (or came since the last call), or the time is over.
    fn await_child_signal(&self, at_most: Duration) {
        let time = libc::timespec {
            tv_sec: at_most.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(at_most.subsec_nanos()),
        };
        #[expect(unsafe_code, reason = "nix has no sigtimedwait")]
        // SAFETY: both pointers are to live values of the right types; no siginfo is asked for.
        unsafe {
            libc::sigtimedwait(self.signals.as_ref(), std::ptr::null_mut(), &raw const time);
        }
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.release();
        // What is still attached then is let go by the kernel when our thread ends.
        self.collect_until(Instant::now() + REPORT_AT_LAST);
    }
}

/// Lets a thread go that has reported its stop, with the signal that was on its way to it. False when it was killed
/// meanwhile: its end is still to be collected.
fn let_go(tid: u32, signal: libc::c_int) -> bool {
    if signal == 0 {
        restart::cut_short_call(tid);
    }
    match detach(tid, signal) {
        Ok(()) => true,
        Err(Errno::ESRCH) => false,
        Err(errno) => {
            log::warn!("could not let thread {tid} go: {errno}");
            true
        }
    }
}

/// `PTRACE_DETACH` with a signal that is delivered with it, 0 for none.
fn detach(tid: u32, signal: libc::c_int) -> Result<(), Errno> {
    #[expect(unsafe_code, reason = "nix knows no real-time signals")]
    // SAFETY: the request reads and writes no memory of ours; its last argument is a number and not a pointer.
    let result = unsafe {
        let number = signal as usize as *mut libc::c_void;
        libc::ptrace(libc::PTRACE_DETACH, tid as libc::pid_t, std::ptr::null_mut::<libc::c_void>(), number)
    };
    Errno::result(result).map(drop)
}

/// Asks, without waiting, whether an attached thread has stopped or ended. With `keep` a thread that ended is not
/// reaped.
fn report(tid: u32, keep: bool) -> Report {
    // Both in one question: a stop of an attached thread is told whatever is asked for, and only once.
    let flags = libc::WNOHANG | libc::WSTOPPED | libc::WEXITED | libc::__WALL | if keep { libc::WNOWAIT } else { 0 };
    match wait(tid, flags) {
        Ok(None) => Report::None,
        Ok(Some((libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED, _))) | Err(_) => Report::Ended,
        // A stop that we asked for, or job control, has an event in the second byte; else it is a signal on its way.
        Ok(Some((_, status))) => Report::Stopped(if status >> 8 == 0 { status } else { 0 }),
    }
}

/// True when a thread has ended, whether or not somebody has taken note.
fn is_ended(tid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{tid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with(['Z', 'X', 'x']))
}

/// The CPU that a thread may use, if it is one only; 0 is ourselves.
fn only_cpu(tid: u32) -> Option<usize> {
    let set = sched_getaffinity(Pid::from_raw(tid as i32)).ok()?;
    let mut cpus = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false));
    let first = cpus.next()?;
    cpus.next().is_none().then_some(first)
}

/// True when a process is our child, so that its status is wanted by ourselves.
fn is_child(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = status.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
    parent.and_then(|text| text.parse().ok()) == Some(std::process::id())
}

/// `waitid` for one thread: the code and status of what happened, if anything did.
fn wait(tid: u32, flags: libc::c_int) -> Result<Option<(libc::c_int, libc::c_int)>, Errno> {
    #[expect(unsafe_code, reason = "nix turns stops of attached threads into a type that loses the event")]
    // SAFETY: `siginfo_t` is plain data, for which all zeroes is a valid value; the pointer to it is live; its fields
    // are those of a SIGCHLD, which is what waitid fills in.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        if libc::waitid(libc::P_PID, tid, &raw mut info, flags) < 0 {
            return Err(Errno::last());
        }
        Ok((info.si_pid() != 0).then(|| (info.si_code, info.si_status())))
    }
}

#[cfg(test)]
mod tests;
