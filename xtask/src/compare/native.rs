//! Stacks with native frames: how many a second, and what one costs.

use anyhow::Result;

use super::cpu::steady;
use super::figures::Figures;
use super::lab::Lab;
use super::run::{Ask, HIGHEST, measure, tried};
use super::subject::{Shape, Subject};
use super::table::Table;

/// The section's table.
pub(crate) fn section(lab: &Lab) -> Result<String> {
    let columns =
        ["profiler", "Python", "depth", "samples a second", "ours to it", "us of CPU time a sample", "it to ours"];
    let mut table = Table::new(3, &columns);
    let fast = Ask { native: true, ..Ask::python(HIGHEST, if lab.options.quick { 1 } else { 2 }) };
    let slow = Ask { native: true, ..Ask::python(100, 3) };
    for mut group in lab.groups(true) {
        group.peers.retain(|peer| peer.has_native());
        if group.peers.iter().all(|peer| peer.is_ours()) {
            continue;
        }
        for depth in [10, 100] {
            let subject = Subject::start(lab, group.interpreter, Shape { depth, sleepers: 0, busy: true })?;
            let mut found = vec![<[Figures; 2]>::default(); group.peers.len()];
            for _ in 0..lab.rounds(3) {
                for (peer, [rates, costs]) in group.peers.iter().zip(&mut found) {
                    if let Some(run) = tried(measure(lab, *peer, &subject, fast)) {
                        rates.add(run.rate);
                    }
                    if let Some(run) = steady(lab, *peer, &subject, slow) {
                        costs.add(run.sample * 1e6);
                    }
                }
            }
            let ours = group.peers.iter().position(|peer| peer.is_ours());
            let [our_rates, our_costs] = ours.map(|at| found[at].clone()).unwrap_or_default();
            for (peer, [rates, costs]) in group.peers.iter().zip(&found) {
                let (mut faster, mut dearer) = (String::new(), String::new());
                if !peer.is_ours() {
                    (faster, dearer) = (our_rates.ratio(rates), costs.ratio(&our_costs));
                }
                let (depth, rates, costs) = (depth.to_string(), rates.text(""), costs.text(""));
                table.row([peer.name(), group.python(), depth, rates, faster, costs, dearer]);
            }
        }
    }
    Ok(table.to_string())
}
