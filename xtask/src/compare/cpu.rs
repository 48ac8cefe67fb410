//! What a sample costs the profiler itself.

use anyhow::Result;

use super::figures::Figures;
use super::lab::Lab;
use super::peers::Peer;
use super::run::{Ask, measure, tried};
use super::subject::{Shape, Subject};
use super::table::Table;

const RATE: u32 = 1000;

/// What a pair of runs gave, a long one less a short one.
pub(crate) struct Steady {
    /// CPU seconds a second.
    pub(crate) share: f64,
    /// CPU seconds a sample.
    pub(crate) sample: f64,
    /// Samples a second in the long one.
    pub(crate) rate: f64,
    /// In the long one, in percent.
    pub(crate) slowed: f64,
}

/// Runs a profiler for a second and for some more: what it does at its start and end is in both.
pub(crate) fn steady(lab: &Lab, peer: &dyn Peer, subject: &Subject, ask: Ask) -> Option<Steady> {
    let short = tried(measure(lab, peer, subject, Ask { seconds: 1, ..ask }))?;
    let long = tried(measure(lab, peer, subject, ask))?;
    let cpu = long.cpu - short.cpu;
    Some(Steady {
        share: cpu / (long.seconds - short.seconds),
        sample: cpu / long.samples.saturating_sub(short.samples) as f64,
        rate: long.rate,
        slowed: long.slowed,
    })
}

/// The section's table.
pub(crate) fn section(lab: &Lab) -> Result<String> {
    let columns =
        ["profiler", "Python", "us of CPU time a sample", "it to ours", "samples a second", "program slowed by, %"];
    let mut table = Table::new(2, &columns);
    for mut group in lab.groups(true) {
        // Ours is there to be compared with.
        let others: Vec<bool> = group.peers.iter().filter(|peer| !peer.is_ours()).map(|peer| peer.is_exact()).collect();
        group.peers.retain(|peer| others.is_empty() || others.contains(&peer.is_exact()));
        let shape = Shape { depth: 100, sleepers: 0, busy: true };
        let subject = Subject::start(lab, group.interpreter, shape)?;
        let mut found = vec![<[Figures; 3]>::default(); group.peers.len()];
        for _ in 0..lab.rounds(3) {
            for (peer, [sample, rates, slowed]) in group.peers.iter().zip(&mut found) {
                if let Some(run) = steady(lab, *peer, &subject, Ask::python(RATE, 2)) {
                    sample.add(run.sample * 1e6);
                    rates.add(run.rate);
                    slowed.add(run.slowed);
                }
            }
        }
        for (peer, [sample, rates, slowed]) in group.peers.iter().zip(&found) {
            // Each is compared with ours that works as it does.
            let same = group.peers.iter().position(|ours| ours.is_ours() && ours.is_exact() == peer.is_exact());
            let ratio = same.filter(|_| !peer.is_ours()).map(|at| sample.ratio(&found[at][0])).unwrap_or_default();
            table.row([peer.name(), group.python(), sample.text(""), ratio, rates.text(""), slowed.text("")]);
        }
    }
    Ok(table.to_string())
}
