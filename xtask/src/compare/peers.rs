//! The profilers, each behind the same few questions.

mod austin;
pub(crate) mod bare;
mod collapsed;
mod install;
mod mojo;
mod ours;
mod py_spy;
mod tachyon;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use py_spy_test_programs::Interpreter;

use super::run::Ask;

pub(crate) use install::{install, run};

/// What a profiler is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) pid: u32,
    pub(crate) ask: Ask,
    /// The program has more than one thread.
    pub(crate) threads: bool,
    /// Where the samples go.
    pub(crate) out: PathBuf,
}

/// A stack, root first: functions and lines.
pub(crate) type Stack = Vec<(String, u32)>;

/// What a profiler brought.
#[derive(Debug, Default)]
pub(crate) struct Harvest {
    /// Looks at the program that gave a stack, counted from what was written.
    pub(crate) samples: u64,
    /// For how long it says that it sampled.
    pub(crate) seconds: Option<f64>,
    /// Looks that gave nothing, by its own count.
    pub(crate) failed: u64,
    /// The stacks, how often each.
    pub(crate) stacks: Vec<(Stack, u64)>,
}

/// A profiler in one of its ways to sample.
pub(crate) trait Peer {
    /// As it is typed, with its version.
    fn name(&self) -> String;

    /// It stops the program to look.
    fn stops(&self) -> bool;

    /// Every stack is of one moment: the thread can not move while it is read.
    fn is_exact(&self) -> bool {
        self.stops()
    }

    /// It can show native frames where they belong, between those of Python.
    fn has_native(&self) -> bool {
        false
    }

    /// It is the one of this repository.
    fn is_ours(&self) -> bool {
        false
    }

    /// It is left out where time is short.
    fn is_minor(&self) -> bool {
        false
    }

    /// Whether to try it on this interpreter at all.
    fn may_see(&self, _interpreter: &Interpreter) -> bool {
        true
    }

    /// How it is run.
    fn command(&self, order: &Order) -> Command;

    /// The command that prints all stacks of a process once, if it has one.
    fn dump(&self, _pid: u32) -> Option<Command> {
        None
    }

    /// With which words it says that it begins, if it does not keep the time by itself.
    fn begins(&self) -> Option<&'static str> {
        None
    }

    /// Reads what it said and wrote.
    fn harvest(&self, said: &[String], out: &Path) -> Result<Harvest>;
}

/// All peers that are here, ours first, and what has to be said of the others.
pub(crate) struct Peers {
    pub(crate) all: Vec<Box<dyn Peer>>,
    pub(crate) notes: Vec<String>,
}

/// The number right before some words: `before("7 samples", " samples")`.
pub(crate) fn before<T: std::str::FromStr>(text: &str, words: &str) -> Option<T> {
    let head = &text[..text.find(words)?];
    head.rsplit(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse().ok()
}

/// The number right behind some words, spaces between.
pub(crate) fn after<T: std::str::FromStr>(text: &str, words: &str) -> Option<T> {
    let tail = text[text.find(words)? + words.len()..].trim_start();
    tail.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_the_words_beside_them() {
        let line = "85885 samples of 1 thread in 2.00s, 3 dropped";
        assert_eq!(before(line, " samples"), Some(85885));
        assert_eq!(before(line, " dropped"), Some(3));
        assert_eq!(after(line, "thread in "), Some(2.0));
        assert_eq!(after::<u64>(line, "missed"), None);
    }
}
