//! Whatever can not work: one clear line, a hint where there is one, exit code 1, nothing left behind, nobody harmed.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod commands;
mod outputs;
mod starting;
mod targets;

use common::{Running, python};
use py_spy_test_programs::Interpreter;

/// A Python that waits for a line and then ends.
fn waiting(interpreter: &Interpreter) -> Running {
    let source = "import os\nn = 0\nwhile True:\n  n += 1\n  os.write(1, b'%d\\n' % n), os.read(0, 1)";
    let mut program = Running::start(&interpreter.to_string(), python(interpreter).args(["-c", source]));
    assert_eq!(program.line(), "1");
    program
}

/// Both ways of looking at a process, into a file that is `x` in the current folder.
fn both_ways(pid: &str) -> [Vec<&str>; 3] {
    [
        vec!["dump", "--pid", pid],
        vec!["dump", "--json", "--nonblocking", "--pid", pid],
        vec!["record", "-d", "1", "-o", "x", "--pid", pid],
    ]
}
