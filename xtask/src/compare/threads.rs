//! Five hundred threads, of which one runs or none.

use anyhow::Result;

use super::cpu::steady;
use super::figures::Figures;
use super::lab::Lab;
use super::run::Ask;
use super::subject::{Shape, Subject};
use super::table::Table;

const SLEEPERS: usize = 500;
const RATE: u32 = 100;

/// The section's table.
pub(crate) fn section(lab: &Lab) -> Result<String> {
    let columns = [
        "profiler",
        "Python",
        "one runs: us of CPU time a sample",
        "samples a second",
        "program slowed by, %",
        "none runs: % of a CPU",
    ];
    let mut table = Table::new(2, &columns);
    for group in lab.main_groups() {
        let mut found = vec![<[Figures; 4]>::default(); group.peers.len()];
        // A profiler that does nothing for most of the time has to be watched for longer.
        for (busy, rounds, seconds) in [(true, 2, 2), (false, 1, 5)] {
            let seconds = if lab.options.quick { 2 } else { seconds };
            let shape = Shape { depth: 10, sleepers: SLEEPERS, busy };
            let subject = Subject::start(lab, group.interpreter, shape)?;
            for _ in 0..lab.rounds(rounds) {
                for (peer, [sample, rates, slowed, idle]) in group.peers.iter().zip(&mut found) {
                    let Some(run) = steady(lab, *peer, &subject, Ask::python(RATE, seconds)) else { continue };
                    if busy {
                        sample.add(run.sample * 1e6);
                        rates.add(run.rate);
                        slowed.add(run.slowed);
                    } else {
                        idle.add(run.share * 100.0);
                    }
                }
            }
        }
        for (peer, figures) in group.peers.iter().zip(&found) {
            let [sample, rates, slowed, idle] = figures.each_ref().map(|figures| figures.text(""));
            table.row([peer.name(), group.python(), sample, rates, slowed, idle]);
        }
    }
    Ok(table.to_string())
}
