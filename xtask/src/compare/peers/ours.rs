//! This py-spy.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::collapsed::{self, Frames};
use super::{Harvest, Order, Peer, after, before};
use crate::compare::run::HIGHEST;

/// How it samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Stop,
    Nonblocking,
    Kernel,
}

/// This py-spy in one of its ways.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) program: PathBuf,
    pub(crate) way: Way,
    /// It lets the program run for a part of the time, unless told otherwise.
    pub(crate) has_limit: bool,
}

impl Peer for Ours {
    fn name(&self) -> String {
        let option = match self.way {
            Way::Stop => " --sampler stop",
            Way::Nonblocking => " --nonblocking",
            Way::Kernel => " --sampler kernel",
        };
        format!("ours{option}")
    }

    fn stops(&self) -> bool {
        self.way == Way::Stop
    }

    fn is_exact(&self) -> bool {
        self.way != Way::Nonblocking
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn has_native(&self) -> bool {
        self.way != Way::Nonblocking
    }

    fn dump(&self, pid: u32) -> Option<Command> {
        let mut command = Command::new(&self.program);
        command.args(["dump", "--pid", &pid.to_string()]);
        Some(command).filter(|_| self.way == Way::Stop)
    }

    fn command(&self, order: &Order) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["record", "--format", "raw", "--output"]).arg(&order.out);
        command.args(["--pid", &order.pid.to_string(), "--rate", &order.ask.rate.to_string()]);
        command.args(["--duration", &order.ask.seconds.to_string()]);
        command.args(order.ask.native.then_some("--native"));
        match self.way {
            Way::Stop => {
                command.args(["--sampler", "stop"]);
                if self.has_limit && order.ask.rate == HIGHEST {
                    command.args(["--max-overhead", "100"]);
                }
            }
            Way::Nonblocking => {
                command.arg("--nonblocking");
            }
            Way::Kernel => {
                command.args(["--sampler", "kernel"]);
            }
        }
        command
    }

    fn harvest(&self, said: &[String], out: &Path) -> Result<Harvest> {
        let stacks = collapsed::read(out, Frames::NameFirst)?;
        let last = said.iter().rev().find(|line| line.contains(" dropped"));
        let kernel = said.iter().any(|line| line.contains("sampler: kernel"));
        ensure!(self.way != Way::Kernel || kernel, "the kernel's sampler could not be used, or not to the end");
        Ok(Harvest {
            samples: stacks.iter().map(|(_, count)| count).sum(),
            seconds: last.and_then(|line| after(&line[line.find(" in ")?..], " in ")),
            failed: last.and_then(|line| before(line, " dropped")).unwrap_or(0),
            stacks,
        })
    }
}
