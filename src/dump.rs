//! `dump`: prints the stack of every thread once.

mod json;
mod text;

use std::process::ExitCode;

use crate::attach::{Patience, attach};
use crate::plan::DumpPlan;
use crate::say;

/// Prints all stacks of a process.
pub(crate) fn run(plan: &DumpPlan) -> anyhow::Result<ExitCode> {
    let mut sampler = attach(plan.pid, &plan.options, Patience::Running, || false)?;
    let snapshot = sampler.snapshot()?;
    let info = sampler.info().clone();
    // Whoever reads us may be slow; the process is not to wait for that.
    drop(sampler);
    let text = if plan.json { json::render(&info, &snapshot)? } else { text::render(&info, &snapshot) };
    say::print(text.as_bytes())?;
    if snapshot.dropped > 0 {
        say::line(&format!("{} more threads could not be read truly and are left out", snapshot.dropped));
    }
    Ok(ExitCode::SUCCESS)
}
