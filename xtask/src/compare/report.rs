//! The page: fixed words (`report.md`), and in them the tables and what they were measured on.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use py_spy_test_programs::one_of_each_series;

use super::lab::Lab;

const WORDS: &str = include_str!("report.md");

/// The whole page.
pub(crate) fn page(lab: &Lab, loads: (f64, f64), sections: &BTreeMap<&str, String>) -> Result<String> {
    let mut page = WORDS.replace("{{command}}", &lab.options.command()).replace("{{machine}}", &machine(lab, loads)?);
    for (name, text) in sections {
        let mark = format!("{{{{{name}}}}}");
        ensure!(page.contains(&mark), "the page has no place for {name}");
        page = page.replace(&mark, text.trim_end());
    }
    ensure!(!page.contains("{{"), "a place of the page stays empty");
    Ok(page)
}

/// What it was measured on: nothing that names the machine.
fn machine(lab: &Lab, (before, after): (f64, f64)) -> Result<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("asking for the kernel")?;
    let kernel: Vec<&str> = release.trim().split(['.', '-']).take(2).collect();
    let cpus = std::thread::available_parallelism()?;
    let place =
        if lab.cpus.is_one() { "both on the only CPU" } else { "the program on one CPU, the profiler on another" };
    let mut versions = Vec::new();
    for interpreter in one_of_each_series() {
        let of = interpreter.version;
        let (minor, micro) = ((of >> 16) & 0xff, (of >> 8) & 0xff);
        versions.push(format!("3.{minor}.{micro}{}", if interpreter.free_threaded { "t" } else { "" }));
    }
    versions.dedup();
    let peers: Vec<String> = lab.peers.all.iter().filter(|peer| !peer.is_ours()).map(|peer| peer.name()).collect();
    let mut text = format!(
        "- Linux {}, {}, {cpus} CPUs: {place}. Load {before:.1} before, {after:.1} after.\n- CPython {}.\n- Ours {}, with {}.\n",
        kernel.join("."),
        std::env::consts::ARCH,
        versions.join(", "),
        env!("CARGO_PKG_VERSION"),
        peers.join(", "),
    );
    let notes = lab.peers.notes.iter();
    text.extend(notes.flat_map(|note| ["- ", note, ".\n"]));
    Ok(text.trim_end().to_owned())
}

/// How many want to run, by the kernel's average of a minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}
