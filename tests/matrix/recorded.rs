//! `record` of the program.

use crate::common::{good, run, stderr};
use crate::{BUSY, Pair, line_of};

/// A raw profile's stacks: what was recorded, without the counts.
fn stacks(name: &str, words: &[&str]) -> Vec<String> {
    let output = run(&[&["record", "-d", "400ms", "-f", "raw", "-o", "-"], words].concat());
    let text = good(name, &output);
    assert!(stderr(&output).contains("Errors: 0"), "{name}: {}", stderr(&output));
    let stacks = text.lines().map(|line| line.rsplit_once(' ').expect("a count").0.to_owned());
    stacks.collect()
}

/// The busy thread's only stack.
fn busy() -> String {
    let frames = BUSY.iter().rev().map(|&(function, text)| format!("{function} (pair.py:{})", line_of(text)));
    frames.collect::<Vec<_>>().join(";")
}

/// The one thread that is active, always with the same stack.
pub(crate) fn one(pair: &Pair, options: &[&str]) {
    let name = format!("{} record {options:?}", pair.name);
    assert_eq!(stacks(&name, &[&["--pid", &pair.pid()], options].concat()), [busy()], "{name}");
}

/// Both processes, each under its name.
pub(crate) fn with_child(pair: &Pair) {
    let name = format!("{} record -s", pair.name);
    let stacks = stacks(&name, &["-s", "--pid", &pair.pid()]);
    let (own, other) = (format!("process {}:", pair.pid()), format!(";process {}:", pair.child));
    let (children, parents): (Vec<_>, Vec<_>) = stacks.iter().partition(|stack| stack.contains(&other));
    assert!(stacks.iter().all(|stack| stack.starts_with(&own)), "{name}: {stacks:?}");
    assert!(parents.len() == 1 && parents[0].ends_with(&format!(";{}", busy())), "{name}: {parents:?}");
    assert!(!children.is_empty() && children.iter().all(|stack| stack.contains(";in_child (")), "{name}: {children:?}");
}
