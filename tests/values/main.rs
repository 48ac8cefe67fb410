//! Values of variables as `dump --locals` shows them: the program's own `repr` is the judge.

#![allow(clippy::print_stderr, reason = "a test says what differs")]

mod cores;
mod shown;
mod states;

use std::process::Command;

use py_spy_test_programs::Program;
use serde_json::Value;

/// What `dump` with these options says of a program.
fn dump(program: &Program, options: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_py-spy"));
    command.args(["dump", "--pid", &program.id().to_string()]).args(options);
    let done = command.output().expect("the profiler runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("it is text")
}

/// The same as JSON.
fn dump_json(program: &Program, options: &[&str]) -> Value {
    let options: Vec<&str> = options.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&dump(program, &options)).expect("it is JSON")
}
