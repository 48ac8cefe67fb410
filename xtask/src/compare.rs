//! `cargo xtask compare`: measures this py-spy beside others, in turn, in one run, and writes `docs/benchmarks.md`.
//!
//! The program that is looked at counts its own work (`docs/benchmarks/program.py`), so that what a profiler costs it
//! is seen from inside. Every figure is the median of several rounds; in each round every profiler has its turn.

mod calls;
mod cost;
mod cpu;
mod cpus;
mod dump;
mod figures;
mod lab;
mod limits;
mod native;
mod one_cpu;
mod options;
mod peers;
mod rates;
mod report;
mod run;
mod subject;
mod table;
mod threads;
mod truth;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result};

use lab::Lab;
pub(crate) use lab::{build, root, say, target};
use options::Options;
pub(crate) use options::USAGE;
pub(crate) use peers::bare;
pub(crate) use peers::run as run_to_end;
pub(crate) use table::Table;

/// What measures something: a table, or several.
type Section = fn(&Lab) -> Result<String>;

/// All sections in the order of the page, by the names that `--only` takes.
const SECTIONS: [(&str, Section); 10] = [
    ("limits", limits::section),
    ("rates", rates::section),
    ("cpu", cpu::section),
    ("native", native::section),
    ("cost", cost::section),
    ("threads", threads::section),
    ("one-cpu", one_cpu::section),
    ("dump", dump::section),
    ("truth", truth::section),
    ("calls", calls::section),
];

/// Measures and writes.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let lab = Lab::set_up(options)?;
    let before = report::load();
    let mut texts = BTreeMap::new();
    for (name, section) in SECTIONS {
        if lab.options.only.as_deref().is_none_or(|only| only == name) {
            let began = Instant::now();
            let text = section(&lab).with_context(|| format!("measuring {name}"))?;
            print(&format!("## {name} ({:.0} s)\n\n{text}", began.elapsed().as_secs_f64()));
            texts.insert(name, text);
        }
    }
    if lab.options.only.is_some() {
        say("one section only: no page is written");
        return Ok(());
    }
    let page = report::page(&lab, (before, report::load()), &texts)?;
    // Figures of a single round are no documentation.
    let usual =
        if lab.options.quick { target().join("compare/benchmarks.md") } else { root().join("docs/benchmarks.md") };
    let path = lab.options.out.as_ref().unwrap_or(&usual);
    std::fs::write(path, page).with_context(|| format!("writing {}", path.display()))?;
    say(&format!("wrote {}", path.display()));
    Ok(())
}

/// Shows a section's result.
#[expect(clippy::print_stdout, reason = "a chore that is run by hand")]
pub(crate) fn print(text: &str) {
    println!("{text}");
}
