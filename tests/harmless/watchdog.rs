//! Who hangs is found out, instead of the test hanging too.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Nothing here takes long, even on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// Kills a process that is still awaited after a minute, and says what it was doing: whoever waits for it goes on.
#[derive(Debug)]
pub(crate) struct Watchdog {
    _done: Sender<()>,
}

impl Watchdog {
    /// Watches a process until this is dropped. Drop it before the process is waited for.
    pub(crate) fn over(name: &str, pid: u32) -> Watchdog {
        let (sender, done) = channel();
        let name = name.to_owned();
        std::thread::spawn(move || {
            if done.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{name}: process {pid} hangs: {:#?}", threads(pid));
                kill(Pid::from_raw(pid as i32), Signal::SIGKILL).ok();
            }
        });
        Watchdog { _done: sender }
    }
}

/// What all threads of a process do.
fn threads(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    tasks.map(|task| ["stat", "wchan", "syscall"].map(|name| read(task.path().join(name))).join(" | ")).collect()
}
