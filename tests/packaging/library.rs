//! The shared libraries that the interpreters of this machine are in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use py_spy_test_programs::{Interpreter, all_interpreters};

use crate::host::{can_load, host_of};

/// What we ask an interpreter.
const QUESTION: &str = "import platform, sys, sysconfig
print(platform.python_version())
print(sys.prefix)
print(sysconfig.get_config_var('LIBPL'))
print('%s %s' % (sysconfig.get_config_var('LIBS'), sysconfig.get_config_var('SYSLIBS')))
print(open('/proc/self/maps').read())";

/// What an interpreter is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// As in `3.12.1`.
    pub(crate) version: String,
    /// The folder that it and its modules are in.
    pub(crate) home: PathBuf,
    /// The library that it is in, if it is in one.
    pub(crate) library: Option<PathBuf>,
    /// The loader that has loaded it.
    pub(crate) loader: Option<PathBuf>,
    /// The archive of which a program can be linked, if there is one.
    pub(crate) archive: Option<PathBuf>,
    /// The switches for that.
    pub(crate) link: Vec<String>,
}

impl Parts {
    pub(crate) fn of(interpreter: &Interpreter) -> Parts {
        let output = Command::new(&interpreter.program).args(["-E", "-s", "-c", QUESTION]).output().expect("it starts");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap_or_else(|| panic!("{interpreter}: {text}")).to_owned();
        let (version, home, folder, link) = (next(), next(), next(), next());
        let maps: Vec<&str> = lines.collect();
        let mapped = |start: &str| {
            let paths = maps.iter().filter_map(|line| Some(Path::new(&line[line.find('/')?..])));
            let named = |path: &&Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
            paths.into_iter().find(named).map(Path::to_owned)
        };
        let archives = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let archive = archives.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "a"));
        let link = link.split_whitespace().filter(|word| word.starts_with("-l")).map(str::to_owned).collect();
        let (library, loader) = (mapped("libpython"), mapped("ld-"));
        Parts { version, home: home.into(), library, loader, archive, link }
    }
}

/// One of each series.
pub(crate) fn parts() -> &'static [Parts] {
    static FOUND: OnceLock<Vec<Parts>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut all: Vec<(_, Parts)> = Vec::new();
        for interpreter in all_interpreters().iter().filter(|interpreter| interpreter.environment.is_empty()) {
            let (kind, new) = ((interpreter.series(), interpreter.free_threaded), Parts::of(interpreter));
            let known = all.iter_mut().find(|(known, _)| *known == kind);
            match known {
                // Rather one that has all parts.
                Some((_, known)) if known.library.is_none() && new.library.is_some() => *known = new,
                Some(_) => {}
                None => all.push((kind, new)),
            }
        }
        all.into_iter().map(|(_, parts)| parts).collect()
    })
}

/// A library with a program that can load it.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) parts: &'static Parts,
    pub(crate) path: PathBuf,
    /// The program: [`crate::host`].
    pub(crate) host: PathBuf,
}

/// One library of each series that has one.
pub(crate) fn libraries() -> &'static [Library] {
    static FOUND: OnceLock<Vec<Library>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let all = parts().iter().filter_map(|parts| {
            let (path, host) = (parts.library.clone()?, host_of(parts.loader.as_deref())?);
            can_load(&host, &[&path]).then_some(Library { parts, path, host })
        });
        let all: Vec<_> = all.collect();
        if all.is_empty() {
            eprintln!("no interpreter here is in a shared library that can be loaded: that is NOT tested");
        }
        all
    })
}

/// The first and the last: where others would only take time.
pub(crate) fn two_libraries() -> impl Iterator<Item = &'static Library> {
    let all = libraries();
    let last = if all.len() > 1 { all.last() } else { None };
    all.first().into_iter().chain(last)
}
