//! What a thread waits for in the kernel, in words.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// Lines of a socket table that are read.
const MAX_SOCKETS: usize = 100_000;

/// System calls in which threads rest, by their numbers on x86-64 (`arch/x86/entry/syscalls/syscall_64.tbl`); `true` when the
/// first argument is a file descriptor.
const CALLS: &[(u64, &str, bool)] = &[
    (0, "read", true),
    (1, "write", true),
    (7, "poll", false),
    (16, "ioctl", true),
    (17, "pread64", true),
    (18, "pwrite64", true),
    (19, "readv", true),
    (20, "writev", true),
    (23, "select", false),
    (34, "pause", false),
    (35, "nanosleep", false),
    (42, "connect", true),
    (43, "accept", true),
    (44, "sendto", true),
    (45, "recvfrom", true),
    (46, "sendmsg", true),
    (47, "recvmsg", true),
    (61, "wait4", false),
    (72, "fcntl", true),
    (73, "flock", true),
    (74, "fsync", true),
    (75, "fdatasync", true),
    (127, "rt_sigpending", false),
    (128, "rt_sigtimedwait", false),
    (130, "rt_sigsuspend", false),
    (202, "futex", false),
    (219, "restart_syscall", false),
    (230, "clock_nanosleep", false),
    (232, "epoll_wait", true),
    (247, "waitid", false),
    (257, "openat", false),
    (270, "pselect6", false),
    (271, "ppoll", false),
    (281, "epoll_pwait", true),
    (288, "accept4", true),
    (299, "recvmmsg", true),
    (426, "io_uring_enter", true),
    (441, "epoll_pwait2", true),
    (449, "futex_waitv", false),
];

/// `AF_INET` tables and their states (`include/net/tcp_states.h`).
const LISTENS: &str = "0A";

/// A system call that a thread is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name, or `syscall N`.
    pub name: String,
    /// For a `futex` the address that it waits at.
    pub futex: Option<u64>,
    /// The file descriptor that it is about, and what that is: `fd 7 -> socket 10.0.0.1:5432`.
    pub file: Option<String>,
}

impl std::fmt::Display for Call {
    /// `read fd 7 -> socket 10.0.0.1:5432`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        self.file.as_ref().map_or(Ok(()), |file| write!(f, " {file}"))
    }
}

impl Call {
    /// The call that a thread is in; `None` when it runs, is in none, or may not be asked (`/proc/PID/task/TID/syscall`).
    pub fn of(pid: u32, tid: u32) -> Option<Call> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let text = fs::read_to_string(process.join(format!("task/{tid}/syscall"))).ok()?;
        let mut words = text.split_whitespace();
        let number: u64 = words.next()?.parse().ok()?;
        let first = words.next().and_then(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok());
        Some(Call::new(number, first, |fd| file(&process, fd)))
    }

    /// The call with this number and first argument, of a process that is dead.
    pub(crate) fn of_number(number: u64, first: Option<u64>) -> Call {
        Call::new(number, first, |fd| format!("fd {fd}"))
    }

    fn new(number: u64, first: Option<u64>, file: impl Fn(u32) -> String) -> Call {
        let known = CALLS.iter().find(|call| call.0 == number);
        let name = known.map_or_else(|| format!("syscall {number}"), |call| call.1.to_owned());
        let file = known.filter(|call| call.2).and(first).map(|fd| file(fd as u32));
        Call { futex: first.filter(|_| name == "futex"), name, file }
    }
}

/// `fd 7 -> socket 10.0.0.1:5432`.
fn file(process: &Path, fd: u32) -> String {
    let Ok(target) = fs::read_link(process.join(format!("fd/{fd}"))) else { return format!("fd {fd}") };
    let target = target.display().to_string();
    let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
    match inode.and_then(|inode| socket(process, inode)) {
        Some(socket) => format!("fd {fd} -> {socket}"),
        None => format!("fd {fd} -> {target}"),
    }
}

/// What a socket is connected to, from the tables of its network namespace.
fn socket(process: &Path, inode: &str) -> Option<String> {
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let Ok(text) = fs::read_to_string(process.join("net").join(table)) else { continue };
        for line in text.lines().skip(1).take(MAX_SOCKETS) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, remote, state, ..] = fields[..] else { continue };
            if fields.get(9) == Some(&inode) {
                return Some(match state {
                    LISTENS => format!("socket that listens at {}", address(local)?),
                    _ if remote.ends_with(":0000") => format!("{table} socket at {}", address(local)?),
                    _ => format!("socket {}", address(remote)?),
                });
            }
        }
    }
    let text = fs::read_to_string(process.join("net/unix")).ok()?;
    let line = text.lines().skip(1).take(MAX_SOCKETS).find(|line| line.split_whitespace().nth(6) == Some(inode))?;
    Some(match line.split_whitespace().nth(7) {
        Some(path) => format!("unix socket {path}"),
        None => "unix socket".to_owned(),
    })
}

/// An address as the tables have it: words of 32 bits in the order of the machine, and a port.
fn address(text: &str) -> Option<String> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for word in host.as_bytes().chunks_exact(8) {
        bytes.extend(u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok()?.to_le_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(&*bytes) {
        return Some(format!("{}:{port}", Ipv4Addr::from(four)));
    }
    let six = Ipv6Addr::from(<[u8; 16]>::try_from(&*bytes).ok()?);
    Some(six.to_ipv4_mapped().map_or_else(|| format!("[{six}]:{port}"), |four| format!("{four}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_of_the_tables() {
        assert_eq!(address("0100007F:1538").as_deref(), Some("127.0.0.1:5432"));
        assert_eq!(address("00000000000000000000000001000000:0050").as_deref(), Some("[::1]:80"));
        assert_eq!(address("0000000000000000FFFF00000100000A:0016").as_deref(), Some("10.0.0.1:22"));
        for text in ["", "x", "0100007F", "0100007F:zz", "01:0050"] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
