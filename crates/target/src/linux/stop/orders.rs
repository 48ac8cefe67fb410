//! What a tracer tells a thread.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// Attaches to a thread without stopping it.
pub(super) fn seize(tid: u32) -> Result<(), Errno> {
    ptrace::seize(Pid::from_raw(tid as i32), ptrace::Options::empty())
}

/// Tells an attached thread to stop. ESRCH when it is not attached.
pub(super) fn interrupt(tid: u32) -> Result<(), Errno> {
    ptrace::interrupt(Pid::from_raw(tid as i32))
}

/// Lets a stopped thread run, and stays attached.
pub(super) fn go_on(tid: u32) -> Result<(), Errno> {
    ptrace::cont(Pid::from_raw(tid as i32), None)
}

/// Lets a stopped thread run, with a signal that is delivered then, 0 for none, and is attached no longer.
pub(super) fn detach(tid: u32, signal: libc::c_int) -> Result<(), Errno> {
    #[expect(unsafe_code, reason = "nix knows no real-time signals")]
    // SAFETY: the request reads and writes no memory of ours; its last argument is a number and not a pointer.
    let result = unsafe {
        let number = signal as usize as *mut libc::c_void;
        libc::ptrace(libc::PTRACE_DETACH, tid as libc::pid_t, std::ptr::null_mut::<libc::c_void>(), number)
    };
    Errno::result(result).map(drop)
}
