//! The interpreters of this machine that publish their offsets. Which there are, no test depends on.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints the bytes of `_Py_DebugOffsets`: 888 are all of 3.15's, and within `_PyRuntime` in all versions.
const PRINT: &str = "import ctypes, sys
runtime = ctypes.c_char.in_dll(ctypes.pythonapi, '_PyRuntime')
sys.stdout.buffer.write(ctypes.string_at(ctypes.addressof(runtime), 888))";

pub(crate) struct Interpreter {
    pub(crate) program: PathBuf,
    pub(crate) debug: bool,
}

impl Interpreter {
    /// The bytes that it publishes; nothing if it can not say them.
    pub(crate) fn published(&self) -> Option<Vec<u8>> {
        let output = Command::new(&self.program).args(["-I", "-c", PRINT]).output().ok()?;
        (output.status.success() && output.stdout.len() == 888).then_some(output.stdout)
    }
}

/// All of 3.13 to 3.15 under `PYENV_ROOT` (else `~/.pyenv`) and `TEST_PYTHONS` (else `~/.cache/test-pythons`). Says which
/// series have none.
pub(crate) fn found() -> Vec<Interpreter> {
    let root = |variable: &str, beside_home: &str| {
        let given = std::env::var_os(variable).map(PathBuf::from);
        given.or_else(|| Some(std::env::home_dir()?.join(beside_home))).unwrap_or_default()
    };
    let mut installations = entries(&root("PYENV_ROOT", ".pyenv").join("versions"));
    installations.extend(entries(&root("TEST_PYTHONS", ".cache/test-pythons")));

    let mut all = Vec::new();
    for series in ["3.13", "3.14", "3.15"] {
        let before = all.len();
        for suffix in ["", "t", "d"] {
            let programs = installations.iter().map(|folder| folder.join(format!("bin/python{series}{suffix}")));
            all.extend(
                programs
                    .filter(|program| program.exists())
                    .map(|program| Interpreter { debug: suffix == "d" || is_debug(&program), program }),
            );
        }
        if all.len() == before {
            println!("{series}: no interpreter here, only what was captured is tested");
        }
    }
    all
}

/// A debug build counts all references.
fn is_debug(program: &Path) -> bool {
    let question = "import sys; sys.exit(hasattr(sys, 'gettotalrefcount'))";
    Command::new(program).args(["-I", "-c", question]).status().is_ok_and(|status| status.code() == Some(1))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
