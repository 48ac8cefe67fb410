//! `dump`: prints the stack of every thread once.

mod core_file;
mod family;
mod json;
mod links;
mod source;
mod text;

use std::process::ExitCode;

use py_spy_profile::for_terminal;
use py_spy_sampler::{AttachError, Options, Patience, ProcessInfo, Snapshot, attach_patiently, core_snapshots};
use py_spy_target::signal_name;

use crate::plan::DumpPlan;
use crate::say;

/// One process at one moment.
#[derive(Debug)]
struct Dumped {
    info: ProcessInfo,
    snapshot: Snapshot,
    /// The processes that it comes from, the oldest first, as far as they were asked for too.
    ancestors: Vec<Ancestor>,
    /// It is a core file: nothing runs.
    dead: bool,
}

/// A process that another one comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ancestor {
    pid: u32,
    command: String,
}

/// Prints all stacks of processes.
pub(crate) fn run(plan: &DumpPlan) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    let mut errors = Vec::new();
    let mut incomplete = 0;
    if let Some(core) = &plan.core {
        for seen in core_snapshots(core_file::open(core)?, core, plan.sysroot.as_deref(), &plan.options)? {
            if seen.signal != 0 && !plan.json {
                let (signal, file) = (signal_name(seen.signal), core.display().to_string());
                say::print(format!("Signal {signal}: {}\n", for_terminal(&file)).as_bytes())?;
            }
            incomplete += seen.incomplete;
            all.push(Dumped { info: seen.info, snapshot: seen.snapshot, ancestors: Vec::new(), dead: true });
        }
    } else if plan.subprocesses {
        family::dump(&plan.pids, &plan.options, &mut all, &mut errors);
    } else {
        for &pid in &plan.pids {
            match look(pid, &plan.options, Patience::Running) {
                Ok(seen) => all.extend(seen.into_iter().map(|(info, snapshot)| Dumped {
                    info,
                    snapshot,
                    ancestors: Vec::new(),
                    dead: false,
                })),
                Err(error) => errors.push(error),
            }
        }
    }
    if all.is_empty() && !errors.is_empty() {
        return Err(errors.swap_remove(0).into());
    }
    if let Some(wanted) = &plan.threads {
        for dumped in &mut all {
            dumped.snapshot.threads.retain(|thread| thread.name.as_deref().is_some_and(|name| wanted.matches(name)));
        }
        if all.iter().all(|dumped| dumped.snapshot.threads.is_empty()) {
            say::line("no thread has such a name");
        }
    }
    if plan.source {
        source::add(&mut all, plan.sysroot.as_deref());
    }
    let text =
        if plan.json { json::render(&all)? } else { text::render(&all, say::width(), plan.merge, links::are_shown()) };
    say::print(text.as_bytes())?;
    for error in &errors {
        say::line(&format!("left out: {}", for_terminal(&error.to_string())));
    }
    let dropped: usize = all.iter().map(|dumped| dumped.snapshot.dropped).sum();
    if dropped > 0 {
        say::line(&format!("{dropped} more threads could not be read truly and are left out"));
    }
    if incomplete > 0 {
        say::line(&format!("threads with frames that are missing in the core file: {incomplete}"));
        say::line(
            "hint: gcore leaves out memory that it warns of; a core file of the kernel's has it (`kill -ABRT`, which ends the program)",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// One look at each CPython of a process, mostly one. Whoever reads what we print may be slow; the process is not to wait for
/// that, and is left alone before.
fn look(pid: u32, options: &Options, patience: Patience) -> Result<Vec<(ProcessInfo, Snapshot)>, AttachError> {
    attach_patiently(pid, options, patience, || false)?.snapshots()
}
