//! Tachyon: `profiling.sampling` of CPython's own library, from 3.15 on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use py_spy_test_programs::Interpreter;

use super::collapsed::{self, Frames};
use super::{Harvest, Order, Peer, after};

/// Tachyon in one of its two ways.
#[derive(Debug)]
pub(crate) struct Tachyon {
    pub(crate) interpreter: Interpreter,
    pub(crate) version: String,
    pub(crate) blocking: bool,
}

impl Peer for Tachyon {
    fn name(&self) -> String {
        format!("Tachyon {}{}", self.version, if self.blocking { " --blocking" } else { "" })
    }

    fn stops(&self) -> bool {
        self.blocking
    }

    /// It reads its own kind only.
    fn may_see(&self, interpreter: &Interpreter) -> bool {
        let kind = |of: &Interpreter| (of.minor(), of.free_threaded, of.debug);
        kind(interpreter) == kind(&self.interpreter)
    }

    fn command(&self, order: &Order) -> Command {
        let mut command = Command::new(&self.interpreter.program);
        command.args(["-I", "-m", "profiling.sampling", "attach", "--collapsed", "--no-gc", "-o"]).arg(&order.out);
        command.args(["-r", &order.ask.rate.to_string(), "-d", &order.ask.seconds.to_string()]);
        // By default it looks at the main thread only; with all threads, at those that run, as the others.
        command.args(if order.threads { &["-a", "--mode", "cpu"][..] } else { &[] });
        command.args(self.blocking.then_some("--blocking")).arg(order.pid.to_string());
        command
    }

    fn harvest(&self, said: &[String], out: &Path) -> Result<Harvest> {
        let stacks = collapsed::read(out, Frames::FileFirst)?;
        let line = said.iter().find(|line| line.starts_with("Captured "));
        let looks: u64 = line.and_then(|line| after(line, "Captured ")).unwrap_or(0);
        let seconds = line.and_then(|line| after(line, " in "));
        let percent: f64 = said.iter().find_map(|line| after(line, "Error rate:")).unwrap_or(0.0);
        let failed = (looks as f64 * percent / 100.0).round() as u64;
        Ok(Harvest { samples: looks.saturating_sub(failed), seconds, failed, stacks })
    }
}

/// Both ways of the newest interpreter that has it.
pub(crate) fn found(interpreters: &[Interpreter]) -> Vec<Box<dyn Peer>> {
    let plain = |of: &&Interpreter| !of.debug && !of.free_threaded && of.environment.is_empty();
    let Some(interpreter) = interpreters.iter().rev().filter(plain).find(|of| has_it(&of.program)) else {
        return Vec::new();
    };
    let of = interpreter.version;
    let version = format!("{}.{}.{}", of >> 24, (of >> 16) & 0xff, (of >> 8) & 0xff);
    let both = [false, true];
    both.map(|blocking| -> Box<dyn Peer> {
        Box::new(Tachyon { interpreter: interpreter.clone(), version: version.clone(), blocking })
    })
    .into()
}

fn has_it(python: &PathBuf) -> bool {
    let asked = Command::new(python).args(["-I", "-m", "profiling.sampling", "attach", "--help"]).output();
    asked.is_ok_and(|answer| answer.status.success())
}
