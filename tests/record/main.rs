//! `record` from the outside: what it writes, how it ends, and that its target never notices.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod child;
mod ends;
mod formats;
mod guests;
mod options;
mod recorder;
mod upstream;

use std::collections::BTreeMap;

use common::{Running, program, python};
use py_spy_test_programs::Interpreter;

/// Starts a program that counts, and waits until it does.
fn counting(interpreter: &Interpreter) -> Running {
    let name = format!("{interpreter} counting.py");
    let mut running = Running::start(&name, python(interpreter).arg(program("counting")));
    assert!(running.line().starts_with("ready "), "{name}");
    // Before it counts it is elsewhere.
    running.goes_on();
    running
}

/// The stacks of a raw profile, root first, with their counts.
fn stacks<'a>(name: &str, raw: &'a str) -> BTreeMap<Vec<&'a str>, u64> {
    let mut stacks = BTreeMap::new();
    for line in raw.lines() {
        let (frames, count) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{name}: {line:?}"));
        let count: u64 = count.parse().unwrap_or_else(|error| panic!("{name}: {error}: {line:?}"));
        assert!(count > 0, "{name}: {line:?}");
        assert_eq!(stacks.insert(frames.split(';').collect(), count), None, "{name}: twice: {line:?}");
    }
    assert!(!stacks.is_empty(), "{name}: no stacks");
    stacks
}

/// What stands behind `Samples: ` in the messages of a recording.
fn samples(name: &str, messages: &str) -> u64 {
    let (_, rest) = messages.split_once("Samples: ").unwrap_or_else(|| panic!("{name}: {messages}"));
    let number = rest.split_whitespace().next().unwrap_or_default();
    number.parse().unwrap_or_else(|error| panic!("{name}: {error}: {messages}"))
}
