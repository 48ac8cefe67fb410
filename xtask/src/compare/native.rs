//! Stacks with native frames: how many a second, and what one costs.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::cpu::steady;
use super::figures::Figures;
use super::lab::Lab;
use super::peers::{after, before};
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
    Ok(format!("{table}\n{STILL}\n\n{}", still(lab)?))
}

/// What the second table is.
const STILL: &str =
    "For how long ours stops a thread, from the order to stop until it runs on, and whether it holds its rate:";

/// Threads that wait beside the one that is busy, where there are some.
const SLEEPERS: usize = 200;

/// How long threads stand still for ours, without native frames and with them.
fn still(lab: &Lab) -> Result<Table> {
    let columns =
        ["program", "looks a second asked", "frames", "held", "median stop, us", "99 % within, us", "% of a CPU"];
    let mut table = Table::new(3, &columns);
    let Some(group) = lab.groups(false).into_iter().find(|group| group.peers.iter().any(|peer| peer.is_ours())) else {
        return Ok(table);
    };
    for (sleepers, rate) in [(0, 1000), (0, 100), (SLEEPERS, 100)] {
        let subject = Subject::start(lab, group.interpreter, Shape { depth: 10, sleepers, busy: true })?;
        for native in [false, true] {
            let mut figures = <[Figures; 4]>::default();
            for _ in 0..lab.rounds(3) {
                let all = once(lab, &subject, rate, native)?;
                figures.iter_mut().zip(all).for_each(|(figures, figure)| figures.add(figure));
            }
            let program =
                if sleepers > 0 { format!("busy, and {sleepers} asleep (--idle)") } else { "busy".to_owned() };
            let frames = if native { "native too" } else { "Python" };
            let [held, median, most, cpu] = figures.map(|figures| figures.text(""));
            table.row([program, rate.to_string(), frames.to_owned(), held, median, most, cpu]);
        }
    }
    Ok(table)
}

/// Records once: looks a second, the median and the longest of 99 % of the stops in us, and the share of a CPU that it took in %.
fn once(lab: &Lab, subject: &Subject, rate: u32, native: bool) -> Result<[f64; 4]> {
    let mut command = Command::new(&lab.ours);
    command
        .args(["record", "--sampler", "stop", "--stats", "--format", "raw", "--output"])
        .arg(lab.scratch.path().join("out"));
    command.args(["--duration", if lab.options.quick { "1" } else { "3" }, "--rate", &rate.to_string()]);
    command.args(native.then_some("--native")).args((subject.shape.sleepers > 0).then_some("--idle"));
    command.args(["--pid", &subject.id().to_string()]).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = lab.cpus.spawn(lab.cpus.profiler, &mut command)?.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let figures = || {
        let number = |behind: &str| after(&said[said.find(behind)?..], behind);
        Some([before(&said, " looks a second")?, number("median ")?, number("99% within ")?, number("py-spy used ")?])
    };
    figures().with_context(|| format!("no figures in what it said: {said}"))
}
