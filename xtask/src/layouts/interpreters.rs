//! The Python interpreters of this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{output, say};

/// What we ask an interpreter. Old ones have no `Py_GIL_DISABLED`.
const QUESTION: &str = "import platform, sys, sysconfig
print(sys.hexversion)
print(sysconfig.get_paths()['include'])
print(int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))))
print(int(bool(sysconfig.get_config_var('Py_DEBUG'))))
print(platform.machine())";

/// A release build with headers.
#[derive(Debug)]
pub(crate) struct Interpreter {
    pub(crate) program: PathBuf,
    /// `PY_VERSION_HEX`.
    pub(crate) version: u32,
    pub(crate) free_threaded: bool,
    pub(crate) include: PathBuf,
}

impl Interpreter {
    /// 3 of 3.12.1.
    pub(crate) fn major(&self) -> u8 {
        (self.version >> 24) as u8
    }

    /// 12 of 3.12.1.
    pub(crate) fn minor(&self) -> u8 {
        (self.version >> 16) as u8
    }
}

/// All that can be used: under `PYENV_ROOT` (else `~/.pyenv`), under `TEST_PYTHONS` (else `~/.cache/test-pythons`), and
/// on the path.
pub(crate) fn found() -> Vec<Interpreter> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for program in programs() {
        // A shim on the path that leads nowhere, a broken installation: said, and passed over.
        let interpreter = match ask(&program) {
            Ok(Some(interpreter)) => interpreter,
            Ok(None) => continue,
            Err(error) => {
                say(&format!("{}: not used: {error:#}", program.display()));
                continue;
            }
        };
        if seen.insert((interpreter.include.clone(), interpreter.version)) {
            all.push(interpreter);
        }
    }
    all
}

fn ask(program: &Path) -> Result<Option<Interpreter>> {
    let answer = output(Command::new(program).args(["-E", "-s", "-c", QUESTION]))?;
    let [version, include, free_threaded, debug, machine] = answer.lines().collect::<Vec<_>>()[..] else {
        anyhow::bail!("answered {answer:?}");
    };
    let interpreter = Interpreter {
        program: program.to_owned(),
        version: version.parse().context("its version")?,
        free_threaded: free_threaded == "1",
        include: include.into(),
    };
    if machine != "x86_64" || debug == "1" {
        say(&format!("{}: not used: a debug build, or not x86-64", program.display()));
        return Ok(None);
    }
    // Before 3.7 all that is wanted is public.
    if interpreter.version >= 0x0307_0000 && !interpreter.include.join("internal").is_dir() {
        say(&format!("{}: not used: no internal headers in {include}", program.display()));
        return Ok(None);
    }
    Ok(Some(interpreter))
}

/// The programs called `python2.7` or `python3.X`, with suffixes for builds.
fn programs() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for (variable, beside_home, below) in
        [("PYENV_ROOT", ".pyenv", "versions"), ("TEST_PYTHONS", ".cache/test-pythons", "")]
    {
        let root = std::env::var_os(variable).map(PathBuf::from);
        let root = root.or_else(|| Some(std::env::home_dir()?.join(beside_home)));
        let installations = root.map(|root| entries(&root.join(below))).unwrap_or_default();
        folders.extend(installations.into_iter().map(|installation| installation.join("bin")));
    }
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    folders.iter().flat_map(|folder| entries(folder)).filter(|path| is_python(path)).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// `python2.7`, `python3.12`, `python3.13t`, `python3.15d`; not `python3.12-config`.
fn is_python(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    name == "python2.7"
        || name.strip_prefix("python3.").is_some_and(|rest| {
            let digits = rest.trim_end_matches(['t', 'd']);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
}
