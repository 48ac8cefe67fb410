//! What the kernel says in `/proc` of a thread that is stopped or to be stopped.

/// True when a thread has ended, whether or not somebody has taken note.
pub(super) fn is_ended(tid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{tid}/stat")) {
        Ok(stat) => stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with(['Z', 'X', 'x'])),
        Err(why) => is_gone(&why),
    }
}

/// True for what the files of a thread that is no more say; there may be other reasons why they can not be read.
fn is_gone(why: &std::io::Error) -> bool {
    matches!(why.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

/// True when a process is our child, so that its status is wanted by ourselves.
pub(super) fn is_child(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = status.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
    parent.and_then(|text| text.parse().ok()) == Some(std::process::id())
}

/// True when a thread of ours is attached to a thread.
pub(super) fn is_traced_by_us(tid: u32) -> bool {
    let status = match std::fs::read_to_string(format!("/proc/{tid}/status")) {
        Ok(status) => status,
        Err(why) => return !is_gone(&why),
    };
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    // It names the thread that did it, which is the one that asks.
    tracer.and_then(|tracer| tracer.trim().parse().ok()) == Some(nix::unistd::gettid().as_raw())
}
