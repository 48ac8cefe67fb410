//! `top`: the live table.

use std::process::ExitCode;

use crate::plan::TopPlan;

/// Shows the live table until it is ended.
pub(crate) fn run(plan: &TopPlan) -> anyhow::Result<ExitCode> {
    let _ = plan;
    anyhow::bail!("top is not there yet")
}
