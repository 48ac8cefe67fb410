//! Why the kernel takes no samples for us.

use std::io;

use py_spy_target::Refused;

/// Why the kernel takes no samples for us.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The interpreter's frames can not be followed by a program.
    #[error("no program is known for this interpreter")]
    Layout,
    /// A map was refused.
    #[error("{}: {_0}", map_refused(_0))]
    Map(io::Error),
    /// The program was refused.
    #[error("{}: {_0}", program_refused(_0))]
    Program(#[from] Refused),
    /// A timer was refused.
    #[error("{}: {_0}", event_refused(_0))]
    Event(io::Error),
    /// Threads come faster than they can be listed.
    #[error("its threads come faster than they can be listed")]
    Restless,
    /// The process can not be looked at.
    #[error("its PID namespace is not known: {0}")]
    Namespace(io::Error),
}

fn map_refused(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(ENOSYS) => "the kernel has no eBPF",
        Some(EINVAL) => "the kernel has no ring buffers (before 5.8)",
        _ => "maps are not allowed (CAP_BPF)",
    }
}

fn program_refused(refused: &Refused) -> &'static str {
    match refused.error.raw_os_error() {
        Some(EPERM) => "the program is not allowed (CAP_PERFMON, or the kernel is locked down)",
        _ => "the verifier does not take the program",
    }
}

fn event_refused(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(EACCES | EPERM) => "timers are not allowed (kernel.perf_event_paranoid, CAP_PERFMON)",
        Some(EINVAL) => "the kernel's timers do not go on in new threads (before 5.13)",
        Some(EMFILE) => "it has more threads than we may have files open",
        _ => "a timer was refused",
    }
}

const EPERM: i32 = 1;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;
const EMFILE: i32 = 24;
const ENOSYS: i32 = 38;
