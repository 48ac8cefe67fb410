//! Program and profiler on one CPU, as in a small container.

use anyhow::Result;

use super::figures::Figures;
use super::lab::Lab;
use super::run::{Ask, Place, measure_at, tried};
use super::subject::{Shape, Subject};
use super::table::Table;

const ASK: Ask = Ask::python(1000, 3);

/// The section's table.
pub(crate) fn section(lab: &Lab) -> Result<String> {
    let mut table = Table::new(2, &["profiler", "Python", "samples a second", "program slowed by, %"]);
    for group in lab.main_groups() {
        let shape = Shape { depth: 10, sleepers: 0, busy: true };
        let subject = Subject::start(lab, group.interpreter, shape)?;
        let place = Place { cpu: Some(lab.cpus.program), ..Place::default() };
        let mut found = vec![<[Figures; 2]>::default(); group.peers.len()];
        for _ in 0..lab.rounds(2) {
            for (peer, [rates, slowed]) in group.peers.iter().zip(&mut found) {
                if let Some(run) = tried(measure_at(lab, *peer, &subject, ASK, &place)) {
                    rates.add(run.rate);
                    slowed.add(run.slowed);
                }
            }
        }
        for (peer, [rates, slowed]) in group.peers.iter().zip(&found) {
            table.row([peer.name(), group.python(), rates.text(""), slowed.text("")]);
        }
    }
    Ok(table.to_string())
}
