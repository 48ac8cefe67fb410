//! How many samples a second each profiler gets at most, and what that costs the program.

use anyhow::Result;

use super::figures::Figures;
use super::lab::Lab;
use super::run::{Ask, HIGHEST, measure, tried};
use super::subject::{Shape, Subject};
use super::table::Table;

/// The section's tables.
pub(crate) fn section(lab: &Lab) -> Result<String> {
    let columns = ["way", "profiler", "Python", "depth", "samples a second", "ours to it", "program slowed by, %"];
    let mut table = Table::new(3, &columns);
    let ask = Ask::python(HIGHEST, if lab.options.quick { 1 } else { 2 });
    let depths = if lab.options.quick { &[100][..] } else { &[10, 100][..] };
    for (way, exact) in [("not stopping", false), ("exact", true)] {
        for group in lab.groups(true) {
            let peers: Vec<_> = group.peers.iter().filter(|peer| peer.is_exact() == exact).collect();
            if peers.iter().all(|peer| peer.is_ours()) {
                continue;
            }
            for &depth in depths {
                let shape = Shape { depth, sleepers: 0, busy: true };
                let subject = Subject::start(lab, group.interpreter, shape)?;
                let mut found = vec![(Figures::default(), Figures::default()); peers.len()];
                for _ in 0..lab.rounds(3) {
                    for (peer, (rates, slowed)) in peers.iter().zip(&mut found) {
                        if let Some(run) = tried(measure(lab, **peer, &subject, ask)) {
                            rates.add(run.rate);
                            slowed.add(run.slowed);
                        }
                    }
                }
                let ours = peers.iter().position(|peer| peer.is_ours());
                let ours = ours.map(|at| found[at].0.clone()).unwrap_or_default();
                for (peer, (rates, slowed)) in peers.iter().zip(&found) {
                    let ratio = if peer.is_ours() { String::new() } else { ours.ratio(rates) };
                    let (rates, slowed) = (rates.text(""), slowed.text(""));
                    table.row([way.to_owned(), peer.name(), group.python(), depth.to_string(), rates, ratio, slowed]);
                }
            }
        }
    }
    Ok(table.to_string())
}
