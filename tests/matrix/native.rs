//! `--native`: Python that C has called, and the C between.

use std::process::Output;

use py_spy_test_programs::Interpreter;
use serde_json::Value;

use crate::common::{Running, good, is_by_kernel, program, python, run, stderr};

/// The Python functions of the program, root first.
const PYTHON: [&str; 3] = ["<module>", "sort", "key"];

/// What is written where native frames are not known.
const CUT: &str = "(cut)";

/// True for a frame of Python code, by its label or file.
fn is_python(place: &str) -> bool {
    place.contains(".py")
}

/// Looks at the program in both ways.
pub(crate) fn one(interpreter: &Interpreter) {
    let name = format!("{interpreter} sorting.py");
    let mut running = Running::start(&name, python(interpreter).arg(program("sorting")));
    assert_eq!(running.line(), "ready", "{name}");
    let pid = running.id_text();

    for sampler in ["stop", "kernel"] {
        let name = format!("{name} --sampler {sampler}");
        let given = ["record", "--native", "--sampler", sampler, "-d", "400ms", "-f", "raw", "-o", "-", "--pid", &pid];
        let output = run(&given);
        if sampler == "stop" || is_by_kernel(&name, &output) {
            recorded(&name, &output);
        }
    }

    let output = run(&["dump", "--native", "--json", "--pid", &pid]);
    let threads: Value = serde_json::from_str(good(&name, &output)).expect("JSON");
    let thread = threads.as_array().expect("a list").iter().find(|thread| thread["active"] == true);
    let frames = thread.expect("a busy thread")["frames"].as_array().expect("a list");
    let text = |frame: &Value, key: &str| frame[key].as_str().expect("a text").to_owned();
    let labels: Vec<String> =
        frames.iter().rev().map(|frame| format!("{} ({})", text(frame, "name"), text(frame, "filename"))).collect();
    in_order(&name, &labels.iter().map(String::as_str).collect::<Vec<_>>());
    running.is_unharmed();
}

fn recorded(name: &str, output: &Output) {
    let raw = good(name, output);
    let stacks: Vec<Vec<&str>> = raw
        .lines()
        .map(|line| line.rsplit_once(' ').expect("a count").0.split(';').collect::<Vec<_>>())
        .filter(|stack: &Vec<&str>| stack.iter().any(|frame| frame.starts_with("key (")))
        .collect();
    assert!(!stacks.is_empty(), "{name}: {raw}");
    // On a busy machine a thread may not get a CPU in time, to say where it is.
    let whole = stacks.iter().filter(|stack| in_order(name, stack)).count();
    let said = stderr(output).contains("without their native frames");
    assert_eq!(said, whole < stacks.len(), "{name}: {}", stderr(output));
    assert!(whole > 0, "{name}: {stacks:?}");
}

/// The Python functions are there in their order. True with the native frames: the sort is between them then.
fn in_order(name: &str, stack: &[&str]) -> bool {
    let python: Vec<usize> = (0..stack.len()).filter(|&at| is_python(stack[at])).collect();
    let functions: Vec<&str> = python.iter().map(|&at| stack[at].split(" (").next().unwrap_or_default()).collect();
    assert_eq!(functions, PYTHON, "{name}: {stack:?}");
    if stack.len() == PYTHON.len() || stack.contains(&CUT) {
        return false;
    }
    assert!(python[2] > python[1] + 1, "{name}: nothing sorts: {stack:?}");
    true
}
