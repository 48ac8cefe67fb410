//! Which processes and threads were started since the last look.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// A number is given a little before its process can be seen: one that was not there is looked at so many times more.
const LOOKS_MORE: u8 = 2;

/// Numbers that are kept for that; beyond them some are given up.
const MAX_KEPT: usize = 1 << 10;

/// The numbers that were given since the last look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// These, or fewer.
    Few(Vec<u32>),
    /// Too many, or it can not be told.
    Many,
}

/// The number that the kernel gave last: the last field of `/proc/loadavg`, counted as in our PID namespace.
#[derive(Debug)]
pub(super) struct Newest {
    file: Option<File>,
    last: u32,
    /// Numbers that nobody had yet, and how often to look again.
    kept: Vec<(u32, u8)>,
    /// Of the look that goes on: how often each is to be looked at again.
    looking: Vec<(u32, u8)>,
}

impl Newest {
    /// Begins now.
    pub(super) fn open() -> Newest {
        let file = File::open("/proc/loadavg").ok().filter(tells_the_truth);
        if file.is_none() {
            log::info!("the kernel does not tell which process it started last: all are listed instead");
        }
        let last = file.as_ref().and_then(read).unwrap_or(0);
        Newest { file, last, kept: Vec::new(), looking: Vec::new() }
    }

    /// What was given since, and what is to be looked at again; at most so many.
    pub(super) fn numbers(&mut self, most: u32) -> Numbers {
        let Some(now) = self.file.as_ref().and_then(read) else { return Numbers::Many };
        let before = std::mem::replace(&mut self.last, now);
        // They begin anew at some time.
        let Some(count) = now.checked_sub(before).filter(|&count| count <= most) else { return Numbers::Many };
        self.looking = std::mem::take(&mut self.kept);
        let again = self.looking.iter().map(|&(number, _)| number);
        Numbers::Few(again.chain(now - count + 1..=now).collect())
    }

    /// Nobody has this number, or nobody yet.
    pub(super) fn look_again(&mut self, number: u32) {
        let left = self.looking.iter().find(|(known, _)| *known == number).map_or(LOOKS_MORE, |&(_, left)| left);
        if left > 0 && self.kept.len() < MAX_KEPT {
            self.kept.push((number, left - 1));
        }
    }
}

fn read(file: &File) -> Option<u32> {
    let mut text = [0; 128];
    let length = file.read_at(&mut text, 0).ok()?;
    str::from_utf8(&text[..length]).ok()?.split_whitespace().last()?.parse().ok()
}

/// True when the number that is said to be the last one grows past that of a thread that has just been started.
fn tells_the_truth(file: &File) -> bool {
    let before = read(file);
    let started = std::thread::spawn(|| nix::unistd::gettid().as_raw() as u32).join().ok();
    // Where the numbers have just begun anew all are listed; that is no harm.
    let (Some(before), Some(started), Some(after)) = (before, started, read(file)) else { return false };
    before < started && started <= after
}

#[cfg(test)]
mod tests {
    #![allow(clippy::print_stderr)]

    use super::*;

    #[test]
    fn what_is_started_is_in_the_numbers() {
        let mut newest = Newest::open();
        let mut child = std::process::Command::new("true").spawn().expect("true");
        match newest.numbers(u32::MAX) {
            Numbers::Few(numbers) => assert!(numbers.contains(&child.id()), "{numbers:?}"),
            Numbers::Many => eprintln!("SKIPPED: the numbers began anew, or are not told here"),
        }
        child.wait().expect("our child");
    }

    #[test]
    fn a_number_that_nobody_has_is_looked_at_again_but_not_for_ever() {
        let mut newest = Newest { file: None, last: 0, kept: vec![(7, 1)], looking: Vec::new() };
        newest.looking = std::mem::take(&mut newest.kept);
        newest.look_again(7);
        newest.look_again(8);
        assert_eq!(newest.kept, [(7, 0), (8, LOOKS_MORE - 1)]);
        newest.looking = std::mem::take(&mut newest.kept);
        newest.look_again(7);
        assert!(newest.kept.is_empty());
    }
}
