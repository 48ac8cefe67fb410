//! Interpreters within the interpreter: none hides another.

use std::collections::BTreeSet;

use py_spy_test_programs::{Interpreter, one_of_each_series};

use crate::common::{self, Running, good, python, run};
use crate::judge::Dumped;
use crate::{READ, Truth};

#[test]
fn every_interpreter_of_a_process_is_shown() {
    for interpreter in one_of_each_series() {
        for kind in ["own", "shared"] {
            all_are_shown(interpreter, kind);
        }
    }
}

/// A thread's id and its stack in one of the interpreters.
type Stack<'a> = (u32, Vec<(&'a str, &'a str, u32)>);

fn all_are_shown(interpreter: &Interpreter, kind: &str) {
    let name = format!("{interpreter} nested.py {kind}");
    let mut program = Running::start(&name, python(interpreter).arg(common::program("nested")).arg(kind));
    let line = program.line();
    let inner: Vec<Vec<(String, String, u32)>> =
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
    let line = program.line();
    let outer: Truth = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
    program.wait_for_call(program.id(), READ);

    let mut expected: BTreeSet<Stack<'_>> =
        outer.threads.iter().map(|thread| (thread.tid, thread.stack(false))).collect();
    for (number, stack) in inner.iter().enumerate() {
        let thread = format!("thread {number}");
        let thread = outer.threads.iter().find(|known| known.name.as_deref() == Some(&thread)).expect("it is there");
        let stack = stack.iter().map(|(name, file, line)| (name.as_str(), file.as_str(), *line)).collect();
        expected.insert((thread.tid, stack));
    }
    assert_eq!(expected.len(), 1 + 3 + 3, "{name}");
    let pid = program.id_text();
    for mode in [&[][..], &["--nonblocking"]] {
        let words = [&["dump", "--json", "--pid", &pid], mode].concat();
        let name = format!("{name}: py-spy {}", words.join(" "));
        let output = run(&words);
        let dumped = Dumped::parse(&name, good(&name, &output));
        let seen: BTreeSet<Stack<'_>> =
            dumped.iter().map(|thread| (thread.os_thread_id.unwrap_or(0), thread.stack())).collect();
        assert_eq!(seen, expected, "{name}");
        assert_eq!(dumped.len(), expected.len(), "{name}: some stack is there twice");
        assert!(dumped.iter().all(|thread| thread.state() == "idle"), "{name}: {dumped:?}");
    }
    program.is_unharmed();
}
