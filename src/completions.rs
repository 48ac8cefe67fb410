//! `completions`: what a shell needs to complete our command line.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::say;

/// Prints the completion script of a shell.
pub(crate) fn run(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "py-spy", &mut script);
    say::print(&script)?;
    Ok(ExitCode::SUCCESS)
}
