//! Austin.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::collapsed::{self, Frames};
use super::{Harvest, Order, Peer, after, mojo};

/// Austin, which has one way only.
#[derive(Debug)]
pub(crate) struct Austin {
    pub(crate) program: PathBuf,
    pub(crate) version: String,
}

impl Peer for Austin {
    fn name(&self) -> String {
        format!("Austin {}", self.version)
    }

    fn stops(&self) -> bool {
        false
    }

    fn command(&self, order: &Order) -> Command {
        let mut command = Command::new(&self.program);
        let interval = (1_000_000 / order.ask.rate).max(1);
        command.args(["-i", &interval.to_string(), "-x", &order.ask.seconds.to_string(), "-o"]).arg(&order.out);
        // With many threads only those that run, as the others; with one this is slower.
        let running = if self.version.starts_with('3') { "-s" } else { "-c" };
        command.args(order.threads.then_some(running));
        command.args(["-p", &order.pid.to_string()]);
        command
    }

    fn harvest(&self, said: &[String], out: &Path) -> Result<Harvest> {
        let lines: Vec<String> = said.iter().map(|line| plain(line)).collect();
        let seconds = lines.iter().find_map(|line| {
            let at = line.to_lowercase().find("duration")?;
            after(line[at..].trim_start_matches(|c: char| !c.is_ascii_digit()), "")
        });
        let bytes = std::fs::read(out).unwrap_or_default();
        if bytes.starts_with(mojo::MAGIC) {
            let found = mojo::read(&bytes);
            return Ok(Harvest { samples: found.samples, failed: found.failed, seconds, stacks: found.stacks });
        }
        // The number behind a stack is its time.
        let mut stacks = collapsed::read(out, Frames::FileFirst)?;
        for (_, count) in &mut stacks {
            *count = 1;
        }
        Ok(Harvest { samples: stacks.len() as u64, failed: 0, seconds, stacks })
    }
}

/// Without colours.
fn plain(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(plain("\x1b[1mTotal duration\x1b[0;30m . . \x1b[0m\x1b[1m2.05s\x1b[0m"), "Total duration . . 2.05s");
    }

    #[test]
    fn its_statistics_are_read() {
        let austin = Austin { program: PathBuf::new(), version: "4".to_owned() };
        let said = ["      Total duration\x1b[0;30m . . . . . . \x1b[0m\x1b[1m2.05s\x1b[0m".to_owned()];
        let harvest = austin.harvest(&said, Path::new("/nowhere")).expect("no file is no error");
        assert_eq!((harvest.seconds, harvest.samples), (Some(2.05), 0));
    }
}
