//! What the kernel says of a process.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use py_spy_address_space::Mapping;

use super::tasks::own_id;

/// A process of this system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Process id.
    pub pid: u32,
    /// When it was started, in clock ticks since boot: tells it from another with the same id.
    pub(super) start_time: u64,
}

/// Why nothing can be said of a process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is none with this id.
    #[error("there is no process {0}")]
    None(u32),
    /// There is one, but `/proc` does not show it to us.
    #[error("process {0} is hidden from this user")]
    Hidden(u32),
    /// It has ended and waits for its parent.
    #[error("process {0} has ended and waits for its parent to notice (zombie)")]
    Zombie(u32),
    /// A thread of the kernel.
    #[error("process {0} ({1}) is a thread of the kernel")]
    Kernel(u32, String),
    /// `/proc` could not be read.
    #[error("could not read /proc/{0}: {1}")]
    Proc(u32, #[source] io::Error),
}

impl Target {
    /// A process by its id.
    pub fn find(pid: u32) -> Result<Target, ProcessError> {
        let stat = Stat::read(pid)?;
        if stat.is_kernel() {
            return Err(ProcessError::Kernel(pid, stat.name));
        }
        if stat.has_no_leader() {
            return Err(ProcessError::Zombie(pid));
        }
        Ok(Target { pid, start_time: stat.start_time })
    }

    /// A process that is not there.
    pub fn nobody(pid: u32) -> Target {
        Target { pid, start_time: u64::MAX }
    }

    /// True while the process lives and is no zombie.
    pub fn is_alive(&self) -> bool {
        Stat::read(self.pid).is_ok_and(|stat| stat.start_time == self.start_time && !stat.is_dead())
    }

    /// The process's name as the kernel has it: at most 15 bytes.
    pub fn name(&self) -> String {
        Stat::read(self.pid).map(|stat| stat.name).unwrap_or_default()
    }

    /// The executable's path, as the process sees it.
    pub fn executable(&self) -> io::Result<PathBuf> {
        std::fs::read_link(format!("/proc/{}/exe", self.pid))
    }

    /// The command line's words.
    pub fn command(&self) -> Vec<String> {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        words(&line)
    }

    /// Its id as it knows it itself: another one than ours if it is in a PID namespace of its own.
    pub fn own_pid(&self) -> u32 {
        own_id(Path::new("/proc"), self.pid).unwrap_or(self.pid)
    }

    /// Its memory map.
    pub fn mappings(&self) -> io::Result<Vec<Mapping>> {
        let maps = std::fs::read(format!("/proc/{}/maps", self.pid))?;
        Ok(String::from_utf8_lossy(&maps).lines().filter_map(Mapping::parse).collect())
    }

    /// A path of the memory map as the process has it. The kernel writes it as it is for us, if the process's root can be reached
    /// from ours (`chroot`) or is not that of its mount namespace, and the link to its root in the same way.
    pub(super) fn inside(&self, path: &Path) -> PathBuf {
        let root = std::fs::read_link(format!("/proc/{}/root", self.pid)).unwrap_or_default();
        path.strip_prefix(root).map_or_else(|_| path.to_owned(), |inside| Path::new("/").join(inside))
    }

    /// The working folder, as we can open it.
    pub fn working_folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/cwd", self.pid))
    }

    /// True when the process sees the same files as we do.
    pub fn same_root(&self) -> bool {
        let place = |pid: &str, what: &str| {
            std::fs::metadata(format!("/proc/{pid}/{what}")).map(|about| (about.dev(), about.ino())).ok()
        };
        let same = |what| place("self", what).is_some_and(|own| place(&self.pid.to_string(), what) == Some(own));
        same("root") && same("ns/mnt")
    }

    /// Who traces it, if anybody does.
    pub fn tracer(&self) -> Option<u32> {
        self.status_field("TracerPid:")?.parse().ok().filter(|&pid| pid != 0)
    }

    /// What one of its threads calls itself, for the kernel: at most 15 bytes, the program's own name unless it was changed.
    pub fn thread_name(&self, tid: u32) -> Option<String> {
        let name = std::fs::read(format!("/proc/{}/task/{tid}/comm", self.pid)).ok()?;
        Some(String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned())
    }

    /// A field of `/proc/PID/status`.
    pub(super) fn status_field(&self, name: &str) -> Option<String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    }
}

/// The fields of `/proc/PID/stat` that we use (`proc_pid_stat(5)`).
pub(super) struct Stat {
    pub(super) name: String,
    pub(super) state: u8,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    threads: u32,
    flags: u64,
    pub(super) start_time: u64,
    pub(super) virtual_size: u64,
    /// Where the kernel put the program's code, stack, arguments and environment: mostly at random at each exec, the same after a
    /// fork, zeroes where we may not know.
    pub(super) places: [u64; 4],
}

/// The words of a command line, each of which ends with a zero byte. A title that a program gives itself (`setproctitle`) is
/// shorter than the words that were there: what follows is filled with zero bytes or blanks.
fn words(line: &[u8]) -> Vec<String> {
    let end = line.iter().rposition(|&byte| byte != 0 && byte != b' ').map_or(0, |last| last + 1);
    line[..end].split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The command line of a process with spaces between its words; empty when there is none.
pub fn command_line(pid: u32) -> String {
    Target::find(pid).map(|target| target.command().join(" ")).unwrap_or_default()
}

impl Stat {
    /// True when it has ended and only waits for its parent. Its first thread alone may have ended; so it has for a moment
    /// when another thread runs another program in the process's place.
    /// While it is ending it is not dead: its children are still its own.
    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }

    /// True when its first thread is ending, or has ended. Its memory goes first.
    fn has_no_leader(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') || (self.virtual_size == 0 && !self.is_kernel())
    }

    fn is_kernel(&self) -> bool {
        /// `PF_KTHREAD` (`linux/sched.h`).
        const OF_THE_KERNEL: u64 = 0x0020_0000;
        self.flags & OF_THE_KERNEL != 0
    }

    pub(super) fn read(pid: u32) -> Result<Stat, ProcessError> {
        /// Some fifty numbers and a short name.
        const LONGEST: usize = 2048;
        let mut text = [0; LONGEST];
        // In one go: the kernel makes all of it anew for each read.
        let read = File::open(format!("/proc/{pid}/stat")).and_then(|mut file| file.read(&mut text));
        let text = match read {
            Ok(length) => String::from_utf8_lossy(&text[..length]),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                return Err(if is_there(pid) { ProcessError::Hidden(pid) } else { ProcessError::None(pid) });
            }
            Err(error) => return Err(ProcessError::Proc(pid, error)),
        };
        Stat::parse(&text).ok_or_else(|| ProcessError::Proc(pid, io::ErrorKind::InvalidData.into()))
    }

    fn parse(text: &str) -> Option<Stat> {
        // The name may have blanks and parentheses of its own.
        let (front, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Counted as in the manual: the first after the name is number 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<i64>().ok().map(|value| value as u64);
        let place = |number: usize| fields.get(number - 3).and_then(|text| text.parse().ok()).unwrap_or(0);
        Some(Stat {
            name: front.split_once('(')?.1.to_owned(),
            state: *fields.first()?.as_bytes().first()?,
            parent: field(4)? as u32,
            group: field(5)? as u32,
            session: field(6)? as u32,
            threads: field(20)? as u32,
            flags: field(9)?,
            start_time: fields.get(19)?.parse().ok()?,
            virtual_size: fields.get(20)?.parse().ok()?,
            places: [26, 28, 48, 50].map(place),
        })
    }
}

/// True when there is a process or thread with this id, whatever `/proc` shows (`hidepid`, proc(5)).
fn is_there(pid: u32) -> bool {
    // It says that it may not, where there is somebody who may not be sent a signal. Nobody has the id 0.
    pid != 0 && i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None) == Err(Errno::EPERM))
}

/// Lets this process open as many files as it may: two are kept open for each thread that is watched. Call it after
/// starting other programs, which would inherit the limit.
pub fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(errno) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        log::info!("could not raise the limit of open files: {errno}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Executable, MappedFile};

    #[test]
    fn we_are_a_process() {
        let target = Target::find(std::process::id()).expect("we live");
        assert!(target.is_alive() && target.same_root());
        assert_eq!(target.executable().ok(), std::env::current_exe().ok());
        assert_eq!(target.command(), std::env::args().collect::<Vec<_>>());
        assert!(!target.permission().other_user);
        let modules = py_spy_address_space::modules(&target.mappings().expect("own map"));
        let executable = Executable::of(&target);
        assert!(modules.iter().any(|module| executable.is(module)));
        assert!(modules.iter().all(|module| MappedFile::open(&target, &executable, module).is_ok()));
    }

    #[test]
    fn what_is_no_program_is_said() {
        assert!(matches!(Target::find(0x3fff_ffff), Err(ProcessError::None(_))));
        // kthreadd, where the namespace shows it.
        if let Ok(name) = std::fs::read_to_string("/proc/2/comm")
            && name == "kthreadd\n"
        {
            assert!(matches!(Target::find(2), Err(ProcessError::Kernel(2, _))));
        }
    }

    #[test]
    fn what_fills_the_place_behind_a_title_is_no_part_of_it() {
        assert_eq!(words(b"python\0-c\0print(1)\0"), ["python", "-c", "print(1)"]);
        assert_eq!(words(b"echo\0\0a b\0"), ["echo", "", "a b"]);
        assert_eq!(words(b"gunicorn: master [app]\0\0\0\0"), ["gunicorn: master [app]"]);
        assert_eq!(words(b"celeryd: main      \0"), ["celeryd: main"]);
        assert_eq!(words(b""), [""]);
    }

    #[test]
    fn names_with_parentheses_are_understood() {
        let fields: Vec<String> = (4..=23).map(|field: u32| field.to_string()).collect();
        let text = format!("7 (a) (b) S {}", fields.join(" "));
        let stat = Stat::parse(&text).expect("a stat line");
        assert_eq!((stat.name.as_str(), stat.state, stat.start_time, stat.virtual_size), ("a) (b", b'S', 22, 23));
        assert!(Stat::parse("7 (a S").is_none() && Stat::parse("7 (a) S 1 2").is_none());
    }
}
