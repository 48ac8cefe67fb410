//! `cargo xtask natives`: how many of the native stacks of real programs reach the start of their thread and fit the Python
//! frames, in the standard library on every interpreter and in packages of the package index on one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use py_spy_test_programs::interpreters;

use crate::compare::{Table, build, print, root, run_to_end, say, target};
use crate::venv;

/// How it is used.
pub(crate) const USAGE: &str = "natives [--sampler SAMPLER] [NAME...]";

/// Work with the standard library only.
const LIBRARY: [&str; 25] = [
    "pure",
    "comprehensions",
    "generators",
    "delegating",
    "coroutines",
    "sort",
    "regular_expression",
    "json",
    "pickle",
    "zlib",
    "bz2",
    "lzma",
    "hashes",
    "key_derivation",
    "sqlite",
    "decimals",
    "big_numbers",
    "dates",
    "parsing",
    "evaluating",
    "xml",
    "garbage",
    "signals",
    "callbacks",
    "threads",
];

/// Work with packages.
const PACKAGES: [&str; 15] = [
    "numpy_sort",
    "numpy_math",
    "numpy_matmul",
    "numpy_small",
    "scipy_svd",
    "scipy_fft",
    "scipy_minimize",
    "pandas",
    "lxml",
    "pillow",
    "orjson",
    "polars",
    "pydantic",
    "greenlets",
    "cython",
];

/// Series for which all packages are built, the first choice first.
const SERIES: [u8; 3] = [13, 12, 14];

/// Looks a second.
const RATE: &str = "1000";

/// Seconds on each of many interpreters, and on a single one.
const SECONDS: [&str; 2] = ["1", "5"];

/// What the summary of a recording says.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    samples: u64,
    dropped: u64,
    /// Samples that have no native frames, or not all.
    unmerged: u64,
}

/// Runs the work of these names, or all.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (sampler, names) = match arguments {
        ["--sampler", sampler, names @ ..] => (*sampler, names),
        names => ("auto", names),
    };
    for name in names {
        ensure!(LIBRARY.contains(name) || PACKAGES.contains(name), "no work is called {name}");
    }
    let (py_spy, sources, venv) = (build()?, root().join("xtask/natives"), target().join("natives"));
    let lacking = PACKAGES.iter().any(|name| names.is_empty() || names.contains(name));
    if lacking {
        venv::install(&venv, &sources.join("requirements.txt"), &SERIES)?;
        compile(&venv, &sources)?;
    }
    let work =
        Work { py_spy, sampler: sampler.to_owned(), script: sources.join("work.py"), modules: venv.join("modules") };
    let columns = ["work", "interpreters", "samples", "dropped", "not whole", "%", "most of them"];
    let mut table = Table::new(1, &columns);
    for name in LIBRARY.into_iter().chain(PACKAGES).filter(|name| names.is_empty() || names.contains(name)) {
        let mut found = Vec::new();
        if PACKAGES.contains(&name) {
            found.extend(
                work.record(&mut Command::new(venv.join("bin/python")), name, SECONDS[1])?
                    .map(|counts| ("3.13".to_owned(), counts)),
            );
        } else {
            for interpreter in interpreters() {
                let mut python = Command::new(&interpreter.program);
                python.envs(interpreter.environment.iter().copied());
                match work.record(&mut python, name, SECONDS[0])? {
                    Some(counts) => found.push((interpreter.label(), counts)),
                    None => say(&format!("{interpreter} has no {name}")),
                }
            }
        }
        row(&mut table, name, &found);
    }
    print(&table.to_string());
    Ok(())
}

fn row(table: &mut Table, name: &str, found: &[(String, Counts)]) {
    let sum = |of: fn(&Counts) -> u64| found.iter().map(|(_, counts)| of(counts)).sum::<u64>();
    let (samples, dropped, unmerged) = (sum(|of| of.samples), sum(|of| of.dropped), sum(|of| of.unmerged));
    let most = found.iter().max_by_key(|(_, counts)| counts.unmerged).filter(|(_, counts)| counts.unmerged > 0);
    let most = most.map_or_else(String::new, |(label, counts)| format!("{} on {label}", counts.unmerged));
    say(&format!("{name}: {unmerged} of {samples}, {dropped} dropped; {most}"));
    table.row([
        name.replace('_', " "),
        found.len().to_string(),
        samples.to_string(),
        dropped.to_string(),
        unmerged.to_string(),
        format!("{:.2}", 100.0 * unmerged as f64 / (samples as f64).max(1.0)),
        most,
    ]);
}

/// Compiles the module of Cython, beside the packages.
fn compile(venv: &Path, sources: &Path) -> Result<()> {
    let modules = venv.join("modules");
    std::fs::create_dir_all(&modules)?;
    std::fs::copy(sources.join("compiled.pyx"), modules.join("compiled.pyx"))?;
    let cythonize = venv.join("bin/cythonize");
    run_to_end(Command::new(cythonize).args(["-i", "-3", "compiled.pyx"]).current_dir(&modules))
}

/// How work is begun and recorded.
struct Work {
    py_spy: PathBuf,
    sampler: String,
    script: PathBuf,
    /// Where the compiled modules are.
    modules: PathBuf,
}

impl Work {
    /// Records one kind of work; `None` when this interpreter can not do it.
    fn record(&self, python: &mut Command, name: &str, seconds: &str) -> Result<Option<Counts>> {
        python.arg("-B").arg(&self.script).arg(name).env("PYTHONPATH", &self.modules).env("OPENBLAS_NUM_THREADS", "2");
        python.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = Guard(python.spawn().with_context(|| format!("starting {name}"))?);
        let mut line = String::new();
        BufReader::new(program.0.stdout.take().context("no output")?).read_line(&mut line)?;
        if line != "ready\n" {
            return Ok(None);
        }
        let pid = program.0.id().to_string();
        let mut record = Command::new(&self.py_spy);
        record.args([
            "record",
            "--native",
            "--sampler",
            &self.sampler,
            "--rate",
            RATE,
            "--duration",
            seconds,
            "--format",
            "raw",
            "--output",
            "/dev/null",
        ]);
        let output = record.args(["--pid", &pid]).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "recording {name}: {said}");
        Ok(Some(counts(&said).with_context(|| format!("no summary of {name}: {said}"))?))
    }
}

/// Reads the summary: `1000 samples of 1 thread ..., 0 missed, 2 dropped, 3 (0.3%) without their native frames; ...`.
fn counts(said: &str) -> Option<Counts> {
    let summary = said.lines().find(|line| line.contains(" looks a second, "))?;
    let before = |words: &str| -> Option<u64> {
        let text = summary[..summary.find(words)?].rsplit(", ").next()?;
        text.split(' ').next()?.parse().ok()
    };
    Some(Counts {
        samples: summary.split(' ').next()?.parse().ok()?,
        dropped: before(" dropped")?,
        unmerged: before(" without their native frames").unwrap_or(0),
    })
}

/// A program that is killed when it is dropped.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read() {
        let plain =
            "Wrote it\n998 samples of 1 thread in 1.00s, 998.0 looks a second, 2 missed, 3 dropped; sampler: stop";
        assert_eq!(counts(plain), Some(Counts { samples: 998, dropped: 3, unmerged: 0 }));
        let cut = "998 samples of 1 thread in 1.00s, 998.0 looks a second, 2 missed, 0 dropped, 7 (0.7%) without their native \
                   frames, 4 of sleeping threads with a part of them; sampler: stop";
        assert_eq!(counts(cut), Some(Counts { samples: 998, dropped: 0, unmerged: 7 }));
        assert_eq!(counts("Error"), None);
    }
}
