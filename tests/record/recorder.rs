//! A recording that goes on while a test does something to it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::py_spy;

/// A running `py-spy record`; it is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Recorder {
    child: Child,
    errors: BufReader<ChildStderr>,
    log: String,
}

impl Recorder {
    /// Starts it in a process group of its own. `prepare` can set its streams.
    pub(super) fn start(words: &[&str], prepare: impl FnOnce(&mut Command)) -> Recorder {
        let mut command = py_spy(&[&["record"], words].concat());
        command.process_group(0);
        prepare(&mut command);
        Recorder::spawn(command)
    }

    /// Starts it on a terminal of its own, which is standard input; and that terminal's keyboard.
    pub(super) fn start_on_terminal(words: &[&str], prepare: impl FnOnce(&mut Command)) -> (Recorder, File) {
        let pty = openpty(None, None).expect("a terminal");
        let py_spy = py_spy(&[]);
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(py_spy.get_program()).arg("record").args(words);
        command.stdin(pty.slave);
        prepare(&mut command);
        (Recorder::spawn(command), File::from(pty.master))
    }

    fn spawn(mut command: Command) -> Recorder {
        // Its log says when it has found Python.
        command.env("RUST_LOG", "info").stderr(Stdio::piped());
        let mut child = command.spawn().expect("py-spy starts");
        let errors = BufReader::new(child.stderr.take().expect("it is a pipe"));
        Recorder { child, errors, log: String::new() }
    }

    /// Waits until it samples.
    pub(super) fn wait_until_it_samples(&mut self) {
        self.wait_for("] CPython ");
        // The thread that samples sleeps between two samples: the kernel counts how often. That it ran is not enough, for
        // on a machine with much to do it is interrupted before the first one.
        let before = self.sampler_sleeps();
        while self.sampler_sleeps() < before + 10 {
            std::thread::yield_now();
        }
    }

    /// Waits until it has a signal and knows it: what happens after this is not taken for the reason why it ends.
    pub(super) fn wait_until_it_knows(&mut self, signal: Signal) {
        self.wait_for(&format!("] {signal} received\n"));
    }

    /// Waits until its log has these words.
    pub(super) fn wait_for(&mut self, words: &str) {
        while !self.log.contains(words) {
            let length = self.errors.read_line(&mut self.log).expect("UTF-8");
            assert!(length > 0, "it ended early: {}", self.log);
        }
    }

    fn sampler_sleeps(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs").flatten();
        let sampler = tasks
            .map(|task| task.path())
            .find(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == "sampler"));
        let status = sampler.and_then(|task| fs::read_to_string(task.join("status")).ok());
        let status = status.unwrap_or_else(|| panic!("it does not sample any more: {}", self.log));
        let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sleeps.and_then(|sleeps| sleeps.trim().parse().ok()).expect("a number")
    }

    /// Sends a signal to it alone.
    pub(super) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    /// Its standard streams.
    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for its end: its status and what it said, without its log.
    pub(super) fn wait(mut self) -> (ExitStatus, String) {
        // A program that is left running has our standard error too: there is no end of it, but a last line.
        while !self.log.ends_with(" of one CPU\n") && self.errors.read_line(&mut self.log).expect("UTF-8") > 0 {}
        let status = self.child.wait().expect("our child");
        let said = self.log.lines().filter(|line| !line.starts_with('['));
        (status, said.flat_map(|line| [line, "\n"]).collect())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
