//! Processes and what comes from them: `--subprocesses`, several ids, launchers, programs that become others.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod dumps;
mod launchers;
mod listed;
mod named;
mod relatives;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tests that need the machine: a crowd of processes leaves nothing to those who live for a moment.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stack of a raw profile: the ids of its process and that one's ancestors, the oldest first, and its other frames.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stack<'a> {
    pids: Vec<u32>,
    frames: Vec<&'a str>,
}

impl Stack<'_> {
    /// It has this function.
    fn has(&self, function: &str) -> bool {
        self.frames.iter().any(|frame| frame.split(" (").next() == Some(function))
    }
}

/// The stacks of a raw profile with their counts.
fn stacks<'a>(name: &str, raw: &'a str) -> BTreeMap<Stack<'a>, u64> {
    let mut stacks = BTreeMap::new();
    for line in raw.lines() {
        let (frames, count) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{name}: {line:?}"));
        let (processes, frames): (Vec<_>, _) = frames.split(';').partition(|frame| frame.starts_with("process "));
        let pid = |label: &&str| {
            let number = label["process ".len()..].split_once(":\"").map(|(number, _)| number.parse());
            number.and_then(Result::ok).unwrap_or_else(|| panic!("{name}: {line:?}"))
        };
        let stack = Stack { pids: processes.iter().map(pid).collect(), frames };
        *stacks.entry(stack).or_default() += count.parse::<u64>().expect("a count");
    }
    stacks
}

/// How many samples have a function, by the ids of the process and its ancestors.
fn counts(stacks: &BTreeMap<Stack<'_>, u64>, function: &str) -> BTreeMap<Vec<u32>, u64> {
    let mut counts = BTreeMap::new();
    for (stack, count) in stacks.iter().filter(|(stack, _)| stack.has(function)) {
        *counts.entry(stack.pids.clone()).or_default() += count;
    }
    counts
}

/// What stands behind `Samples: ` in the messages of a recording.
fn samples(name: &str, messages: &str) -> u64 {
    let (_, rest) = messages.split_once("Samples: ").unwrap_or_else(|| panic!("{name}: {messages}"));
    let number = rest.split_whitespace().next().unwrap_or_default();
    number.parse().unwrap_or_else(|error| panic!("{name}: {error}: {messages}"))
}
