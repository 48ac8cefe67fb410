//! System calls a sample, counted by strace.

use std::path::Path;

use anyhow::{Context, Result};

use super::figures::number;
use super::lab::{Lab, say};
use super::peers::Peer;
use super::run::{Ask, Place, run};
use super::subject::{Shape, Subject};
use super::table::Table;

/// Depths, and threads that sleep.
const SHAPES: [(usize, usize); 4] = [(10, 0), (100, 0), (1000, 0), (10, 500)];

/// The section's table.
pub(crate) fn section(lab: &Lab) -> Result<String> {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        say("strace is not here: system calls are not counted");
        return Ok("strace was not there: not counted this time.\n".to_owned());
    }
    let columns = ["depth", "sleeping threads", "profiler", "Python", "reads a sample", "stops a sample"];
    let mut table = Table::new(4, &columns);
    let groups = lab.groups(false);
    let Some(group) = groups.first() else { return Ok(String::new()) };
    let shapes = if lab.options.quick { &SHAPES[..2] } else { &SHAPES[..] };
    for &(depth, sleepers) in shapes {
        let shape = Shape { depth, sleepers, busy: true };
        let subject = Subject::start(lab, group.interpreter, shape)?;
        for peer in group.peers.iter().filter(|peer| peer.stops()) {
            let cells = match count(lab, *peer, &subject) {
                Ok(Counts { reads, stops }) => [number(reads), number(stops)],
                Err(error) => {
                    say(&format!("{error:#}"));
                    ["-".to_owned(), "-".to_owned()]
                }
            };
            let [reads, stops] = cells;
            table.row([depth.to_string(), sleepers.to_string(), peer.name(), group.python(), reads, stops]);
        }
    }
    Ok(table.to_string())
}

/// Calls for each stop of the busy thread.
#[derive(Debug, PartialEq)]
struct Counts {
    reads: f64,
    stops: f64,
}

fn count(lab: &Lab, peer: &dyn Peer, subject: &Subject) -> Result<Counts> {
    let path = lab.scratch.path().join("strace");
    let seconds = if lab.options.quick { 2 } else { 3 };
    let words = ["strace", "-f", "-ttt", "-e", "trace=process_vm_readv,ptrace", "-o"];
    let mut wrapper: Vec<_> = words.map(Into::into).into();
    wrapper.push(path.clone().into());
    let place = Place { wrapper, ..Place::default() };
    let sleepers = subject.shape.sleepers > 0;
    run(lab, peer, subject.id(), Ask::python(100, seconds), sleepers, &place)?;
    let counts = counts(&path, subject.id()).with_context(|| format!("{}: no stop was seen", peer.name()));
    std::fs::remove_file(&path).ok();
    counts
}

/// Counts from the second second on, when everything that is read once is known.
fn counts(path: &Path, pid: u32) -> Option<Counts> {
    let text = std::fs::read_to_string(path).ok()?;
    // Thread, time, call.
    let lines = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(' ')?;
        let (time, call) = rest.trim_start().split_once(' ')?;
        Some((time.parse::<f64>().ok()?, call))
    });
    let lines: Vec<_> = lines.collect();
    let start = lines.first()?.0 + 1.0;
    let calls = lines.iter().filter(|(time, _)| *time > start).map(|(_, call)| *call);
    let (mut reads, mut stops, mut samples) = (0, 0, 0);
    for call in calls {
        reads += u32::from(call.starts_with("process_vm_readv("));
        if ["ptrace(PTRACE_INTERRUPT, ", "ptrace(PTRACE_ATTACH, "].iter().any(|start| call.starts_with(start)) {
            stops += 1;
            let whom = call.split([',', ')']).nth(1).unwrap_or_default();
            samples += u32::from(whom.trim() == pid.to_string());
        }
    }
    let each = |count: u32| f64::from(count) / f64::from(samples);
    (samples > 0).then(|| Counts { reads: each(reads), stops: each(stops) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_from_the_second_second_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("trace");
        let text = "5 1.0 process_vm_readv(7, [1], 1, [2], 1, 0) = 8
5 2.5 ptrace(PTRACE_INTERRUPT, 7) = 0
5 2.5 process_vm_readv(7, [1], 1, [2], 1, 0) = 8
6 2.6 process_vm_readv(7, [1], 1, [2], 1, 0 <unfinished ...>
6 2.7 <... process_vm_readv resumed>) = 8
5 2.8 ptrace(PTRACE_ATTACH, 8) = 0
";
        std::fs::write(&path, text).expect("a file");
        assert_eq!(counts(&path, 7), Some(Counts { reads: 2.0, stops: 2.0 }));
        assert_eq!(counts(&path, 9), None);
    }
}
