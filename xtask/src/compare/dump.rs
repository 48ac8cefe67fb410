//! How long a dump takes, from the command's start to its end.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::figures::Figures;
use super::lab::{Lab, say};
use super::run::tried;
use super::subject::{Heap, Shape, Subject};
use super::table::Table;

/// Dumps of a round: the first one finds cold caches.
const TIMES: usize = 5;

/// What is looked at: in words, threads that wait beside the main one, GiB of heap.
const PROGRAMS: [(&str, usize, Heap); 3] =
    [("small", 0, Heap(0)), ("2,000 threads", 2000, Heap(0)), ("10 GiB of heap", 0, Heap(10))];

/// The section's table.
pub(crate) fn section(lab: &Lab) -> Result<String> {
    let mut table = Table::new(3, &["program", "profiler", "Python", "ms", "it to ours"]);
    for (words, sleepers, heap) in PROGRAMS {
        if !heap.fits() {
            say(&format!("no room for {words}: that row is left out"));
            continue;
        }
        for group in lab.groups(false) {
            let shape = Shape { depth: 10, sleepers, busy: false };
            let subject = Subject::start_with(lab, group.interpreter, shape, heap)?;
            let dumps = |peer: usize| group.peers[peer].dump(subject.id());
            let mut found: Vec<_> = (0..group.peers.len())
                .filter(|&peer| dumps(peer).is_some())
                .map(|peer| (peer, Figures::default()))
                .collect();
            for _ in 0..lab.rounds(3) {
                for (peer, times) in &mut found {
                    for _ in 0..TIMES {
                        let time = dumps(*peer).and_then(|mut command| tried(timed(lab, &mut command)));
                        times.add(time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3));
                    }
                }
            }
            let ours = found.iter().find(|(peer, _)| group.peers[*peer].is_ours()).map(|(_, times)| times.clone());
            for (peer, times) in &found {
                let peer = group.peers[*peer];
                let ratio = ours.as_ref().filter(|_| !peer.is_ours()).map(|ours| times.ratio(ours)).unwrap_or_default();
                table.row([
                    words.to_owned(),
                    if peer.is_ours() { "ours".to_owned() } else { peer.name() },
                    group.python(),
                    times.text(""),
                    ratio,
                ]);
            }
        }
    }
    Ok(table.to_string())
}

/// Runs it to its end; what it says goes to a file in memory.
fn timed(lab: &Lab, command: &mut Command) -> Result<Duration> {
    let out = File::create(lab.scratch.path().join("dump"))?;
    command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
    let began = Instant::now();
    let status = lab.cpus.spawn(lab.cpus.profiler, command)?.wait()?;
    let time = began.elapsed();
    ensure!(status.success(), "a dump failed: {status}");
    Ok(time)
}
