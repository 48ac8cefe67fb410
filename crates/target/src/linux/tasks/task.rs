//! One thread, and what the scheduler says of it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What the scheduler says of a thread at one instant (`/proc/PID/task/TID/stat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// On a CPU, or waiting for one.
    Running,
    /// Asleep, and can be woken by a signal.
    Sleeping,
    /// Asleep in the kernel, mostly for a disk.
    DiskSleep,
    /// Stopped by job control.
    Stopped,
    /// Stopped by a tracer.
    Traced,
    /// Ended.
    Dead,
}

impl TaskState {
    fn from_letter(letter: u8) -> TaskState {
        match letter {
            b'R' => TaskState::Running,
            b'D' => TaskState::DiskSleep,
            b'T' => TaskState::Stopped,
            b't' => TaskState::Traced,
            b'Z' | b'X' | b'x' => TaskState::Dead,
            _ => TaskState::Sleeping,
        }
    }
}

/// One thread's kept-open files and what they said last.
#[derive(Debug)]
pub(super) struct Task {
    schedstat: Option<File>,
    stat: Option<File>,
    syscall: Option<File>,
    slices: Slices,
    pub(super) state: TaskState,
    /// The state was the same at two looks with the same counts. A thread on a CPU says that it sleeps for an instant
    /// before it knows whether it has to (`set_current_state` in the kernel's `include/linux/sched.h`).
    sure: bool,
}

/// `/proc/PID/task/TID/schedstat`: CPU time, time spent waiting for a CPU, times put on one. The same text twice means
/// that the thread did not begin to run in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slices {
    text: [u8; Slices::MAX],
    len: u8,
}

impl Slices {
    /// Three 64-bit numbers in decimal.
    const MAX: usize = 64;

    /// Of a thread that was not looked at yet.
    const NONE: Slices = Slices { text: [0; Slices::MAX], len: 0 };

    /// The thread's CPU time, ns, up to the last time that it left its CPU or the kernel's tick came.
    pub(super) fn cpu_time(&self) -> Option<u64> {
        self.number(0)
    }

    /// For how long the thread waited for a CPU, ns, up to the last time that it got one.
    pub fn delay(&self) -> Option<u64> {
        self.number(1)
    }

    /// How often the thread was put on a CPU.
    pub fn turns(&self) -> Option<u64> {
        self.number(2)
    }

    fn number(&self, index: usize) -> Option<u64> {
        let text = self.text.get(..usize::from(self.len))?;
        std::str::from_utf8(text).ok()?.split_ascii_whitespace().nth(index)?.parse().ok()
    }

    /// False where the kernel does not count (it says only zeroes then) or has no such file.
    pub(super) fn are_counted(&self) -> bool {
        self.text[..usize::from(self.len)].iter().any(|byte| matches!(byte, b'1'..=b'9'))
    }
}

/// What a look at a thread found.
pub(super) struct Look {
    /// It runs, or waits for a CPU.
    runs: bool,
    /// It runs, or may have run since the last look.
    ran: bool,
    gone: bool,
}

impl Look {
    /// Adds what was found to what is known of all. True when the thread may have run.
    pub(super) fn note(self, tid: u32, running: &mut Vec<u32>, stale: &mut bool) -> bool {
        *stale |= self.gone;
        if self.runs {
            running.push(tid);
        }
        self.ran
    }
}

impl Task {
    /// One that was not looked at yet.
    pub(super) fn new() -> Task {
        Task {
            schedstat: None,
            stat: None,
            syscall: None,
            sure: false,
            slices: Slices::NONE,
            state: TaskState::Running,
        }
    }

    /// Looks at what can have changed; see [`Tasks::running`].
    pub(super) fn look(&mut self, folder: &Path, tid: u32, ours: bool) -> Look {
        // A thread that we stop at each look has run in between: its counts need not be asked for.
        if ours && self.state == TaskState::Running && self.still_runs(folder, tid) {
            (self.slices, self.sure) = (Slices::NONE, false);
            return Look { runs: true, ran: true, gone: false };
        }
        let slices = self.read_slices(folder, tid);
        let same = slices.is_some_and(|slices| slices == self.slices && slices.are_counted());
        let before = self.state;
        let state = match before {
            state if same && (self.sure || state == TaskState::Running) => Some(state),
            TaskState::Running if !ours && self.still_runs(folder, tid) => Some(before),
            _ => self.read_state(folder, tid),
        };
        self.sure = same && before != TaskState::Traced && state == Some(before);
        self.slices = slices.unwrap_or(Slices::NONE);
        let runs = match state {
            Some(TaskState::Running) => true,
            Some(TaskState::Traced) => ours,
            _ => false,
        };
        Look { runs, ran: runs || !same, gone: state.is_none() }
    }

    pub(super) fn read_slices(&mut self, folder: &Path, tid: u32) -> Option<Slices> {
        let mut slices = Slices::NONE;
        slices.len = read_kept(&mut self.schedstat, folder, tid, "schedstat", &mut slices.text)? as u8;
        Some(slices)
    }

    /// True when it is in state R, which this file tells at a third of the price of `stat`. False may mean anything.
    fn still_runs(&mut self, folder: &Path, tid: u32) -> bool {
        self.reads_running(folder, tid) == Some(true)
    }

    pub(super) fn reads_running(&mut self, folder: &Path, tid: u32) -> Option<bool> {
        let mut text = [0; 256];
        let len = self.read_call(folder, tid, &mut text)?;
        Some(text[..len].starts_with(b"running"))
    }

    /// Its system call, as `/proc/PID/task/TID/syscall` has it: how many bytes there are.
    pub(super) fn read_call(&mut self, folder: &Path, tid: u32, into: &mut [u8; 256]) -> Option<usize> {
        read_kept(&mut self.syscall, folder, tid, "syscall", into)
    }

    pub(super) fn read_state(&mut self, folder: &Path, tid: u32) -> Option<TaskState> {
        let mut text = [0; 128];
        let len = read_kept(&mut self.stat, folder, tid, "stat", &mut text)?;
        // "TID (name) S ...": the name is at most 15 bytes and may have any of them.
        let after = text[..len].iter().rposition(|&byte| byte == b')')?;
        self.state = TaskState::from_letter(*text[..len].get(after + 2)?);
        (self.state != TaskState::Dead).then_some(self.state)
    }
}

/// Reads from the start of a file that is kept open, or opened now. `None` when the thread is gone.
fn read_kept(kept: &mut Option<File>, folder: &Path, tid: u32, name: &str, into: &mut [u8]) -> Option<usize> {
    if kept.is_none() {
        *kept = File::open(folder.join(tid.to_string()).join(name)).ok();
    }
    let read = kept.as_ref()?.read_at(into, 0).ok().filter(|&len| len > 0);
    if read.is_none() {
        // The next thread with this id has files of its own.
        *kept = None;
    }
    read
}
