//! Commands that are no Python and start one.

use py_spy_test_programs::{Interpreter, one_of_each_series};

use crate::common::{good, py_spy, stderr};
use crate::stacks;

const WORK: &str = "import sys, time\ndef NAME():\n  while time.process_time() < 0.4: pass\nNAME()\nsys.exit(7)";

/// Records a shell script, which has the interpreter in `$0` and sources in `$1` and `$2`.
fn record(interpreter: &Interpreter, options: &[&str], script: &str) -> std::process::Output {
    let (one, two) = (WORK.replace("NAME", "one"), WORK.replace("NAME", "two"));
    let mut command = py_spy(&[&["record", "-f", "raw", "-o", "-"], options, &["--", "sh", "-c", script]].concat());
    command.arg(&interpreter.program).args([one, two]).envs(interpreter.environment.iter().copied());
    command.output().expect("py-spy starts")
}

#[test]
fn the_python_that_a_launcher_starts_is_sampled() {
    for interpreter in one_of_each_series() {
        let name = interpreter.to_string();
        let output = record(interpreter, &[], "sh -c '\"$0\" -c \"$1\"; exit $?' \"$0\" \"$1\"; exit $?");
        // The launcher's status is that of what it started.
        assert_eq!(output.status.code(), Some(7), "{name}: {}", stderr(&output));
        let stacks = stacks(&name, str::from_utf8(&output.stdout).expect("UTF-8"));
        assert!(stacks.keys().all(|stack| stack.pids.is_empty()), "{name}: no frames of processes without -s");
        assert!(
            stacks.iter().filter(|(stack, _)| stack.has("one")).map(|(_, count)| count).sum::<u64>() >= 10,
            "{name}"
        );
    }
}

#[test]
fn one_python_comes_after_the_other() {
    let interpreter = one_of_each_series()[0];
    let output = record(interpreter, &[], "\"$0\" -c \"$1\"; \"$0\" -c \"$2\"; true");
    let stacks = stacks("two", good("two", &output));
    for function in ["one", "two"] {
        assert!(stacks.keys().any(|stack| stack.has(function)), "{function}: {stacks:?}");
    }
}

#[test]
fn with_subprocesses_both_are_sampled_at_once() {
    let interpreter = one_of_each_series()[0];
    let output = record(interpreter, &["-s"], "\"$0\" -c \"$1\" & \"$0\" -c \"$2\"; wait");
    let stacks = stacks("both", good("both", &output));
    for function in ["one", "two"] {
        let counts = crate::counts(&stacks, function);
        assert!(counts.len() == 1 && counts.values().all(|&count| count >= 10), "{function}: {counts:?}");
        assert!(counts.keys().all(|pids| pids.len() == 2), "below the shell: {counts:?}");
    }
}

#[test]
fn a_launcher_without_any_python_is_an_error() {
    let output =
        py_spy(&["record", "-s", "-o", "-", "--", "sh", "-c", "sleep 0.1; exit 4"]).output().expect("it starts");
    let text =
        crate::common::one_error("no Python", &output, "the command ended with exit status 4 before it was seen");
    assert!(text.contains("hint: "), "{text}");
}
