//! What native code is called.

use std::path::{Path, PathBuf};

use py_spy_address_space::Addr;
use py_spy_native::{
    CythonLines, Function, Kind, Symbols, cython_name, is_first, is_greenlet_start, is_loop, is_plumbing, plain,
};
use py_spy_profile::{Frame, FrameId, StringId, Tables};
use rustc_hash::FxHashMap;

use super::loaded::Files;

/// What stands in place of a file.
const MADE: &str = "jit";

/// How the names begin that Python gives to the code that it makes for a function (`Python/perf_trampoline.c`).
const PYTHONS_OWN: &str = "py::";

/// What the path of the greenlet library has in it.
const GREENLET: &str = "greenlet";

/// How the names of the files begin that have the C library in them.
const C_LIBRARIES: [&str; 5] = ["libc.so", "libc-", "libpthread", "ld-musl", "libc.musl"];

/// A loop that jumps to a function for each instruction is shorter than this, bytes: some 1,200, and in builds for debugging
/// 4,000. One that has them all inside has 30,000 and more.
const MAX_SPLIT_LOOP: u64 = 16 << 10;

/// Lines are known of so many C files that Cython has written.
const MAX_SOURCES: usize = 256;

/// What is at an address.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// What it is for merging.
    pub(crate) kind: Kind,
    /// Shown only with the full stack.
    pub(crate) is_plumbing: bool,
    /// The first function of a program or thread.
    pub(crate) is_first: bool,
    /// The C library's, without a name: at the end of a stack it is how a thread begins.
    pub(crate) may_be_start: bool,
    /// The function and those that were put into it there, the innermost last.
    pub(crate) frames: Box<[Named]>,
}

/// A frame's name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) id: FrameId,
    /// The name of a function that Cython has made, and which of those of C that it is made of.
    pub(crate) cython: Option<(StringId, usize)>,
}

impl Named {
    /// True when both are one function of Python's, of which this calls the other part.
    pub(crate) fn continues_in(self, inner: Named) -> bool {
        self.cython.zip(inner.cython).is_some_and(|(outer, inner)| outer.0 == inner.0 && outer.1 < inner.1)
    }
}

/// Names what is in files.
#[derive(Debug, Default)]
pub(super) struct Names {
    symbols: Symbols,
    cython: FxHashMap<PathBuf, CythonLines>,
}

impl Known {
    /// Code in no file. What Python makes for each of its functions (`-X perf`) says nothing that their own frames do not.
    pub(super) fn made(name: Option<&str>, at: Addr, tables: &mut Tables) -> Known {
        let text = name.map_or_else(|| format!("{at:#x}"), str::to_owned);
        let kind = if name.is_some() { Kind::Other } else { Kind::Made };
        let (name, file) = (tables.string(&text), tables.string(MADE));
        let id = tables.frame(Frame::Python { name, file, short_file: file, line: 0 });
        let frames = [Named { id, cython: None }].into();
        Known { kind, is_plumbing: text.starts_with(PYTHONS_OWN), is_first: false, may_be_start: false, frames }
    }
}

impl Names {
    /// What is at an address in a file, in a function that begins at `begin`: that is its name where it has no other.
    pub(super) fn of_file(&mut self, files: &mut Files, at: Addr, begin: Addr, tables: &mut Tables) -> Known {
        let place = files.place(at);
        let address = place.address;
        let path = place.path.to_owned();
        let found = place.files.iter().map(|file| self.symbols.at(file, address)).find(|found| !found.is_empty());
        let Some(functions) = found else {
            let name = format!("{:#x}", address.wrapping_sub(at.wrapping_sub(begin)));
            let frames = [Named { id: frame(&name, None, &path, tables), cython: None }].into();
            let file = path.rsplit('/').next().unwrap_or(&path);
            let may_be_start = C_LIBRARIES.iter().any(|start| file.starts_with(start));
            return Known { kind: Kind::Nameless, is_plumbing: false, is_first: false, may_be_start, frames };
        };
        let mut frames: Vec<Named> = Vec::new();
        for function in &functions {
            let next = self.named(function, &path, files, tables);
            frames.pop_if(|last| last.continues_in(next));
            frames.push(next);
        }
        let first = &functions[0];
        Known {
            kind: kind(first, &path),
            is_plumbing: functions.iter().all(|function| is_plumbing(&function.name)),
            is_first: is_first(&first.name),
            may_be_start: false,
            frames: frames.into(),
        }
    }

    fn named(&mut self, function: &Function, module: &str, files: &Files, tables: &mut Tables) -> Named {
        let name = plain(&function.name);
        let place = function.place.as_ref().map(|(path, line)| (path.as_path(), *line));
        let Some((cython, part)) = cython_name(name, stem(module)) else {
            return Named { id: frame(name, place, module, tables), cython: None };
        };
        let lines = place.map(|(path, line)| (self.cython_lines(path, files), line));
        let made_of = lines.and_then(|(lines, line)| lines.at(line));
        let place = made_of.map(|(file, line)| (Path::new(file), line)).or(place);
        Named { id: frame(&cython, place, module, tables), cython: Some((tables.string(&cython), part)) }
    }

    /// What a C file says of the lines that it was made of; nothing if it is not there.
    fn cython_lines(&mut self, path: &Path, files: &Files) -> &CythonLines {
        if self.cython.len() >= MAX_SOURCES && !self.cython.contains_key(path) {
            self.cython.clear();
        }
        self.cython.entry(path.to_owned()).or_insert_with(|| {
            let text = files.source(path);
            text.map(|text| CythonLines::parse(&text)).unwrap_or_default()
        })
    }
}

/// A frame by its name, and its file and line where those are known, or else the file that the code is in.
fn frame(name: &str, place: Option<(&Path, u32)>, module: &str, tables: &mut Tables) -> FrameId {
    let name = tables.string(name);
    let (path, line) = match place {
        Some((path, line)) => (path.to_string_lossy().into_owned(), line),
        None => (module.to_owned(), 0),
    };
    let short = path.rsplit('/').next().unwrap_or(&path).to_owned();
    let (file, short_file) = (tables.string(&path), tables.string(&short));
    tables.frame(Frame::Python { name, file, short_file, line })
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
