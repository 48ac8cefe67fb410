//! The registers of a stopped thread.

/// As the kernel gives them.
#[cfg(target_arch = "x86_64")]
pub(super) type UserRegisters = libc::user_regs_struct;

/// Elsewhere they are not known.
#[cfg(not(target_arch = "x86_64"))]
pub(super) type UserRegisters = std::convert::Infallible;

/// Asks for those of a thread that has reported its stop.
#[cfg(target_arch = "x86_64")]
pub(super) fn ask(tid: u32) -> Option<UserRegisters> {
    nix::sys::ptrace::getregs(nix::unistd::Pid::from_raw(tid as i32)).ok()
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn ask(_tid: u32) -> Option<UserRegisters> {
    None
}

/// In the order of DWARF: see [`super::Stopper::registers`].
#[cfg(target_arch = "x86_64")]
pub(super) fn in_order(r: &UserRegisters) -> [u64; 17] {
    [
        r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15,
        r.rip,
    ]
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn in_order(registers: &UserRegisters) -> [u64; 17] {
    match *registers {}
}
