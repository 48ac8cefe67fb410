//! The program that is looked at, which counts its own work (`docs/benchmarks/program.py`).

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::time::{ClockId, clock_gettime};
use py_spy_test_programs::Interpreter;

use super::lab::{Lab, root};

/// As in the program.
const SLOT: u64 = 20_000_000;

/// Slots of the file: a program lives for half an hour at most.
const SLOTS: u64 = 90_000;

/// What the program is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) depth: usize,
    /// Threads that wait for a lock for ever.
    pub(crate) sleepers: usize,
    /// Whether the main thread works; else it waits too.
    pub(crate) busy: bool,
}

/// GiB of memory that the program holds and has written to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heap(pub(crate) u64);

impl Heap {
    /// True when the machine has as much to spare, and some more.
    pub(crate) fn fits(self) -> bool {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        self.0 == 0 || kib.is_some_and(|kib| kib >> 20 > self.0 + 2)
    }
}

/// A running program; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Subject {
    child: Child,
    slots: File,
    path: PathBuf,
    start: u64,
    pub(crate) shape: Shape,
}

impl Subject {
    /// Starts it on its CPU and returns when it is where it will stay.
    pub(crate) fn start(lab: &Lab, interpreter: &Interpreter, shape: Shape) -> Result<Subject> {
        Subject::start_with(lab, interpreter, shape, Heap(0))
    }

    /// The same with memory of its own.
    pub(crate) fn start_with(lab: &Lab, interpreter: &Interpreter, shape: Shape, heap: Heap) -> Result<Subject> {
        let path = lab.scratch.path().join("slots");
        // A file of its own: the last one's may still be mapped.
        std::fs::remove_file(&path).ok();
        let slots = File::options().create_new(true).read(true).write(true).open(&path)?;
        slots.set_len(8 * SLOTS)?;
        let mut command = Command::new(&interpreter.program);
        command.args(["-I", "-B"]).arg(root().join("docs/benchmarks/program.py")).arg(&path);
        command.args([shape.depth.to_string(), shape.sleepers.to_string()]);
        command.arg(if shape.busy { "busy" } else { "idle" }).arg(heap.0.to_string());
        command.envs(interpreter.environment.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child =
            lab.cpus.spawn(lab.cpus.program, &mut command).with_context(|| format!("starting {interpreter}"))?;
        let mut subject = Subject { child, slots, path, start: 0, shape };
        let output = subject.child.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line == "ready\n", "{interpreter}: the program did not start");
        subject.start = subject.number(0)?;
        // An adaptive interpreter is at its speed only after a while.
        std::thread::sleep(Duration::from_millis(300));
        Ok(subject)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn number(&self, index: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.slots.read_exact_at(&mut bytes, 8 * index).context("reading the slots")?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Pieces of work in each whole slot between two times of [`now`].
    pub(crate) fn work(&self, from: u64, to: u64) -> Result<Vec<f64>> {
        let since = |time: u64| time.saturating_sub(self.start);
        let (first, end) = (since(from).div_ceil(SLOT), since(to) / SLOT);
        // The first number of the file is the start.
        (first..end).map(|slot| Ok(self.number(slot + 1)? as f64)).collect()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_file(&self.path).ok();
    }
}

/// Nanoseconds of the clock that the program looks at.
pub(crate) fn now() -> u64 {
    let time = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every kernel has this clock"));
    time.as_nanos() as u64
}
