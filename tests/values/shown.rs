//! What each kind of value is shown as.

use std::collections::BTreeMap;
use std::fmt::Write;

use py_spy_test_programs::{Program, that_run, turn};
use serde_json::Value;

use super::{dump, dump_json};

/// Of a hundred values so many must be equal to the letter.
const LEAST_PER_CENT: usize = 95;

/// All variables of all frames.
fn variables(threads: &Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for thread in threads.as_array().expect("threads") {
        for frame in thread["frames"].as_array().expect("frames") {
            for local in frame["locals"].as_array().into_iter().flatten() {
                let name = local["name"].as_str().expect("a name").to_owned();
                all.entry(name).or_insert_with(|| local.clone());
            }
        }
    }
    all
}

/// As `unicode_escape` of Python writes a text.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            ' '..='~' => out.push(character),
            c if u32::from(c) < 0x100 => write!(out, "\\x{:02x}", u32::from(c)).expect("it is a string"),
            c if u32::from(c) < 0x1_0000 => write!(out, "\\u{:04x}", u32::from(c)).expect("it is a string"),
            c => write!(out, "\\U{:08x}", u32::from(c)).expect("it is a string"),
        }
    }
    out
}

#[test]
fn values_are_what_repr_says() {
    let turn = turn();
    for interpreter in that_run("values") {
        let program = Program::start(&turn, interpreter, "values", &[]);
        let threads = dump_json(&program, &["-l", "--no-redact", "--max-characters", "20000"]);
        let seen = variables(&threads);
        let (mut all, mut equal) = (0, 0);
        for line in program.said() {
            let Some((name, expected)) = line.strip_prefix("value ").and_then(|rest| rest.split_once(' ')) else {
                continue;
            };
            // It has no variable of that name, to see that one is missed.
            if name == "own" {
                assert!(!seen.contains_key(name), "{interpreter}");
                continue;
            }
            all += 1;
            let shown = seen.get(name).and_then(|local| local["repr"].as_str()).map(escaped);
            if shown.as_deref() == Some(expected) {
                equal += 1;
            } else {
                eprintln!("{interpreter}: {name} is {expected}, shown as {shown:?}");
            }
        }
        assert!(all >= 100, "{interpreter}: only {all} values");
        assert!(equal * 100 >= all * LEAST_PER_CENT, "{interpreter}: {equal} of {all} are equal to the letter");
    }
}

#[test]
fn attributes_of_instances_are_beside_their_repr() {
    let turn = turn();
    for interpreter in that_run("values") {
        let program = Program::start(&turn, interpreter, "values", &[]);
        let seen = variables(&dump_json(&program, &["-l"]));
        let slots = seen["slots"]["attributes"].as_str();
        assert_eq!(slots, Some("a=1, b=[2]"), "{interpreter}");
        let plain = seen["plain"]["attributes"].as_str();
        // A dict of Python 2 has no order.
        assert!(matches!(plain, Some("x=1, y='two'" | "y='two', x=1")), "{interpreter}: {plain:?}");
    }
}

#[test]
fn long_values_are_cut_and_say_so() {
    let turn = turn();
    for interpreter in that_run("values") {
        let program = Program::start(&turn, interpreter, "values", &[]);
        let short = variables(&dump_json(&program, &["-l", "--max-characters", "10"]));
        assert_eq!(short["huge"]["repr"], "-136891479...", "{interpreter}");
        assert_eq!(short["huge"]["truncated"], true, "{interpreter}");
        let few = variables(&dump_json(&program, &["-l", "--max-elements", "2"]));
        assert_eq!(few["deque"]["repr"], "deque([1, 2, ...])", "{interpreter}");
    }
}

#[test]
fn terminal_escapes_never_pass() {
    let turn = turn();
    for interpreter in that_run("values") {
        let program = Program::start(&turn, interpreter, "values", &[]);
        let text = dump(&program, &["-lll"]);
        let bad = text.chars().find(|character| character.is_control() && *character != '\n');
        assert_eq!(bad, None, "{interpreter}");
        assert!(text.contains("Globals:\n"), "{interpreter}: a module's variables are shown");
    }
}
