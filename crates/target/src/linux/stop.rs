//! Stopping threads of another process for a moment.

mod orders;
mod pending;
mod reaper;
mod registers;
mod report;
mod restart;
mod signals;
mod status;

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::SigSet;

use super::affinity::Affinity;
use crate::Durations;
use pending::Pending;
use reaper::Reaper;
use registers::UserRegisters;
use report::Report;
pub use signals::block_child_signals;
pub(crate) use signals::unblock_child_signals;
use status::{is_child, is_ended, is_traced_by_us};

/// A thread on a CPU reports its stop within this time. One that has not is off the CPU or inside the kernel: it can
/// not run another instruction of the program before it stops, so its memory is still.
const REPORT_WITHIN: Duration = Duration::from_micros(30);

/// A thread that was held this often, one time after the other and nobody else, is stayed attached to.
const STAY_AFTER: u32 = 8;

/// After something else than our own stop happened to a thread that we stayed attached to, none is stayed attached to
/// for this long: a program that gets many signals must not have each of them pass through us.
const REST: Duration = Duration::from_millis(20);

/// Why a thread could not be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has ended.
    Gone,
    /// We may not: somebody else traces it, or we lack the right.
    Denied,
}

/// A thread that is kept from moving.
#[derive(Debug, Clone, Copy)]
struct Held {
    tid: u32,
    report: Report,
    since: Instant,
    /// At this stop, if somebody asked.
    registers: Option<UserRegisters>,
}

/// Stops threads and lets them go. Between two holds nothing is attached: a thread that stays attached
/// stops at each signal, holds up an exec and delays its parent's `wait`. At high rates
/// [`Stopper::stay_attached`] makes an exception.
///
/// Use it from one thread only: the kernel takes orders for a stopped thread only from the one that stopped it.
#[derive(Debug)]
pub struct Stopper {
    pid: u32,
    /// The process is our own child: whoever started it wants its exit status, so its leader is not reaped here.
    is_child: bool,
    held: Vec<Held>,
    /// Threads that were told to stop and let go before they reported it. They are detached as soon as they do.
    pending: Vec<Pending>,
    /// Whether a thread may stay attached between holds.
    stays: bool,
    /// The thread that runs and has stayed attached.
    attached: Option<u32>,
    /// The last thread that was held alone, and how often in a row.
    in_a_row: (u32, u32),
    rest_until: Option<Instant>,
    restart: bool,
    affinity: Affinity,
    reaper: Reaper,
    signals: SigSet,
    still: Durations,
    late: u64,
}

impl Stopper {
    /// For the threads of a process. Blocks SIGCHLD for the calling thread, which is how it hears of late stops.
    pub fn new(pid: u32) -> Stopper {
        block_child_signals();
        Stopper {
            pid,
            is_child: is_child(pid),
            held: Vec::new(),
            pending: Vec::new(),
            stays: false,
            attached: None,
            in_a_row: (0, 0),
            rest_until: None,
            restart: true,
            affinity: Affinity::default(),
            reaper: Reaper::default(),
            signals: signals::child_signal(),
            still: Durations::default(),
            late: 0,
        }
    }

    /// Whether a system call that a stop cut short is begun again through the thread's registers. It is, unless told
    /// otherwise.
    pub fn restart_calls(&mut self, restart: bool) {
        self.restart = restart;
    }

    /// Whether a thread that is held again and again, and nobody else, is stayed attached to in between, which makes the
    /// next hold cheaper. Whoever asks for it must call [`Stopper::attend`] all the time, at least once a millisecond.
    pub fn stay_attached(&mut self, stay: bool) {
        self.stays = stay;
    }

    /// True when some thread is attached that is not held: [`Stopper::attend`] is to be called.
    pub fn is_attached(&self) -> bool {
        self.attached.is_some() || !self.pending.is_empty()
    }

    /// For how long threads stood still for us, each hold by itself, from the order to stop until they were let go.
    /// Those that were not on a CPU then are not in it, for we took nothing from them.
    pub fn still(&self) -> &Durations {
        &self.still
    }

    /// Holds of threads that did not report their stop in time: they were off the CPU.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Makes sure that a thread can not move until [`Stopper::release`]. Those that are held already stay so.
    pub fn hold(&mut self, tid: u32) -> Result<(), Refusal> {
        if self.held.iter().any(|held| held.tid == tid) {
            return Ok(());
        }
        if let Some(at) = self.pending.iter().position(|pending| pending.tid == tid) {
            // Still on its way to the stop that it was told to make, perhaps just now.
            let asked = self.pending.swap_remove(at).asked;
            self.stay_no_longer();
            return self.await_stop(tid, Instant::now(), asked);
        }
        // A thread that is just ending says EPERM too.
        let refusal = |errno| if errno == Errno::ESRCH || is_ended(tid) { Refusal::Gone } else { Refusal::Denied };
        if self.attached != Some(tid) {
            self.stay_no_longer();
            match self.seize(tid) {
                // Another thread that we are attached to has run another program and has taken over this id. What there is of
                // it under its old id ends with its next report.
                Err(Errno::EPERM) if is_traced_by_us(tid) => {}
                result => result.map_err(refusal)?,
            }
        }
        // From here on the thread is ours and must be let go whatever happens.
        self.attached = None;
        let since = Instant::now();
        if let Err(errno) = orders::interrupt(tid) {
            self.expect(tid, since);
            self.collect();
            return Err(refusal(errno));
        }
        // Not a moment earlier: before the order it runs, however long it took us to give it.
        self.await_stop(tid, since, Instant::now())
    }

    /// The registers of a thread that is held: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip (the order of DWARF).
    /// Only a thread that has reported its stop can be asked for them: one that was off the CPU is waited for, so long at
    /// most.
    pub fn registers(&mut self, tid: u32, within: Duration) -> Option<[u64; 17]> {
        let at = self.held.iter().position(|held| held.tid == tid)?;
        let deadline = Instant::now() + within;
        while self.held[at].report == Report::None {
            let (report, now) = (self.report(tid), Instant::now());
            if report != Report::None {
                // Until now it waited for a CPU, and not for us.
                (self.held[at].report, self.held[at].since) = (report, now);
                break;
            }
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return None;
            }
            signals::await_child_signal(&self.signals, left.min(pending::LOOK_AGAIN));
        }
        let registers = registers::ask(tid)?;
        self.held[at].registers = Some(registers);
        Some(registers::in_order(&registers))
    }

    /// Waits until a thread that had been told to stop when it was `asked` can not move any more.
    fn await_stop(&mut self, tid: u32, since: Instant, asked: Instant) -> Result<(), Refusal> {
        let mut shared = None;
        loop {
            let report = self.report(tid);
            match report {
                Report::Ended => return Err(Refusal::Gone),
                // One that shares our only CPU does not run while we do.
                Report::None
                    if asked.elapsed() < REPORT_WITHIN
                        && !*shared.get_or_insert_with(|| self.affinity.is_shared_with(tid, since)) =>
                {
                    std::hint::spin_loop();
                }
                _ => {
                    self.held.push(Held { tid, report, since, registers: None });
                    return Ok(());
                }
            }
        }
    }

    fn seize(&mut self, tid: u32) -> Result<(), Errno> {
        let others = self.held.iter().map(|held| held.tid).chain(self.pending.iter().map(|pending| pending.tid));
        let others = others.filter(|&other| other != self.pid).collect();
        self.reaper.watch_over(others, || match orders::seize(tid) {
            // The first thread of a process in which another one has just begun to run another program was replaced by that
            // one, and is not what it was when the kernel began to look.
            Err(Errno::EPERM) => orders::seize(tid),
            result => result,
        })
    }

    /// Asks what a thread has to say. When it has ended, whatever it leaves behind is taken care of.
    fn report(&mut self, tid: u32) -> Report {
        let report = report::report(tid, self.is_child && self.pid == tid);
        // A thread that runs another program in its process's place takes over the id of the process's first thread, and
        // is still attached: under that id it waits to be let go.
        if report == Report::Ended && tid != self.pid && orders::interrupt(self.pid).is_ok() {
            let held = self.held.iter().any(|held| held.tid == self.pid);
            let pending = self.pending.iter().any(|pending| pending.tid == self.pid);
            if !held && !pending && self.attached != Some(self.pid) {
                self.expect(self.pid, Instant::now());
            }
        }
        report
    }

    /// Lets all held threads go.
    pub fn release(&mut self) {
        let alone = self.held.len() == 1;
        while let Some(Held { tid, report, since, registers }) = self.held.pop() {
            let stays = alone && self.stays_with(tid, report, since);
            let gone = if stays { self.go_on(tid, registers) } else { self.let_go(tid, report, registers) };
            match report {
                Report::None => self.late += 1,
                _ => self.still.add(since.elapsed()),
            }
            if !gone {
                self.expect(tid, since);
            }
        }
        if !self.pending.is_empty() {
            self.collect();
        }
    }

    /// Decides whether a thread that is let go stays attached.
    fn stays_with(&mut self, tid: u32, report: Report, now: Instant) -> bool {
        let before = if self.in_a_row.0 == tid { self.in_a_row.1 } else { 0 };
        self.in_a_row = (tid, if report == Report::Stopped { before.saturating_add(1) } else { 0 });
        self.stays
            && self.attached.is_none()
            && self.in_a_row.1 >= STAY_AFTER
            && self.rest_until.take_if(|until| *until <= now).is_none()
            && self.rest_until.is_none()
    }

    /// Lets a thread run and stays attached. False when it must still be collected.
    fn go_on(&mut self, tid: u32, registers: Option<UserRegisters>) -> bool {
        if self.restart {
            restart::cut_short_call(tid, registers);
        }
        let done = orders::go_on(tid);
        if done.is_ok() {
            self.attached = Some(tid);
        }
        done.is_ok()
    }

    /// Lets a thread go that has stopped, with the signal that was on its way to it. False when it has not stopped yet, or
    /// was killed meanwhile: its end is still to be collected.
    fn let_go(&mut self, tid: u32, report: Report, registers: Option<UserRegisters>) -> bool {
        let signal = match report {
            Report::None => return false,
            Report::Ended => return true,
            Report::Signal(signal) => signal,
            Report::GroupStop | Report::Stopped => 0,
        };
        if self.restart && report != Report::GroupStop {
            restart::cut_short_call(tid, registers);
        }
        match orders::detach(tid, signal) {
            Ok(()) => true,
            // It was killed, or was the first thread of a process that another one has taken over.
            Err(Errno::ESRCH) => !is_traced_by_us(tid),
            Err(errno) => {
                log::warn!("could not let thread {tid} go: {errno}");
                true
            }
        }
    }

    /// Stops to be attached to the thread that has stayed so. It has to stop for that; it is let go as soon as it has.
    fn stay_no_longer(&mut self) {
        if let Some(tid) = self.attached.take() {
            // If it has ended, that is what it will report.
            let _ = orders::interrupt(tid);
            self.expect(tid, Instant::now());
        }
    }

    /// Lets threads run on that have stopped since: the one that stays attached, at a signal for instance, and those that
    /// have not yet reported the stop that they were told to make.
    pub fn attend(&mut self) {
        if let Some(tid) = self.attached {
            let report = self.report(tid);
            if report != Report::None {
                self.attached = None;
                self.rest_until = Some(Instant::now() + REST);
                if !self.let_go(tid, report, None) {
                    self.expect(tid, Instant::now());
                }
            }
        }
        self.collect();
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        // What is still attached then is let go by the kernel when our thread ends.
        self.let_all_go();
    }
}

#[cfg(test)]
mod tests;
