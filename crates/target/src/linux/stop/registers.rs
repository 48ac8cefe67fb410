//! The registers of a stopped thread.

#[cfg(target_arch = "x86_64")]
pub(super) fn registers(tid: u32) -> Option<[u64; 17]> {
    let r = nix::sys::ptrace::getregs(nix::unistd::Pid::from_raw(tid as i32)).ok()?;
    Some([
        r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15,
        r.rip,
    ])
}

/// Elsewhere they are not known.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn registers(_tid: u32) -> Option<[u64; 17]> {
    None
}
