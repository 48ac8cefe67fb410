//! The py-spy that this one is a rewrite of.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::collapsed::{self, Frames};
use super::{Harvest, Order, Peer, after};

/// That py-spy in one of its two ways.
#[derive(Debug)]
pub(crate) struct PySpy {
    pub(crate) program: PathBuf,
    pub(crate) version: String,
    pub(crate) nonblocking: bool,
}

impl Peer for PySpy {
    fn name(&self) -> String {
        format!("py-spy {}{}", self.version, if self.nonblocking { " --nonblocking" } else { "" })
    }

    fn stops(&self) -> bool {
        !self.nonblocking
    }

    fn is_minor(&self) -> bool {
        self.nonblocking
    }

    fn has_native(&self) -> bool {
        !self.nonblocking
    }

    fn command(&self, order: &Order) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["record", "--format", "raw", "--output"]).arg(&order.out);
        command.args(["--pid", &order.pid.to_string(), "--rate", &order.ask.rate.to_string()]);
        command.args(["--duration", &order.ask.seconds.to_string()]);
        command.args(order.ask.native.then_some("--native"));
        command.args(self.nonblocking.then_some("--nonblocking"));
        command
    }

    fn dump(&self, pid: u32) -> Option<Command> {
        let mut command = Command::new(&self.program);
        command.args(["dump", "--pid", &pid.to_string()]);
        Some(command).filter(|_| !self.nonblocking)
    }

    /// It counts ticks instead of time: behind its rate it would go on for minutes.
    fn begins(&self) -> Option<&'static str> {
        Some("Sampling process")
    }

    fn harvest(&self, said: &[String], out: &Path) -> Result<Harvest> {
        let stacks = collapsed::read(out, Frames::NameFirst)?;
        let samples = stacks.iter().map(|(_, count)| count).sum();
        let failed = said.iter().find_map(|line| after(line, "Errors:")).unwrap_or(0);
        Ok(Harvest { samples, seconds: None, failed, stacks })
    }
}
