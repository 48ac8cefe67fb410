//! CPython in any packaging: in a library, in another program, several in one, started by a loader, renamed, deleted, replaced.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod bundle;
mod embedded;
mod host;
mod library;
mod loader;
mod names;
#[path = "../record/recorder.rs"]
#[allow(dead_code, reason = "this test binary uses its part")]
mod recorder;
mod refused;
mod replaced;
mod several;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use common::{good, py_spy, run};
use nix::sys::signal::Signal;
use recorder::Recorder;

/// A program that runs in the embedded CPython: says `ready` in a function of this name and waits there.
fn waiting_in(function: &str) -> String {
    // Only modules that every interpreter has inside.
    format!("import posix\ndef {function}():\n  posix.write(1, b'ready\\n')\n  posix.read(0, 1)\n{function}()\n")
}

/// The same, busy until the process has used so much CPU time.
fn busy_in(function: &str, seconds: u32) -> String {
    format!("import posix\ndef {function}():\n  while posix.times()[0] < {seconds}: pass\n{function}()\n")
}

/// Runs py-spy with the right to open mapped files by their mapping (as root) and without, as far as both can be done here.
fn each_way(words: &[&str]) -> Vec<Output> {
    static CAN_HAVE_LESS: OnceLock<bool> = OnceLock::new();
    const LESS: [&str; 3] = ["--bounding-set=-sys_admin,-checkpoint_restore", "--inh-caps=-all", "--"];
    let can = *CAN_HAVE_LESS.get_or_init(|| {
        let tried = Command::new("setpriv").args(LESS).arg("true").output();
        let can = tried.is_ok_and(|output| output.status.success());
        if !can {
            eprintln!("not root or no setpriv here: the way with or without CAP_SYS_ADMIN is NOT tested");
        }
        can
    });
    let mut all = vec![run(words)];
    if can {
        let mut command = py_spy(&[]);
        let program = command.get_program().to_owned();
        command = Command::new("setpriv");
        command.args(LESS).arg(program).args(words).env_remove("RUST_LOG");
        all.push(command.output().expect("setpriv starts"));
    }
    all
}

/// A process is shown by `dump` in each way and by `record`: these functions, in Pythons of these versions.
#[track_caller]
fn is_shown(name: &str, pid: u32, expected: &[(&str, &str)]) {
    let pid = pid.to_string();
    for output in each_way(&["dump", "--pid", &pid]) {
        let text = good(name, &output);
        for (version, function) in expected {
            assert!(text.contains(&format!("\nPython v{version} (")), "{name}: not {version}: {text}");
            assert!(text.contains(&format!("\n    {function} (<string>:")), "{name}: not {function}: {text}");
        }
        assert_eq!(text.matches("\nPython v").count(), expected.len(), "{name}: {text}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("profile");
    let mut recorder = record(&pid, &path);
    recorder.wait_until_it_samples();
    is_recorded(name, recorder, &path, &expected.iter().map(|(_, function)| *function).collect::<Vec<_>>());
}

/// Begins to record a process, asleep or not.
fn record(pid: &str, path: &Path) -> Recorder {
    let path = path.to_str().expect("UTF-8");
    Recorder::start(&["--idle", "-f", "raw", "-o", path, "--pid", pid], |_| {})
}

/// Ends a recording: it has stacks that end in these functions.
#[track_caller]
fn is_recorded(name: &str, recorder: Recorder, path: &Path, functions: &[&str]) {
    recorder.signal(Signal::SIGINT);
    let (status, messages) = recorder.wait();
    assert_eq!(status.code(), Some(0), "{name}: {messages}");
    let raw = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}: {messages}"));
    has_all(name, &raw, functions);
}

/// A raw profile has stacks that end in these functions.
#[track_caller]
fn has_all(name: &str, raw: &str, functions: &[&str]) {
    for function in functions {
        let found = raw.lines().any(|line| line.contains(&format!(";{function} (<string>:")));
        assert!(found, "{name}: not {function}: {raw}");
    }
}

/// Copies a file, by another process: a program of ours that is started meanwhile would have the copy open for writing, and
/// nobody could run it.
fn copy_file(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("cp starts");
    assert!(status.success(), "{} can not be copied to {}", from.display(), to.display());
}
