//! Stacks that can not have been: programs say who calls whom in which line, and every stack is judged by that.

use std::collections::BTreeSet;

use anyhow::Result;
use py_spy_test_programs::{Interpreter, Program, Rules, one_of_each_series, turn};

use super::lab::{Lab, say, series};
use super::peers::{Peer, Stack};
use super::run::{Ask, Place, Run, run};
use super::table::Table;

const RATE: u32 = 1000;

/// Programs that are hard to look at (`crates/test-programs/programs`).
const SCRIPTS: [&str; 3] = ["flip", "generators", "mixed"];

/// What moved while it was read, and was left out.
const MOVING: &str = "(moving)";

/// Sums over runs.
#[derive(Debug, Default)]
struct Total {
    samples: u64,
    impossible: u64,
    moving: u64,
    failed: u64,
    /// The series that it saw.
    seen: Vec<String>,
    /// Those in which it saw impossible stacks.
    wrong: BTreeSet<String>,
}

/// The section's table.
#[expect(clippy::unnecessary_wraps, reason = "as all sections")]
pub(crate) fn section(lab: &Lab) -> Result<String> {
    let turn = turn();
    let mut totals: Vec<Total> = lab.peers.all.iter().map(|_| Total::default()).collect();
    let scripts = if lab.options.quick { &SCRIPTS[..2] } else { &SCRIPTS[..] };
    for interpreter in subjects(lab) {
        for script in scripts {
            let program = Program::start(&turn, interpreter, script, &[]);
            for (peer, total) in lab.peers.all.iter().zip(&mut totals) {
                if peer.may_see(interpreter) {
                    look(lab, &**peer, &program, (&series(interpreter), script), total);
                }
            }
        }
    }
    let columns = ["profiler", "series", "samples", "impossible, %", "moving, %", "failed, %", "impossible in"];
    let mut table = Table::new(2, &columns);
    for (peer, total) in lab.peers.all.iter().zip(&totals) {
        table.row(total.cells(peer.name()));
    }
    Ok(table.to_string())
}

/// One interpreter of each series without switches; to see that it works, the last two.
fn subjects(lab: &Lab) -> Vec<&'static Interpreter> {
    let mut all = one_of_each_series();
    all.retain(|interpreter| interpreter.environment.is_empty());
    if lab.options.quick && all.len() > 2 {
        // Of the last two only one is seen by a profiler that is not the newest.
        all = vec![all[all.len() - 2], all[all.len() - 1]];
    }
    all
}

/// One run of a profiler.
fn look(lab: &Lab, peer: &dyn Peer, program: &Program, (series, script): (&str, &str), total: &mut Total) {
    match run(lab, peer, program.id(), Ask::python(RATE, 1), false, &Place::default()) {
        Ok(run) if run.harvest.samples > 0 => total.add(series, program.rules(), &run),
        Ok(run) => {
            total.failed += run.harvest.failed;
            say(&format!("{series} {script}: nothing from {} ({} failed)", run.last, run.harvest.failed));
        }
        Err(error) => say(&format!("{series} {script}: {error:#}")),
    }
}

impl Total {
    fn add(&mut self, series: &str, rules: &Rules, run: &Run) {
        if !self.seen.iter().any(|seen| seen == series) {
            self.seen.push(series.to_owned());
        }
        self.failed += run.harvest.failed;
        for (stack, count) in &run.harvest.stacks {
            self.samples += count;
            match judge(rules, stack) {
                Verdict::Possible => {}
                Verdict::Moving => self.moving += count,
                Verdict::Impossible => {
                    self.impossible += count;
                    self.wrong.insert(series.to_owned());
                }
            }
        }
    }

    fn cells(&self, name: String) -> [String; 7] {
        // Three digits behind the point would be more than so many samples can tell.
        let share = |count: u64, of: u64| {
            if of == 0 { "-".to_owned() } else { format!("{:.2}", 100.0 * count as f64 / of as f64) }
        };
        let wrong: Vec<_> = self.seen.iter().filter(|series| self.wrong.contains(*series)).cloned().collect();
        [
            name,
            self.seen.join(" "),
            self.samples.to_string(),
            share(self.impossible, self.samples),
            share(self.moving, self.samples),
            share(self.failed, self.samples + self.failed),
            wrong.join(" "),
        ]
    }
}

enum Verdict {
    Possible,
    Moving,
    Impossible,
}

/// What was left out of a stack is no fault, but what is left of it must be possible.
fn judge(rules: &Rules, stack: &Stack) -> Verdict {
    match stack.split_last() {
        Some(((leaf, _), [])) if leaf == MOVING => Verdict::Moving,
        Some(((leaf, _), rest)) if leaf == MOVING && rules.fault(rest).is_none() => Verdict::Moving,
        _ if rules.fault(stack).is_none() => Verdict::Possible,
        _ => Verdict::Impossible,
    }
}
