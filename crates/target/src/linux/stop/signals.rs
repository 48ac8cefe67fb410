//! SIGCHLD, which tells that an attached thread has stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// Blocks SIGCHLD for the calling thread and those that it starts. Each stop of a thread that we trace sends one: where
/// a thread does not block it, it is woken for nothing.
pub fn block_child_signals() {
    match child_signal().thread_swap_mask(SigmaskHow::SIG_BLOCK) {
        Ok(before) if !before.contains(Signal::SIGCHLD) => BLOCKED_BY_US.store(true, Ordering::Relaxed),
        Ok(_) => {}
        Err(errno) => log::warn!("could not block SIGCHLD: {errno}"),
    }
}

/// SIGCHLD was not blocked before we did it: programs that we start must not find it so.
static BLOCKED_BY_US: AtomicBool = AtomicBool::new(false);

/// Undoes [`block_child_signals`] in a program that is being started, between fork and exec: makes one system call.
pub(crate) fn unblock_child_signals() -> nix::Result<()> {
    if BLOCKED_BY_US.load(Ordering::Relaxed) { child_signal().thread_unblock() } else { Ok(()) }
}

pub(super) fn child_signal() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals
}

/// Sleeps until a SIGCHLD comes (or came since the last call), or the time is over.
pub(super) fn await_child_signal(signals: &SigSet, at_most: Duration) {
    let time = libc::timespec {
        tv_sec: at_most.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(at_most.subsec_nanos()),
    };
    #[expect(unsafe_code, reason = "nix has no sigtimedwait")]
    // SAFETY: both pointers are to live values of the right types; no siginfo is asked for.
    unsafe {
        libc::sigtimedwait(signals.as_ref(), std::ptr::null_mut(), &raw const time);
    }
}
