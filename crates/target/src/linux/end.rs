//! The end of a process.

use std::os::fd::{FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Tells when a process ends, at once and without asking again and again.
#[derive(Debug)]
pub struct ProcessEnd(OwnedFd);

impl ProcessEnd {
    /// Of a process; `None` when there is none, or the kernel (before 5.3) can not tell.
    pub fn of(pid: u32) -> Option<ProcessEnd> {
        #[expect(unsafe_code, reason = "nix has no pidfd_open")]
        // SAFETY: the call takes two integers; what it returns is a new descriptor that nobody else has.
        let handle = unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
            (fd >= 0).then(|| OwnedFd::from_raw_fd(fd as i32))
        };
        handle.map(ProcessEnd)
    }

    /// Waits until the process has ended, or until `deadline`. Returns whether it has ended.
    pub fn wait_until(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_hours(1));
        let time = libc::timespec { tv_sec: left.as_secs() as libc::time_t, tv_nsec: left.subsec_nanos().into() };
        let mut poll = libc::pollfd { fd: std::os::fd::AsRawFd::as_raw_fd(&self.0), events: libc::POLLIN, revents: 0 };
        #[expect(unsafe_code, reason = "nix rounds the time to milliseconds")]
        // SAFETY: one live pollfd, a live timespec, and no signal mask.
        let ready = unsafe { libc::ppoll(&raw mut poll, 1, &raw const time, std::ptr::null()) };
        ready > 0
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_end_is_heard() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let end = ProcessEnd::of(child.id()).expect("it lives");
        assert!(!end.wait_until(Instant::now()));
        drop(child.stdin.take());
        assert!(end.wait_until(Instant::now() + Duration::from_mins(1)));
        child.wait().expect("reaped");
        assert!(ProcessEnd::of(child.id()).is_none());
    }
}
