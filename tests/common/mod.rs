//! What the tests of the command line share: running py-spy, and Python programs that a test talks with.

#![allow(
    dead_code,
    unused_imports,
    clippy::print_stderr,
    reason = "each test binary uses its part, and says what it skips"
)]

mod running;
pub(crate) mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) use running::{Running, is_running, nobody_minds};

use py_spy_test_programs::Interpreter;

/// A py-spy whose behaviour does not depend on where the tests run.
pub(crate) fn py_spy(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_py-spy"));
    for name in ["COLUMNS", "RUST_LOG", "RUST_BACKTRACE", "CLICOLOR_FORCE", "SUDO_UID", "SUDO_GID"] {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs py-spy and waits for it.
pub(crate) fn run(words: &[&str]) -> Output {
    py_spy(words).output().expect("py-spy starts")
}

/// What was printed to standard output.
pub(crate) fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("UTF-8")
}

/// What was printed to standard error.
pub(crate) fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("UTF-8")
}

/// What was printed to standard output by a py-spy that went well.
#[track_caller]
pub(crate) fn good<'a>(name: &str, output: &'a Output) -> &'a str {
    assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(output));
    stdout(output)
}

/// Exactly one `Error:` line, at most `hint:` lines after it, the given exit code; nothing on standard output.
#[track_caller]
pub(crate) fn one_error<'a>(name: &str, output: &'a Output, expected: &str) -> &'a str {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{name}: {text}");
    // Other lines are ours too: what a recording says while it goes on.
    let errors = text.lines().filter(|line| line.starts_with("Error: ")).count();
    assert_eq!(errors, 1, "{name}: {text}");
    assert!(text.contains(expected), "{name}: not {expected:?}: {text}");
    for word in ["panicked", "RUST_BACKTRACE", "\x1b", "(os error"] {
        assert!(!text.contains(word), "{name}: {text}");
    }
    assert_eq!(stdout(output), "", "{name}");
    text
}

/// A Python program of the repository.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/test-programs/programs").join(name).with_extension("py")
}

/// An interpreter's command, without the user's settings.
pub(crate) fn python(interpreter: &Interpreter) -> Command {
    let mut command = Command::new(&interpreter.program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PYTHON") {
            command.env_remove(name);
        }
    }
    // No test leaves compiled files in the repository.
    command.arg("-B").envs(interpreter.environment.iter().copied());
    command
}
