//! Whether `/proc` tells of the processes that we can look at.

use std::path::Path;

/// Why `/proc` is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProcError {
    /// It is not there.
    #[error("/proc is not mounted: nothing can be known of any process")]
    Missing,
    /// It has been mounted in another PID namespace: a process has another id there than for our system calls, and the
    /// id that is given would stand for two processes.
    #[error("/proc belongs to another PID namespace than py-spy: process ids mean other processes there")]
    Foreign,
}

impl ProcError {
    /// What the user can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            ProcError::Missing => "mount it as root: `mount -t proc proc /proc`",
            ProcError::Foreign => {
                "mount the own one, in a mount namespace of its own: `unshare --mount --mount-proc py-spy ...`; \
                 or run py-spy where /proc comes from (the host), with the ids of there"
            }
        }
    }
}

/// Makes sure that `/proc` is there and numbers the processes as the kernel does for us.
///
/// # Errors
/// When that is not so: then nothing may be looked at.
pub fn check_proc() -> Result<(), ProcError> {
    match std::fs::read_to_string("/proc/self/status") {
        Ok(status) => check(&status, std::process::id()),
        // There is always a version in it, where we are no process of its namespace too.
        Err(_) if Path::new("/proc/version").exists() => Err(ProcError::Foreign),
        Err(_) => Err(ProcError::Missing),
    }
}

/// `NSpid` has our id in the namespace of this `/proc` and in each one below, down to our own (`proc_pid_status(5)`); kernels before 4.1
/// have no such line.
fn check(status: &str, own: u32) -> Result<(), ProcError> {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let ids: Vec<&str> = field("NSpid:").or_else(|| field("Pid:")).unwrap_or_default().split_whitespace().collect();
    if ids.len() == 1 && ids[0].parse() == Ok(own) { Ok(()) } else { Err(ProcError::Foreign) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_other_namespaces_are_noticed() {
        assert_eq!(check_proc(), Ok(()));
        let cases = [
            ("Pid:\t7\nNSpid:\t7\n", Ok(())),
            ("Pid:\t7\n", Ok(())),
            ("Pid:\t8\n", Err(ProcError::Foreign)),
            ("Pid:\t7\nNSpid:\t7\t7\n", Err(ProcError::Foreign)),
            ("Pid:\t900\nNSpid:\t900\t30\t7\n", Err(ProcError::Foreign)),
            ("", Err(ProcError::Foreign)),
        ];
        for (status, expected) in cases {
            assert_eq!(check(status, 7), expected, "{status:?}");
        }
    }
}
