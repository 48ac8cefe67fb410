//! What a thread's stop looks like to its tracer.

use nix::errno::Errno;

/// What an attached thread has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// Nothing yet.
    None,
    /// It stands still because it was told to.
    Stopped,
    /// It stands still, and this signal was on its way to it and must be handed on. A bare number: the real-time signals
    /// have no names, and the C library has some of its own among them.
    Signal(libc::c_int),
    /// It stands still with its whole process, by job control.
    GroupStop,
    /// It has ended.
    Ended,
}

/// Asks, without waiting, whether an attached thread has stopped or ended. With `keep` a thread that ended is not
/// reaped.
pub(super) fn report(tid: u32, keep: bool) -> Report {
    // Both in one question: a stop of an attached thread is told whatever is asked for. It is only looked at (WNOWAIT):
    // with a report that was taken goes the signal that was on its way, if we are killed before we have handed it on.
    match wait(tid, libc::WNOHANG | libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT | libc::__WALL) {
        Ok(None) => Report::None,
        Ok(Some((libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED, _))) => {
            if !keep {
                take_note_of_end(tid);
            }
            Report::Ended
        }
        Err(_) => Report::Ended,
        // A stop that is no signal's has an event in the second byte, and then the signal says which stop it is.
        Ok(Some((_, status))) => match (status >> 8, status & 0xff) {
            (0, signal) => Report::Signal(signal),
            (libc::PTRACE_EVENT_STOP, signal) if signal != libc::SIGTRAP => Report::GroupStop,
            _ => Report::Stopped,
        },
    }
}

/// Takes note of the end of an attached thread, if it has ended. A stop is left for [`report`] to tell.
pub(super) fn take_note_of_end(tid: u32) {
    let flags = libc::WNOHANG | libc::WEXITED | libc::__WALL;
    if let Ok(Some((libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED, _))) = wait(tid, flags | libc::WNOWAIT) {
        // Nothing but its end can be told of it any more.
        let _ = wait(tid, flags);
    }
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
