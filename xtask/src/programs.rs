//! `cargo xtask programs`: runs servers, pools, launchers and other programs of the package index with py-spy and without,
//! and says what differs. Each process writes down when it begins and ends, so that it is known who was to be found.

mod table;
mod trial;
mod truth;

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::compare::{Table, build, print, root, say, target};
use crate::venv;
use table::{PROGRAMS, Program};
use trial::{Place, Trial, Way, code};
use truth::Life;

/// How it is used.
pub(crate) const USAGE: &str = "programs [NAME...]";

/// A process that lives for less need not be found: py-spy looks for new ones every 5 ms, and needs a CPU for that.
const LONG_ENOUGH: Duration = Duration::from_millis(100);

/// A recording of a running program begins within this time.
const ATTACHED_WITHIN: Duration = Duration::from_millis(500);

/// A process that was killed need not be found if it began so long before the end.
const KILLED_WITHIN: Duration = Duration::from_secs(1);

/// Series that all packages have been built for, the first choice first.
const SERIES: [u8; 2] = [12, 13];

/// Runs the programs of these names, or all; an error when one is not as it should be.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    for name in names {
        ensure!(PROGRAMS.iter().any(|program| program.name == *name), "no program is called {name}");
    }
    let sources = root().join("xtask/programs");
    let place = Place { py_spy: build()?, venv: target().join("programs"), sources };
    venv::install(&place.venv, &place.sources.join("requirements.txt"), &SERIES)?;
    let mut table = Table::new(
        1,
        &["program", "processes", "of 100 ms", "found", "samples", "alone, s", "started", "by pid", "faults"],
    );
    let mut bad = 0;
    for program in PROGRAMS.iter().filter(|program| names.is_empty() || names.contains(&program.name)) {
        say(program.name);
        let faults = row(&place, program, &mut table).with_context(|| format!("running {}", program.name))?;
        for fault in &faults {
            say(&format!("  {fault}"));
        }
        bad += usize::from(!faults.is_empty());
    }
    print(&table.to_string());
    ensure!(bad == 0, "{bad} programs are not as they should be");
    Ok(())
}

/// Runs one program in all ways. Returns its faults.
fn row(place: &Place, program: &Program, table: &mut Table) -> Result<Vec<String>> {
    let alone = place.run(program, Way::Alone)?;
    let mut faults = alone.faults.clone();
    let (mut said, mut long, mut found, mut samples) = (0, 0, 0, 0);
    let mut took = Vec::new();
    for way in [Way::Started, Way::Named] {
        let trial = place.run(program, way)?;
        let mut own = trial.faults.clone();
        own.extend(differences(&alone, &trial));
        let expected = expected(&trial, way);
        let missing = expected.iter().filter(|pid| !trial.seen.samples.contains_key(pid));
        own.extend(missing.map(|pid| format!("process {pid} was not found: {:?}", trial.lives[pid])));
        own.extend(trial.seen.impossible.iter().map(|stack| format!("impossible: {stack}")));
        faults.extend(own.iter().map(|fault| format!("{way:?}: {fault}")));
        said += trial.lives.len();
        long += expected.len();
        found += trial.seen.samples.len();
        samples += trial.seen.samples.values().sum::<u64>();
        took.push(trial.took);
    }
    let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
    table.row([
        program.name.to_owned(),
        said.to_string(),
        long.to_string(),
        found.to_string(),
        samples.to_string(),
        seconds(alone.took),
        seconds(took[0]),
        seconds(took[1]),
        faults.len().to_string(),
    ]);
    Ok(faults)
}

/// What is other than without py-spy.
fn differences(alone: &Trial, trial: &Trial) -> Vec<String> {
    let mut different = Vec::new();
    let [was, is] = [alone, trial].map(|trial| code(trial.status));
    if was != is {
        different.push(format!("exit code {is} and not {was}"));
    }
    if alone.seen.samples.is_empty() && steady(&alone.output) != steady(&trial.output) {
        different.push(format!("output: {}", String::from_utf8_lossy(&trial.output)));
    }
    different
}

/// An output without its numbers: times, ports and process ids differ.
fn steady(output: &[u8]) -> Vec<u8> {
    output.iter().copied().filter(|byte| !byte.is_ascii_digit()).collect()
}

/// The processes that lived long enough while py-spy was there.
fn expected(trial: &Trial, way: Way) -> Vec<u32> {
    let since = if way == Way::Named { trial.since + ATTACHED_WITHIN } else { Duration::ZERO };
    let long = |life: &Life| {
        // One that was killed did not say when: a server that ends kills those that it has just started.
        let (end, least) = life.end.map_or((trial.until, KILLED_WITHIN), |end| (end, LONG_ENOUGH));
        end.saturating_sub(life.begin.max(since)) >= least
    };
    trial.lives.iter().filter(|(_, life)| long(life)).map(|(&pid, _)| pid).collect()
}
