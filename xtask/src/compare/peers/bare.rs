//! No profiler: a timer of the program's thread whose program in the kernel does nothing. What `--sampler kernel` costs the program
//! more than that is its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use py_spy_target::{CpuTicks, Program};

use super::{Harvest, Order, Peer};

/// The word by which this program runs it: `bare-timer PID RATE SECONDS`.
pub(crate) const WORD: &str = "bare-timer";

/// `r0 = 0`, and the end (RFC 9669).
const NOTHING: [u64; 2] = [0xb7, 0x95];

/// The timer, run by this program.
#[derive(Debug)]
pub(crate) struct Bare {
    program: PathBuf,
}

impl Bare {
    pub(crate) fn new() -> Result<Bare> {
        Ok(Bare { program: std::env::current_exe().context("our own program")? })
    }
}

impl Peer for Bare {
    fn name(&self) -> String {
        "a bare timer".to_owned()
    }

    fn stops(&self) -> bool {
        false
    }

    fn command(&self, order: &Order) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(WORD).args([order.pid, order.ask.rate, order.ask.seconds].map(|number| number.to_string()));
        command
    }

    fn harvest(&self, _said: &[String], _out: &Path) -> Result<Harvest> {
        // It has none, but it was there.
        Ok(Harvest { samples: 1, ..Harvest::default() })
    }
}

/// Gives a process's first thread such a timer for some seconds.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let [pid, rate, seconds] = arguments else { anyhow::bail!("usage: {WORD} PID RATE SECONDS") };
    let (pid, rate, seconds): (u32, u64, u64) = (pid.parse()?, rate.parse()?, seconds.parse()?);
    let program = Program::load(&NOTHING)?;
    let timer = CpuTicks::new(pid, 1_000_000_000 / rate.max(1), &program, false)?;
    timer.enable()?;
    std::thread::sleep(Duration::from_secs(seconds));
    Ok(())
}
