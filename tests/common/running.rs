//! A program that runs beside a test.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A running program that talks with us through its standard streams; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    name: String,
    output: BufReader<ChildStdout>,
    input: Option<ChildStdin>,
}

impl Running {
    /// Starts a program; `name` is what messages call it.
    pub(crate) fn start(name: &str, command: &mut Command) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let input = child.stdin.take();
        Running { child, name: name.to_owned(), output, input }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its process id as an argument.
    pub(crate) fn id_text(&self) -> String {
        self.id().to_string()
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        self.line_or_end().unwrap_or_else(|| panic!("{}: it has ended", self.name))
    }

    /// The next line that it says; `None` when it says no more.
    pub(crate) fn line_or_end(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.output.read_line(&mut line).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        (length > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    /// Tells it something.
    pub(crate) fn tell(&mut self, text: &str) {
        let input = self.input.as_mut().expect("its standard input is open");
        input.write_all(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Closes its standard input.
    pub(crate) fn say_no_more(&mut self) {
        self.input = None;
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id() as i32), signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.input = None;
        self.child.wait().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Waits until a thread of it is in one of these system calls.
    pub(crate) fn wait_for_call(&self, tid: u32, calls: &[&str]) {
        self.wait_for_call_of(self.id(), tid, calls);
    }

    /// Waits until a thread of one of its children is in one of these system calls.
    pub(crate) fn wait_for_call_of(&self, pid: u32, tid: u32, calls: &[&str]) {
        let path = format!("/proc/{pid}/task/{tid}/syscall");
        loop {
            let now = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", self.name));
            if calls.contains(&now.split_whitespace().next().unwrap_or_default()) {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Nobody has done it any harm: it lives, nobody traces it, and no thread of it stands still.
    #[track_caller]
    pub(crate) fn is_unharmed(&self) {
        let faults = faults(self.id());
        assert!(faults.is_empty(), "{}: {faults:?}", self.name);
    }

    /// It is unharmed and goes on: it answers a line with a line, a number that grows.
    #[track_caller]
    pub(crate) fn goes_on(&mut self) {
        self.is_unharmed();
        self.tell("\n");
        let first: u64 = self.line().parse().expect("a number");
        self.tell("\n");
        let second: u64 = self.line().parse().expect("a number");
        assert!(second > first, "{}: it stands still at {first}", self.name);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What is wrong with the threads of a process: traced, stopped, gone.
fn faults(pid: u32) -> Vec<String> {
    let tasks: Vec<_> = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten().collect();
    if tasks.is_empty() {
        return vec!["it has ended".to_owned()];
    }
    let statuses = tasks.iter().filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let lines = statuses.flat_map(|status| status.lines().map(str::to_owned).collect::<Vec<_>>());
    let bad = lines.filter(|line| match line.split_once(":\t") {
        Some(("TracerPid", pid)) => pid != "0",
        Some(("State", state)) => !state.starts_with(['R', 'S', 'D']),
        _ => false,
    });
    bad.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Waits until the first thread of a process has nothing to do but read, and another has run on for a while since: from
/// then on that one has the GIL for itself. Its clock is read as the scheduler keeps it, in nanoseconds.
pub(crate) fn wait_until_alone(name: &str, pid: u32, tid: u32) {
    const READ: &str = "0";
    /// More than it takes to wake up and to take the GIL.
    const A_WHILE: u64 = 2_000_000;
    let read = |tid: u32, file: &str| {
        let path = format!("/proc/{pid}/task/{tid}/{file}");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {path}: {error}"));
        text.split_whitespace().next().unwrap_or_default().to_owned()
    };
    let clock = || read(tid, "schedstat").parse::<u64>().expect("a number");
    while read(pid, "syscall") != READ {
        std::thread::yield_now();
    }
    let start = clock();
    while clock() < start + A_WHILE {
        std::thread::yield_now();
    }
}

/// The process is there and nobody traces it or has stopped it.
pub(crate) fn nobody_minds(pid: u32) -> bool {
    faults(pid).is_empty()
}

/// The process is there and has not ended.
pub(crate) fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| !status.contains("State:\tZ"))
}
