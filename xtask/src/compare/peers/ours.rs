//! This py-spy.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::collapsed::{self, Frames};
use super::{Harvest, Order, Peer, after, before};
use crate::compare::run::HIGHEST;

/// This py-spy in one of its two ways.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) program: PathBuf,
    pub(crate) nonblocking: bool,
    /// It lets the program run for a part of the time, unless told otherwise.
    pub(crate) has_limit: bool,
}

impl Peer for Ours {
    fn name(&self) -> String {
        format!("ours{}", if self.nonblocking { " --nonblocking" } else { "" })
    }

    fn stops(&self) -> bool {
        !self.nonblocking
    }

    fn is_ours(&self) -> bool {
        true
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
        if self.nonblocking {
            command.arg("--nonblocking");
        } else if self.has_limit && order.ask.rate == HIGHEST {
            command.args(["--max-overhead", "100"]);
        }
        command
    }

    fn harvest(&self, said: &[String], out: &Path) -> Result<Harvest> {
        let stacks = collapsed::read(out, Frames::NameFirst)?;
        let last = said.iter().rev().find(|line| line.contains(" dropped"));
        Ok(Harvest {
            samples: stacks.iter().map(|(_, count)| count).sum(),
            seconds: last.and_then(|line| after(&line[line.find(" in ")?..], " in ")),
            failed: last.and_then(|line| before(line, " dropped")).unwrap_or(0),
            stacks,
        })
    }
}
