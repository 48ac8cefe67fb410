//! A C program that has CPython in it: `host.c` says what it can be told.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::common::Running;

/// The status with which it ends when a library can not be loaded here.
const CAN_NOT_LOAD: i32 = 77;

/// Compiles it, with more switches. `None` when there is no compiler, or it can not be linked; that is said.
pub(crate) fn compile(into: &Path, more: &[OsString]) -> Option<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packaging/host.c");
    let mut command = Command::new("gcc");
    command.args(["-Wall", "-Werror", "-O1", "-o"]).arg(into).arg(source).args(more).args(["-ldl", "-lpthread"]);
    let Ok(output) = command.output() else {
        eprintln!("SKIPPED: no gcc here: CPython in another program is NOT tested");
        return None;
    };
    // It is ours: only what is linked to it can be to blame.
    let done = output.status.success();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(done || !more.is_empty(), "{why}");
    if !done {
        eprintln!("SKIPPED: {more:?} can not be linked here: {}", why.lines().last().unwrap_or_default());
    }
    done.then_some(())
}

/// The program without any CPython, compiled once.
pub(crate) fn host() -> Option<&'static Path> {
    static HOST: OnceLock<Option<(TempDir, PathBuf)>> = OnceLock::new();
    let host = HOST.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server");
        compile(&path, &[])?;
        Some((folder, path))
    });
    host.as_ref().map(|(_, path)| path.as_path())
}

/// The command of a host with its actions.
pub(crate) fn command(program: &Path, actions: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program);
    command.args(actions);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PYTHON")) {
        command.env_remove(name);
    }
    command
}

/// Starts a program and waits until it has said `ready` so often. `None` when it can not run here; that is said.
pub(crate) fn start(name: &str, command: &mut Command, ready: usize) -> Option<Running> {
    let mut running = Running::start(name, command);
    for _ in 0..ready {
        match running.line_or_end() {
            Some(line) => assert_eq!(line, "ready", "{name}"),
            None => {
                let status = running.wait();
                assert!(status.code().is_some_and(|code| code == CAN_NOT_LOAD), "{name}: {status}");
                eprintln!("SKIPPED: {name}: it can not run here");
                return None;
            }
        }
    }
    Some(running)
}
