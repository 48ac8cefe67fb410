//! A system call that our stop cut short is begun again, as the kernel does by itself for most of them.
//!
//! Some calls (`epoll_wait`, `accept` with a time limit, `sigtimedwait`, `semtimedop`; signal(7)) end with EINTR when
//! their thread is stopped, though no signal came. Python retries them from 3.5 on (PEP 475), earlier versions and C
//! libraries do not. A look at what the thread is doing before the stop is a race; the registers at the stop are not.

#[cfg(not(target_arch = "x86_64"))]
use super::registers::UserRegisters;
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::cut_short_call;

/// Elsewhere nothing is repaired.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn cut_short_call(_tid: u32, _known: Option<UserRegisters>) {}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use nix::errno::Errno;
    use nix::sys::ptrace::setregs;
    use nix::unistd::Pid;

    use super::super::registers::{UserRegisters, ask};

    /// What the kernel has in `orig_rax` outside of system calls.
    const NO_CALL: u64 = u64::MAX;

    /// What a system call gives the kernel (`include/linux/errno.h`, never seen by programs) when it is to begin again
    /// unless a handler runs, and then to end with EINTR.
    const RESTART_UNLESS_HANDLED: i64 = -514;

    /// The calls that end with EINTR though no handler runs (signal(7)), some of them only with a time limit on their
    /// socket. No others: not all that end so may be begun again (`close`, `connect`).
    const CUT_SHORT: [libc::c_long; 19] = [
        libc::SYS_epoll_wait,
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_pwait2,
        libc::SYS_rt_sigtimedwait,
        libc::SYS_semop,
        libc::SYS_semtimedop,
        libc::SYS_accept,
        libc::SYS_accept4,
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_recvfrom,
        libc::SYS_recvmsg,
        libc::SYS_recvmmsg,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_sendmmsg,
        libc::SYS_msgrcv,
    ];

    /// Makes a stopped thread begin its system call again if that has just ended for no other reason than our stop. One
    /// register is written. The kernel decides when it lets the thread go, and knows whether a handler runs: to look
    /// at the signals that wait, before that, misses those that come after it. Its registers at this stop are asked for if they are
    /// not `known`.
    pub(in super::super) fn cut_short_call(tid: u32, known: Option<UserRegisters>) {
        let Some(mut registers) = known.or_else(|| ask(tid)) else { return };
        let interrupted = registers.orig_rax != NO_CALL && registers.rax as i64 == -(Errno::EINTR as i64);
        if !interrupted || !CUT_SHORT.iter().any(|&call| call as u64 == registers.orig_rax) {
            return;
        }
        registers.rax = RESTART_UNLESS_HANDLED as u64;
        if let Err(errno) = setregs(Pid::from_raw(tid as i32), registers) {
            log::debug!("thread {tid}: a system call was not begun again: {errno}");
        }
    }
}
