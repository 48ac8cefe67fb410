//! Starting a program to watch, and learning how it ends.
//!
//! A child that is being traced by another of our threads has a trap in it: `wait` reports its trace stops too, asked
//! or not, and takes them away from the tracer. So everything here looks with `WNOWAIT`, and [`Child::reap`] is called
//! only when the end is certain.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Gid, Pid, Uid, User};

use crate::ProcessEnd;

/// How long one wait for the end takes at most.
const LOOK_AGAIN: Duration = Duration::from_hours(1);

/// How often an old kernel without `pidfd_open` is asked whether the child has ended.
const POLL: Duration = Duration::from_millis(20);

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start '{program}': {reason}")]
pub struct LaunchError {
    program: String,
    reason: String,
    hint: Option<String>,
}

impl LaunchError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Where a child's input and output go.
#[derive(Debug)]
pub enum Streams {
    /// They are ours.
    Inherit,
    /// Nothing to read; everything written goes into this file.
    Capture(File),
}

/// A program that we started.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    reaped: bool,
}

impl Child {
    /// Starts a program; its words are the program and its arguments. Under sudo it runs as the user who called sudo.
    pub fn launch(words: &[OsString], streams: Streams) -> Result<Child, LaunchError> {
        let (program, arguments) = words.split_first().map_or((OsStr::new(""), words), |(first, rest)| (first, rest));
        let fail = |error: io::Error| launch_error(program, &error);
        let mut command = Command::new(program);
        command.args(arguments);
        if let Streams::Capture(file) = streams {
            let copy = file.try_clone().map_err(fail)?;
            command.stdin(Stdio::null()).stdout(file).stderr(copy);
        }
        if let Some(caller) = SudoCaller::find(nix::unistd::geteuid(), |name| std::env::var(name).ok()) {
            caller.apply(&mut command);
        }
        #[expect(unsafe_code, reason = "std lets a child inherit the signals that we block")]
        // SAFETY: between fork and exec the closure makes one system call; it neither allocates nor takes a lock.
        unsafe {
            command.pre_exec(|| Ok(crate::linux::unblock_child_signals()?))
        };
        let child = command.spawn().map_err(fail)?;
        Ok(Child { child, reaped: false })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Something that another thread can wait with.
    pub fn watcher(&self) -> Watcher {
        let pid = self.nix_pid();
        Watcher { pid, end: ProcessEnd::of(self.pid()) }
    }

    /// True as soon as the child has ended; it need not have been reaped.
    pub fn has_ended(&self) -> bool {
        self.reaped || has_ended(self.nix_pid())
    }

    /// Sends a signal; a child that has ended takes none.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        if self.reaped {
            return Ok(());
        }
        Ok(kill(self.nix_pid(), Signal::try_from(signal)?)?)
    }

    /// Takes the exit status of a child that has ended. Call it once [`Child::has_ended`] says so: before that it would
    /// wait, and could take a trace stop for the end.
    pub fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait();
        self.reaped = true;
        status
    }

    fn nix_pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }
}

/// Waits for a child's end without reaping it.
#[derive(Debug)]
pub struct Watcher {
    pid: Pid,
    end: Option<ProcessEnd>,
}

impl Watcher {
    /// Returns when the child has ended.
    pub fn wait(self) {
        while !has_ended(self.pid) {
            match &self.end {
                Some(end) => _ = end.wait_until(Instant::now() + LOOK_AGAIN),
                None => std::thread::sleep(POLL),
            }
        }
    }
}

fn has_ended(pid: Pid) -> bool {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::Pid(pid), look) {
        Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => true,
        // Anything else is a trace stop of our own sampler.
        Ok(_) | Err(Errno::EINTR) => false,
        Err(_) => true,
    }
}

/// The user who called sudo.
#[derive(Debug)]
struct SudoCaller {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    name: Option<String>,
    home: Option<OsString>,
}

impl SudoCaller {
    /// Reads sudo's variables; `None` when we are not root or root called sudo.
    fn find(euid: Uid, variable: impl Fn(&str) -> Option<String>) -> Option<SudoCaller> {
        if !euid.is_root() {
            return None;
        }
        let uid = Uid::from_raw(variable("SUDO_UID")?.parse().ok()?);
        let gid = Gid::from_raw(variable("SUDO_GID")?.parse().ok()?);
        if uid.is_root() {
            return None;
        }
        let user = User::from_uid(uid).ok().flatten();
        let name = user.as_ref().map(|user| user.name.clone()).or_else(|| variable("SUDO_USER"));
        // Looked up here and not between fork and exec, where only plain system calls are safe.
        let groups = user
            .as_ref()
            .and_then(|user| CString::new(user.name.as_str()).ok())
            .and_then(|name| nix::unistd::getgrouplist(&name, gid).ok())
            .unwrap_or_else(|| vec![gid]);
        Some(SudoCaller { uid, gid, groups, name, home: user.map(|user| user.dir.into_os_string()) })
    }

    #[expect(unsafe_code, reason = "std can not set supplementary groups yet")]
    fn apply(self, command: &mut Command) {
        if let Some(home) = &self.home {
            command.env("HOME", home);
        }
        if let Some(name) = &self.name {
            command.env("USER", name).env("LOGNAME", name);
        }
        let SudoCaller { uid, gid, groups, .. } = self;
        let become_caller = move || {
            nix::unistd::setgroups(&groups)?;
            nix::unistd::setgid(gid)?;
            nix::unistd::setuid(uid)?;
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes three system calls on memory made before; it neither
        // allocates nor takes a lock.
        unsafe { command.pre_exec(become_caller) };
    }
}

fn launch_error(program: &OsStr, error: &io::Error) -> LaunchError {
    let path = Path::new(program);
    let name = path.display();
    let has_folder = program.as_encoded_bytes().contains(&b'/');
    let is_script = path.extension().is_some_and(|extension| extension == "py") && path.is_file();
    let name_interpreter = format!("to run a Python file, name the interpreter too: -- python {name}");
    let (reason, hint) = match error.kind() {
        _ if program.is_empty() => ("the command is empty".to_owned(), None),
        io::ErrorKind::NotFound if is_script && !has_folder => ("command not found".to_owned(), Some(name_interpreter)),
        io::ErrorKind::NotFound if has_folder && path.is_file() => (
            "its interpreter was not found".to_owned(),
            Some("look at the file's first line (#!) or at the loader that it asks for".to_owned()),
        ),
        io::ErrorKind::NotFound if has_folder => ("no such file".to_owned(), Some("check the path".to_owned())),
        io::ErrorKind::NotFound => (
            "command not found".to_owned(),
            Some("check the spelling and PATH, or give the program's path, as in ./program".to_owned()),
        ),
        io::ErrorKind::PermissionDenied if path.is_dir() => ("it is a directory".to_owned(), None),
        io::ErrorKind::PermissionDenied if is_script => ("it is not executable".to_owned(), Some(name_interpreter)),
        io::ErrorKind::PermissionDenied => {
            ("it is not executable".to_owned(), Some(format!("make it executable with: chmod +x {name}")))
        }
        _ if error.raw_os_error() == Some(libc::ENOEXEC) => (
            "it is not a program that this system can run".to_owned(),
            Some(
                "a script needs a first line (#!) that names its interpreter, or the interpreter before it".to_owned(),
            ),
        ),
        _ => (error.to_string(), None),
    };
    LaunchError { program: name.to_string(), reason, hint }
}

#[cfg(test)]
mod tests;
