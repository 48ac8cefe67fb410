//! A system call that our stop cut short is begun again, as the kernel does by itself for most of them.
//!
//! Some calls (`epoll_wait`, `accept` with a time limit, `sigtimedwait`, `semtimedop`; signal(7)) end with EINTR when
//! their thread is stopped, though no signal came. Python retries them from 3.5 on (PEP 475), earlier versions and C
//! libraries do not. A look at what the thread is doing before the stop is a race; the registers at the stop are not.

#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::cut_short_call;

/// Elsewhere nothing is repaired.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn cut_short_call(_tid: u32) {}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use nix::errno::Errno;
    use nix::sys::ptrace::{getregs, setregs};
    use nix::unistd::Pid;

    /// What the kernel has in `orig_rax` outside of system calls.
    const NO_CALL: u64 = u64::MAX;

    /// Bytes of the instruction `syscall`.
    const CALL_LENGTH: u64 = 2;

    /// Makes a stopped thread begin its system call again if that has just ended for no other reason than our stop. Two
    /// registers are written, as the kernel would; a time limit starts anew. When a signal waits for the thread, the
    /// EINTR is that signal's.
    pub(in super::super) fn cut_short_call(tid: u32) {
        let pid = Pid::from_raw(tid as i32);
        let Ok(mut registers) = getregs(pid) else { return };
        if registers.orig_rax == NO_CALL || registers.rax as i64 != -(Errno::EINTR as i64) || signal_waits(tid) {
            return;
        }
        registers.rax = registers.orig_rax;
        registers.rip -= CALL_LENGTH;
        registers.orig_rax = NO_CALL;
        if let Err(errno) = setregs(pid, registers) {
            log::debug!("thread {tid}: a system call was not begun again: {errno}");
        }
    }

    /// True when a signal that the thread does not block waits for it or for its process.
    fn signal_waits(tid: u32) -> bool {
        let Ok(status) = std::fs::read_to_string(format!("/proc/{tid}/status")) else { return true };
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(u64::MAX)
        };
        (set("SigPnd:") | set("ShdPnd:")) & !set("SigBlk:") != 0
    }
}
