//! What the program pays, seen from inside: it counts its own work while profilers come and go.

use anyhow::Result;

use super::figures::Figures;
use super::lab::Lab;
use super::peers::bare::Bare;
use super::run::{Ask, measure, tried};
use super::subject::{Shape, Subject};
use super::table::Table;

const SLEEPERS: [usize; 2] = [0, 200];
const RATES: [u32; 3] = [100, 1000, 10_000];

/// The section's table.
pub(crate) fn section(lab: &Lab) -> Result<String> {
    let columns = ["sleeping threads", "profiler", "Python", "100 Hz, %", "1,000 Hz, %", "10,000 Hz, %"];
    let mut table = Table::new(3, &columns);
    let all = if lab.options.quick { &SLEEPERS[..1] } else { &SLEEPERS[..] };
    for &sleepers in all {
        for group in lab.main_groups() {
            let shape = Shape { depth: 10, sleepers, busy: true };
            let subject = Subject::start(lab, group.interpreter, shape)?;
            let bare = Bare::new()?;
            let mut peers = group.peers.clone();
            if peers.iter().any(|peer| peer.is_ours()) && sleepers == 0 {
                peers.push(&bare);
            }
            let mut found = vec![<[Figures; 3]>::default(); peers.len()];
            for _ in 0..lab.rounds(3) {
                for (at, rate) in RATES.into_iter().enumerate() {
                    for (peer, slowed) in peers.iter().zip(&mut found) {
                        if let Some(run) = tried(measure(lab, *peer, &subject, Ask::python(rate, 1))) {
                            slowed[at].add(run.slowed);
                        }
                    }
                }
            }
            for (peer, slowed) in peers.iter().zip(&found) {
                let [low, middle, high] = slowed.each_ref().map(|slowed| slowed.text(""));
                table.row([sleepers.to_string(), peer.name(), group.python(), low, middle, high]);
            }
        }
    }
    Ok(table.to_string())
}
