//! A py-spy that runs beside its target while a test does something to either of them.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tempfile::NamedTempFile;

use crate::common::py_spy;
use crate::watchdog::Watchdog;

/// A running py-spy; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Profiler {
    child: Child,
    name: String,
    /// A file and no pipe: nobody has to read it for it to go on, and no program that is left running keeps it open.
    said: NamedTempFile,
    watchdog: Option<Watchdog>,
}

/// What a py-spy said that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    name: String,
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

impl Profiler {
    /// Starts `py-spy record` of a process, in a process group of its own. The profile itself is thrown away.
    pub(crate) fn record(name: &str, pid: u32, options: &[&str]) -> Profiler {
        let pid = pid.to_string();
        Profiler::start(name, &[&["record", "-f", "raw", "-o", "/dev/null", "--pid", &pid], options].concat())
    }

    /// Starts a py-spy.
    pub(crate) fn start(name: &str, words: &[&str]) -> Profiler {
        let said = NamedTempFile::new().expect("a file");
        let mut command = py_spy(words);
        // Its log says when it has found Python.
        command.process_group(0).env("RUST_LOG", "info");
        command.stdout(std::process::Stdio::null()).stderr(said.reopen().expect("a file"));
        let child = command.spawn().expect("py-spy starts");
        let name = format!("{name}, py-spy {}", words.join(" "));
        let watchdog = Some(Watchdog::over(&name, child.id()));
        Profiler { child, name, said, watchdog }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn said(&self) -> String {
        let mut said = String::new();
        self.said.reopen().and_then(|mut file| file.read_to_string(&mut said)).expect("UTF-8");
        said
    }

    /// Waits until it samples.
    pub(crate) fn wait_until_it_samples(&mut self) {
        while !self.said().contains("] CPython ") {
            self.must_run();
        }
        self.wait_for_looks(10);
    }

    /// Waits until it samples what its target has become.
    pub(crate) fn wait_until_it_samples_again(&mut self) {
        while self.said().matches("] CPython 3.").count() < 2 {
            self.must_run();
        }
        self.wait_for_looks(10);
    }

    /// Waits until the thread that samples was put on a CPU so many more times: at most that many samples.
    pub(crate) fn wait_for_looks(&mut self, count: u64) {
        let before = self.sampler_runs();
        while self.sampler_runs() < before + count {
            self.must_run();
        }
    }

    fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().expect("our child") {
            panic!("{}: ended early, {status}: {}", self.name, self.said());
        }
        std::thread::yield_now();
    }

    /// How often it ran; one that never sleeps has its CPU time counted, by the millisecond.
    fn sampler_runs(&mut self) -> u64 {
        loop {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("our child").flatten();
            let sampler = tasks
                .map(|task| task.path())
                .find(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == "sampler"));
            let schedstat = sampler.and_then(|task| fs::read_to_string(task.join("schedstat")).ok());
            if let Some(schedstat) = schedstat {
                let mut numbers = schedstat.split_whitespace().map(|text| text.parse::<u64>().expect("a number"));
                let time = numbers.next().expect("CPU time");
                return numbers.nth(1).expect("runs") + time / 1_000_000;
            }
            self.must_run();
        }
    }

    /// Sends a signal to it alone.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    /// Waits until it is stopped by job control.
    pub(crate) fn wait_until_stopped(&self) {
        let stopped = waitpid(Pid::from_raw(self.child.id() as i32), Some(WaitPidFlag::WUNTRACED));
        assert!(matches!(stopped, Ok(WaitStatus::Stopped(..))), "{}: {stopped:?}", self.name);
    }

    /// Kills it, at whatever it is. When this returns the kernel has cleaned up behind it.
    pub(crate) fn kill(mut self) {
        self.child.kill().ok();
        self.watchdog = None;
        self.child.wait().expect("our child");
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        let status = self.child.wait().expect("our child");
        self.watchdog = None;
        Ended { name: self.name.clone(), status, said: self.said() }
    }

    /// Has the recording end now, and waits for its end.
    pub(crate) fn finish(self) -> Ended {
        self.signal(Signal::SIGINT);
        self.wait()
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Ended {
    /// All went well, and there was nothing to complain about.
    #[track_caller]
    pub(crate) fn went_well(&self) {
        assert_eq!(self.status.code(), Some(0), "{}: {}: {}", self.name, self.status, self.said);
        for word in ["Error", "panicked", " WARN ", " ERROR "] {
            // One line of the summary counts errors.
            let found = self.said.lines().find(|line| line.contains(word) && !line.starts_with("Wrote "));
            assert_eq!(found, None, "{}: {}", self.name, self.said);
        }
    }

    /// Number before a word in the summary, as in `199.5 looks a second`.
    #[track_caller]
    pub(crate) fn number_before(&self, words: &str) -> f64 {
        let before = self.said.split_once(words).map(|(before, _)| before.trim_end());
        let number = before.and_then(|text| text.rsplit([' ', '\n']).next()).and_then(|text| text.parse().ok());
        number.unwrap_or_else(|| panic!("{}: no {words:?}: {}", self.name, self.said))
    }
}
