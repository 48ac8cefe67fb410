//! The Python interpreters of this machine.

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::elf::{Elf, is_executable};

/// The series that are tested on interpreters, the oldest first. Those before and between are tested on memory that is
/// made up (`crates/python/tests/made_up.rs`).
pub const SERIES: [(u8, u8); 11] =
    [(2, 7), (3, 6), (3, 7), (3, 8), (3, 9), (3, 10), (3, 11), (3, 12), (3, 13), (3, 14), (3, 15)];

/// From this one on an interpreter runs every program of ours; those for older ones say so themselves ([`crate::runs_from`]).
const RUNS_ALL: (u8, u8) = (3, 8);

/// What we ask an interpreter. Old ones have no `Py_GIL_DISABLED`, and only 3.14 and later can tell of a JIT.
const QUESTION: &str = "import platform, sys, sysconfig
jit = getattr(sys, '_jit', None)
print(sys.hexversion)
print(platform.python_implementation())
print(int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))))
print(int(hasattr(sys, 'gettotalrefcount')))
print(int(jit is not None and jit.is_available()))
print(int('musl' in str(sysconfig.get_config_var('HOST_GNU_TYPE')) or 'musl' in platform.libc_ver()[0]))";

/// A way to run Python: an interpreter, and the switches that make another of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// The executable.
    pub program: PathBuf,
    /// `sys.hexversion`.
    pub version: u32,
    /// It runs without a GIL.
    pub free_threaded: bool,
    /// It counts all references, and more.
    pub debug: bool,
    /// Environment variables that it is started with.
    pub environment: Vec<(&'static str, &'static str)>,
    /// How it was built and is run, where that is not as usual.
    pub kinds: Vec<&'static str>,
}

impl Interpreter {
    /// 12 of 3.12.1.
    pub fn minor(&self) -> u8 {
        (self.version >> 16) as u8
    }

    /// 3 and 12 of 3.12.1.
    pub fn series(&self) -> (u8, u8) {
        ((self.version >> 24) as u8, self.minor())
    }

    /// Its version and kinds: `3.13.15, free-threaded`.
    pub fn label(&self) -> String {
        let (major, minor) = self.series();
        let mut label = format!("{major}.{minor}.{}", self.version >> 8 & 0xff);
        for kind in &self.kinds {
            label += ", ";
            label += kind;
        }
        label
    }

    /// True when it is of a series and kind: `3.12`, `3.13t`.
    pub fn is(&self, series: &str) -> bool {
        let (major, minor) = self.series();
        series == format!("{major}.{minor}{}", if self.free_threaded { "t" } else { "" })
    }
}

impl fmt::Display for Interpreter {
    /// As it is typed: `PYTHON_JIT=1 /usr/bin/python3.14`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={value} ")?;
        }
        write!(f, "{}", self.program.display())
    }
}

/// Every CPython that runs all programs of ours: from 3.8 on.
pub fn interpreters() -> &'static [Interpreter] {
    let all = all_interpreters();
    let first = all.partition_point(|interpreter| interpreter.series() < RUNS_ALL);
    assert!(first < all.len(), "no Python from 3.8 on is on this machine: nothing can be tested");
    &all[first..]
}

/// Every CPython that runs one of the programs, old ones too.
pub fn that_run(script: &str) -> Vec<&'static Interpreter> {
    let from = crate::runs_from(script).unwrap_or(RUNS_ALL);
    all_interpreters().iter().filter(|interpreter| interpreter.series() >= from).collect()
}

/// One of each series and kind that runs one of the programs, old ones too.
pub fn one_of_each_series_that_runs(script: &str) -> Vec<&'static Interpreter> {
    one_of_each(that_run(script))
}

/// Every CPython of a series that is tested, the oldest first: on the path, under `PYENV_ROOT` (else `~/.pyenv`) and under
/// `TEST_PYTHONS` (else `test-pythons` in the user's cache folder), each also with its JIT on and its GIL on where it has such a
/// switch. Says which series are missing.
pub fn all_interpreters() -> &'static [Interpreter] {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for program in candidates() {
            // Links of both kinds lead to one file.
            let Ok(file) = std::fs::metadata(&program) else { continue };
            if seen.insert((file.dev(), file.ino())) {
                found.extend(variants(&program));
            }
        }
        for (major, minor) in SERIES {
            if !found.iter().any(|known: &Interpreter| known.series() == (major, minor)) {
                eprintln!("no Python {major}.{minor} here: what is said of it is NOT tested");
            }
        }
        found.sort_by_key(|interpreter| interpreter.version);
        found
    })
}

/// One interpreter of each series and kind that runs all programs of ours: with the GIL, without, with the JIT.
pub fn one_of_each_series() -> Vec<&'static Interpreter> {
    one_of_each(interpreters().iter().collect())
}

fn one_of_each(mut all: Vec<&'static Interpreter>) -> Vec<&'static Interpreter> {
    let mut seen = BTreeSet::new();
    all.retain(|known| !known.debug && seen.insert((known.series(), known.free_threaded, known.environment.clone())));
    all
}

/// An interpreter with its switches; none when it is no CPython that we support, or does not start.
fn variants(program: &Path) -> Vec<Interpreter> {
    let Ok(answer) = Command::new(program).args(["-E", "-s", "-c", QUESTION]).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let [version, implementation, free_threaded, debug, jit, musl] = text.lines().collect::<Vec<_>>()[..] else {
        eprintln!("{}: not used: it does not start", program.display());
        return Vec::new();
    };
    let version: u32 = version.parse().expect("sys.hexversion is a number");
    if implementation != "CPython" || !SERIES.contains(&((version >> 24) as u8, (version >> 16) as u8)) {
        return Vec::new();
    }
    let elf = Elf::of(program);
    let kinds = [
        (free_threaded == "1", "free-threaded"),
        (debug == "1", "debug build"),
        (elf.is_shared, "shared libpython"),
        (musl == "1", "musl"),
        (elf.is_fixed, "not PIE"),
        (elf.is_stripped, "stripped"),
    ];
    let plain = Interpreter {
        program: program.to_owned(),
        version,
        free_threaded: free_threaded == "1",
        debug: debug == "1",
        environment: Vec::new(),
        kinds: kinds.iter().filter(|(is_so, _)| *is_so).map(|&(_, kind)| kind).collect(),
    };
    let switched = |variable, kind| {
        let kinds = plain.kinds.iter().copied().chain([kind]).collect();
        Interpreter { environment: vec![(variable, "1")], kinds, ..plain.clone() }
    };
    let mut variants = vec![plain.clone()];
    if jit == "1" {
        variants.push(switched("PYTHON_JIT", "JIT on"));
    }
    if plain.free_threaded {
        variants.push(Interpreter { free_threaded: false, ..switched("PYTHON_GIL", "GIL on") });
    }
    variants
}

/// Executables that are called `python2.7`, `python3` or `python3.X` and more; no scripts, which are shims that start another one.
fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let home = std::env::home_dir().unwrap_or_default();
    let given = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let pyenv = given("PYENV_ROOT").unwrap_or_else(|| home.join(".pyenv")).join("versions");
    let cache = given("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache"));
    let built = given("TEST_PYTHONS").unwrap_or_else(|| cache.join("test-pythons"));
    for root in [pyenv, built] {
        folders.extend(entries(&root).into_iter().map(|installation| installation.join("bin")));
    }
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    folders.iter().flat_map(|folder| entries(folder)).filter(|path| is_python(path) && is_executable(path)).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// `python2.7`, `python3`, `python3.12`, `python3.13t`, `python3.14-stripped`; not `python3.12-config`.
fn is_python(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let rest = name.and_then(|name| name.strip_prefix("python2").or_else(|| name.strip_prefix("python3")));
    rest.is_some_and(|rest| {
        let rest = rest.strip_prefix('.').unwrap_or(rest).trim_start_matches(|c: char| c.is_ascii_digit());
        matches!(rest, "" | "t" | "d" | "td" | "m" | "-stripped")
    })
}
