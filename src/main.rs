//! `py-spy`: shows where running Python programs spend their time, without touching them.

mod args;
mod child;
mod completions;
mod dump;
mod errors;
mod output;
mod plan;
mod progress;
mod ps;
mod record;
mod sampler_thread;
mod say;
mod signals;
mod threads;
mod top;
mod values;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::plan::Plan;

fn main() -> ExitCode {
    // Before there is a second thread.
    py_spy_target::block_child_signals();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    // Clap answers help, version and usage errors itself; usage errors exit with 2.
    let args = Args::parse();
    run(args).unwrap_or_else(|error| errors::report(&error))
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    let plan = Plan::new(args)?;
    if !matches!(plan, Plan::Completions(_)) {
        // Before anything is started.
        py_spy_target::check_proc().map_err(|why| errors::Hinted::new(why.to_string(), why.hint()))?;
    }
    match plan {
        Plan::Record(plan) => record::run(plan),
        Plan::Top(plan) => top::run(&plan),
        Plan::Dump(plan) => dump::run(&plan),
        Plan::Ps { json } => ps::run(json),
        Plan::Completions(shell) => completions::run(shell),
    }
}
