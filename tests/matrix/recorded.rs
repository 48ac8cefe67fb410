//! `record` of the program.

use std::process::Output;

use crate::common::{good, is_by_kernel, run, stderr};
use crate::{BUSY, Pair, line_of};

/// A raw profile's stacks: what was recorded, without the counts.
fn stacks(name: &str, words: &[&str]) -> Vec<String> {
    stacks_of(name, &run(&[&["record", "-d", "400ms", "-f", "raw", "-o", "-"], words].concat()))
}

fn stacks_of(name: &str, output: &Output) -> Vec<String> {
    let text = good(name, output);
    assert!(stderr(output).contains("Errors: 0"), "{name}: {}", stderr(output));
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

/// The same by the kernel, and with the child; false when it may not do that for this interpreter, which is said.
pub(crate) fn by_kernel(pair: &Pair) -> bool {
    let name = format!("{} record --sampler kernel", pair.name);
    // What counts is the CPU time that the program gets meanwhile, which may be little.
    let pid = pair.pid();
    let words = ["record", "-r", "1000", "-f", "raw", "-o", "-", "--sampler", "kernel", "--pid", &pid];
    let output = run(&[&words[..], &["-d", "400ms"]].concat());
    if !is_by_kernel(&name, &output) {
        return false;
    }
    assert_eq!(stacks_of(&name, &output), [busy()], "{name}");
    let output = run(&[&words[..], &["--subprocesses", "-d", "1"]].concat());
    assert!(is_by_kernel(&name, &output), "{name} -s: {}", stderr(&output));
    both(pair, &name, &stacks_of(&name, &output));
    true
}

/// Both processes, each under its name.
pub(crate) fn with_child(pair: &Pair) {
    let name = format!("{} record -s", pair.name);
    both(pair, &name, &stacks(&name, &["-s", "--pid", &pair.pid()]));
}

fn both(pair: &Pair, name: &str, stacks: &[String]) {
    let (own, other) = (format!("process {}:", pair.pid()), format!(";process {}:", pair.child));
    let (children, parents): (Vec<_>, Vec<_>) = stacks.iter().partition(|stack| stack.contains(&other));
    assert!(stacks.iter().all(|stack| stack.starts_with(&own)), "{name}: {stacks:?}");
    assert!(parents.len() == 1 && parents[0].ends_with(&format!(";{}", busy())), "{name}: {parents:?}");
    assert!(!children.is_empty() && children.iter().all(|stack| stack.contains(";in_child (")), "{name}: {children:?}");
}
