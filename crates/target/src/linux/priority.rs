//! Who goes first.

/// How much the calling thread steps back. With it, another one that wants its CPU has nine times its share (`sched(7)`).
const NICE: libc::c_int = 10;

/// Has the calling thread, and no other of ours, step back for those that can not wait (`setpriority(2)`: of threads on Linux).
pub fn step_back() {
    #[expect(unsafe_code, reason = "nix has no setpriority")]
    // SAFETY: it takes three numbers and no memory; who 0 is the calling thread.
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    if done != 0 {
        log::debug!("a thread does not step back: {}", std::io::Error::last_os_error());
    }
}
