//! What native code is called.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use py_spy_native::{
    CythonLines, DebugParts, Function, Kind, Symbols, cython_name, is_first, is_greenlet_start, is_loop, is_plumbing,
    plain,
};
use py_spy_target::{RootFolder, memory_file};
use rustc_hash::FxHashMap;

use super::known::{Answer, Called};
use super::loaded::{Opened, Place};

/// What the path of the greenlet library has in it.
const GREENLET: &str = "greenlet";

/// How the names of the files begin that have the C library in them.
const C_LIBRARIES: [&str; 5] = ["libc.so", "libc-", "libpthread", "ld-musl", "libc.musl"];

/// A loop that jumps to a function for each instruction is shorter than this, bytes: some 1,200, and in builds for debugging
/// 4,000. One that has them all inside has 30,000 and more.
const MAX_SPLIT_LOOP: u64 = 16 << 10;

/// Lines are known of so many C files that Cython has written.
const MAX_SOURCES: usize = 256;

/// No source file is read further.
const MAX_SOURCE: u64 = 64 << 20;

/// A question: what is at an address, in a function that begins at another one.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) place: Place,
    /// In the file's own counting.
    pub(super) begin: u64,
}

/// Names what is in files.
#[derive(Debug)]
pub(super) struct Names {
    symbols: Symbols,
    /// Where other files are: the process's own system first, then ours, which may have debugging information too.
    roots: Vec<RootFolder>,
    /// Of each file, by its id, the one that has the names or lines that it lacks.
    debug_files: FxHashMap<u64, Option<File>>,
    cython: FxHashMap<PathBuf, CythonLines>,
}

impl Names {
    pub(super) fn below(root: Option<RootFolder>) -> Names {
        let (debug_files, cython) = (FxHashMap::default(), FxHashMap::default());
        let roots = root.into_iter().chain(RootFolder::own().ok()).collect();
        Names { symbols: Symbols::default(), roots, debug_files, cython }
    }

    pub(super) fn answer(&mut self, question: &Question) -> Answer {
        let Question { place: Place { path, file, address }, begin } = question;
        let functions = file.as_ref().map(|opened| self.functions(opened, path, *address)).unwrap_or_default();
        let Some(first) = functions.first() else {
            let file = path.rsplit('/').next().unwrap_or(path);
            // The unwind tables are there for all code that was compiled, also where its names are gone.
            let called = Called { name: format!("{begin:#x}"), cython: None, path: path.to_string(), line: 0 };
            return Answer {
                kind: Kind::Nameless,
                is_plumbing: false,
                is_first: false,
                may_be_start: C_LIBRARIES.iter().any(|start| file.starts_with(start)),
                functions: vec![called],
            };
        };
        Answer {
            kind: kind(first, path),
            is_plumbing: functions.iter().all(|function| is_plumbing(&function.name)),
            is_first: is_first(&first.name),
            may_be_start: false,
            functions: functions.iter().map(|function| self.called(function, path)).collect(),
        }
    }

    /// The functions at an address of a file.
    fn functions(&mut self, opened: &Opened, path: &str, address: u64) -> Vec<Function> {
        let Names { symbols, roots, debug_files, .. } = self;
        let other = debug_files.entry(opened.id).or_insert_with(|| debug_file(roots, &opened.file, path));
        let found = other.as_ref().map(|other| symbols.at(other, address)).unwrap_or_default();
        if found.is_empty() { symbols.at(&opened.file, address) } else { found }
    }

    fn called(&mut self, function: &Function, module: &str) -> Called {
        let name = plain(&function.name);
        let place = function.place.as_ref().map(|(path, line)| (path.to_string_lossy().into_owned(), *line));
        let Some((cython, part)) = cython_name(name, stem(module)) else {
            let (path, line) = place.unwrap_or_else(|| (module.to_owned(), 0));
            return Called { name: name.to_owned(), cython: None, path, line };
        };
        let made_of = function.place.as_ref().and_then(|(path, line)| {
            let (file, line) = self.cython_lines(path).at(*line)?;
            Some((file.to_owned(), line))
        });
        let (path, line) = made_of.or(place).unwrap_or_else(|| (module.to_owned(), 0));
        Called { name: cython, cython: Some(part), path, line }
    }

    /// What a C file says of the lines that it was made of; nothing if it is not there.
    fn cython_lines(&mut self, path: &Path) -> &CythonLines {
        if self.cython.len() >= MAX_SOURCES && !self.cython.contains_key(path) {
            self.cython.clear();
        }
        let Names { roots, cython, .. } = self;
        cython.entry(path.to_owned()).or_insert_with(|| {
            let mut bytes = Vec::new();
            // Nothing says whether one of another system is the same.
            let file = roots.first().and_then(|root| root.open(path).ok());
            match file.map(|file| file.take(MAX_SOURCE).read_to_end(&mut bytes)) {
                Some(Ok(_)) => CythonLines::parse(&String::from_utf8_lossy(&bytes)),
                _ => CythonLines::default(),
            }
        })
    }
}

/// The file that has the names or lines that one lacks.
fn debug_file(roots: &[RootFolder], file: &File, path: &str) -> Option<File> {
    let parts = DebugParts::of(file);
    if parts.has_symbols && parts.has_lines {
        return None;
    }
    let candidates = parts.candidates(Path::new(path));
    let found = roots.iter().flat_map(|root| candidates.iter().map(move |candidate| (root, candidate)));
    let found = found.into_iter().find_map(|(root, candidate)| {
        let other = root.open(candidate).ok().filter(|other| parts.belongs(other))?;
        log::info!("{path}: names are in {}", candidate.display());
        Some(other)
    });
    if found.is_some() || parts.has_symbols {
        return found;
    }
    let mut unpacked = memory_file("names").ok()?;
    match parts.unpack(&mut unpacked) {
        Ok(true) => Some(unpacked),
        Ok(false) => None,
        Err(why) => {
            log::info!("{path}: its packed names can not be unpacked: {why}");
            None
        }
    }
}

/// An extension module's name, without packages, by its file's path.
fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file)
}

/// What a function of a file is for merging.
fn kind(function: &Function, path: &str) -> Kind {
    let name = &function.name;
    match function.size {
        Some(..MAX_SPLIT_LOOP) if is_loop(name) && plain(name) == name => Kind::SplitLoop,
        _ if is_loop(name) => Kind::Loop,
        _ if is_greenlet_start(name) && path.contains(GREENLET) => Kind::Start,
        _ => Kind::Other,
    }
}
