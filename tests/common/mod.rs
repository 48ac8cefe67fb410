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

pub(crate) use running::{Running, is_running, nobody_minds, wait_until_alone};

use py_spy_test_programs::{Interpreter, one_of_each_series};

/// A py-spy whose behaviour does not depend on where the tests run.
pub(crate) fn py_spy(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_py-spy"));
    for name in ["COLUMNS", "RUST_LOG", "RUST_BACKTRACE", "CLICOLOR_FORCE", "SUDO_UID", "SUDO_GID"] {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null());
    command
}

/// A command behind another one that runs it, like `unshare --pid --fork`, with the environment that it has.
pub(crate) fn behind(words: &[&str], inner: &Command) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// True when a command that does nothing can be run behind these words; else it is said what is not tested.
pub(crate) fn may(words: &[&str]) -> bool {
    let tried =
        Command::new(words[0]).args(&words[1..]).arg("true").stdin(Stdio::null()).stderr(Stdio::null()).status();
    let may = tried.is_ok_and(|status| status.success());
    if !may {
        eprintln!("SKIPPED: `{} ...` does not work here", words.join(" "));
    }
    may
}

/// Has a thread `worker` that runs in `busy`, and answers a line with a number that grows. Says 1 first.
pub(crate) const BUSY: &str = "
import os, threading
def busy():
    while True: pass
def answer():
    n = 0
    while True:
        n += 1
        os.write(1, b'%d\\n' % n)
        os.read(0, 1)
thread = threading.Thread(target=busy, name='worker')
thread.daemon = True
thread.start()
answer()
";

/// A few of the interpreters: the oldest, the newest, and 3.12 with its ids of its own kind.
pub(crate) fn few() -> Vec<&'static Interpreter> {
    let all = one_of_each_series();
    let last = all.len() - 1;
    let is = |(at, known): (usize, &&Interpreter)| at == 0 || at == last || known.is("3.12");
    all.iter().enumerate().filter(|&(at, known)| is((at, known))).map(|(_, &known)| known).collect()
}

/// Runs py-spy and waits for it.
pub(crate) fn run(words: &[&str]) -> Output {
    py_spy(words).output().expect("py-spy starts")
}

/// Why this machine has the kernel take no samples, as py-spy says it.
const NOT_HERE: [&str; 5] = [
    "maps are not allowed",
    "the program is not allowed",
    "timers are not allowed",
    "the kernel has no ring buffers",
    "the kernel's timers do not go on",
];

/// With musl nothing tells it which of the kernel's threads is which, where CPython does not.
const NOT_THIS_ONE: &str = "the kernel's ids of its threads are not known";

/// True when the kernel took the samples, as it was told to; false when it may not, which is said. Nothing else is in order.
#[track_caller]
pub(crate) fn is_by_kernel(name: &str, output: &Output) -> bool {
    let text = stderr(output);
    if text.contains("; sampler: kernel; ") {
        return true;
    }
    let known = NOT_HERE.iter().chain([&NOT_THIS_ONE]).any(|why| text.contains(why));
    assert!(known && text.contains("; sampler: stop; "), "{name}: {text}");
    eprintln!("SKIPPED: {name}: {text}");
    false
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
