//! Who runs where: the program on one CPU, the profiler on another, and neither moves.

use std::io;
use std::process::{Child, Command};

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The CPUs of a comparison.
#[derive(Debug, Clone)]
pub(crate) struct Cpus {
    /// All that we may use.
    all: Vec<usize>,
    /// The program's.
    pub(crate) program: usize,
    /// The profiler's; the same one if there is no other.
    pub(crate) profiler: usize,
}

impl Cpus {
    /// The first two that this process may use.
    pub(crate) fn found() -> Result<Cpus> {
        let set = sched_getaffinity(Pid::from_raw(0)).context("asking for our own CPUs")?;
        let all: Vec<usize> = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect();
        let program = *all.first().context("we run on no CPU")?;
        Ok(Cpus { program, profiler: all.get(1).copied().unwrap_or(program), all })
    }

    /// True when program and profiler have to share one.
    pub(crate) fn is_one(&self) -> bool {
        self.program == self.profiler
    }

    /// Does something on the profiler's CPU.
    pub(crate) fn on_profiler<R>(&self, work: impl FnOnce() -> R) -> io::Result<R> {
        pin(&[self.profiler])?;
        let result = work();
        pin(&self.all)?;
        Ok(result)
    }

    /// Starts a process on one CPU: a child inherits it from the thread that starts it.
    pub(crate) fn spawn(&self, cpu: usize, command: &mut Command) -> io::Result<Child> {
        pin(&[cpu])?;
        let child = command.spawn();
        pin(&self.all)?;
        child
    }
}

/// Binds the calling thread.
fn pin(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
