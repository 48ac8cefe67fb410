//! What may be looked at with which rights, and what is said to those who may not.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod capability;
mod closed;
mod filters;
mod hidden;
mod kernel;
mod user;
mod user_namespace;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{behind, good, one_error, py_spy};
use py_spy_test_programs::{Interpreter, one_of_each_series};

/// Runs what follows as a user without any rights.
const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// A copy of py-spy at a place where everybody may run it, and write.
struct Copy {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Copy {
    fn new() -> Copy {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("it is ours");
        let program = folder.path().join("py-spy");
        fs::copy(env!("CARGO_BIN_EXE_py-spy"), &program).expect("a copy");
        Copy { folder, program }
    }

    /// It, with these words, behind others.
    fn behind(&self, outer: &[&str], words: &[&str]) -> Command {
        let mut inner = Command::new(&self.program);
        inner.args(words);
        for (name, _) in py_spy(&[]).get_envs() {
            inner.env_remove(name);
        }
        let mut command = behind(outer, &inner);
        command.current_dir(&self.folder);
        command
    }

    /// Looks at a process in each way: one error with one hint that has all of these parts, and nothing left behind.
    #[track_caller]
    fn is_refused(&self, outer: &[&str], pid: &str, message: &str, parts: &[&str]) {
        for words in [
            &["dump", "--pid", pid][..],
            &["dump", "--json", "--nonblocking", "--pid", pid],
            &["record", "-d", "1", "-o", "x", "--pid", pid],
        ] {
            let name = format!("{} py-spy {}", outer.join(" "), words.join(" "));
            let output = self.behind(outer, words).output().unwrap_or_else(|error| panic!("{name}: {error}"));
            let text = one_error(&name, &output, message);
            assert_eq!(text.lines().count(), 2, "{name}: {text}");
            let hint = text.lines().last().unwrap_or_default();
            assert!(hint.starts_with("hint: "), "{name}: {text}");
            for part in parts {
                assert!(hint.contains(part), "{name}: {part:?} is not in {text}");
            }
            assert_eq!(fs::read_dir(&self.folder).expect("a folder").count(), 1, "{name}: something is left behind");
        }
    }

    /// Looks at a busy process in each way.
    #[track_caller]
    fn is_allowed(&self, outer: &[&str], pid: &str) {
        for words in [&["dump", "--pid", pid][..], &["record", "-d", "0.3", "-f", "raw", "-o", "-", "--pid", pid]] {
            let name = format!("{} py-spy {}", outer.join(" "), words.join(" "));
            let output = self.behind(outer, words).output().expect("it starts");
            assert!(good(&name, &output).contains("busy ("), "{name}: {output:?}");
        }
    }
}

/// True when we are root, who can give rights away; else it is said what is not tested.
fn is_root(what: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("not root here: {what} is NOT tested");
    }
    root
}

/// An interpreter that can do something behind these words: it may lie where another user may not look.
fn interpreter_that_can(outer: &[&str], source: &str) -> Option<&'static Interpreter> {
    let works = |interpreter: &&Interpreter| {
        let mut command = behind(outer, common::python(interpreter).args(["-c", source]));
        command.current_dir("/").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let found = one_of_each_series().into_iter().rev().find(works);
    if found.is_none() {
        eprintln!("SKIPPED: no Python that can be run so: {} python -c {source:?}", outer.join(" "));
    }
    found
}

/// What `kernel.yama.ptrace_scope` is; 0 where there is no Yama.
fn ptrace_scope() -> u8 {
    let path = Path::new("/proc/sys/kernel/yama/ptrace_scope");
    fs::read_to_string(path).map_or(0, |text| text.trim().parse().expect("a number"))
}

/// What was said and printed.
fn both(output: &Output) -> String {
    format!("{}{}", common::stdout(output), common::stderr(output))
}
