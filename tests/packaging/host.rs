//! A C program that has CPython in it: `host.c` says what it can be told.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::common::Running;

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

/// The program without any CPython, for a loader and its C library: an interpreter may have come with its own.
pub(crate) fn host_of(loader: Option<&Path>) -> Option<PathBuf> {
    type Hosts = BTreeMap<Option<PathBuf>, Option<(TempDir, PathBuf)>>;
    static HOSTS: Mutex<Hosts> = Mutex::new(BTreeMap::new());
    let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
    let host = hosts.entry(loader.map(Path::to_owned)).or_insert_with(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server");
        let mut switches = Vec::new();
        if let Some((loader, libraries)) = loader.and_then(|loader| Some((loader, loader.parent()?))) {
            switches.push(OsString::from(format!("-Wl,--dynamic-linker={}", loader.display())));
            // Of the old kind, which holds for what a library needs too.
            switches.push(OsString::from(format!("-Wl,--disable-new-dtags,-rpath,{}", libraries.display())));
        }
        compile(&path, &switches)?;
        Some((folder, path))
    });
    host.as_ref().map(|(_, path)| path.clone())
}

/// The program without any CPython.
pub(crate) fn host() -> Option<PathBuf> {
    host_of(None)
}

/// True when it can load these; if not, that is said.
pub(crate) fn can_load(host: &Path, libraries: &[&Path]) -> bool {
    let mut command = Command::new(host);
    for library in libraries {
        command.arg("load").arg(library);
    }
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        eprintln!("SKIPPED: a program of ours can not load {libraries:?}: {}", why.trim_end());
    }
    output.status.success()
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
        let Some(line) = running.line_or_end() else {
            let status = running.wait();
            eprintln!("SKIPPED: {name}: it can not run here: {status}");
            return None;
        };
        assert_eq!(line, "ready", "{name}");
    }
    Some(running)
}
