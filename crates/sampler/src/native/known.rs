//! What is at an address.

use py_spy_address_space::Addr;
use py_spy_native::Kind;
use py_spy_profile::{Frame, FrameId, StringId, Tables};

/// What stands in place of a file.
const MADE: &str = "jit";

/// How the names begin that Python gives to the code that it makes for a function (`Python/perf_trampoline.c`).
const PYTHONS_OWN: &str = "py::";

/// What is at an address, in words.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) kind: Kind,
    pub(super) is_plumbing: bool,
    pub(super) is_first: bool,
    pub(super) may_be_start: bool,
    /// The function and those that were put into it there, the innermost last.
    pub(super) functions: Vec<Called>,
}

/// What a function is called.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) name: String,
    /// Which of the functions of C that Cython has made of it this is.
    pub(super) cython: Option<usize>,
    pub(super) path: String,
    /// From 1; 0 when it is not known.
    pub(super) line: u32,
}

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
    cython: Option<(StringId, usize)>,
}

impl Named {
    /// True when both are one function of Python's, of which the other calls this part.
    pub(crate) fn continues(self, outer: Named) -> bool {
        outer.cython.zip(self.cython).is_some_and(|(outer, inner)| outer.0 == inner.0 && outer.1 < inner.1)
    }
}

impl Known {
    /// An answer with its names in tables.
    pub(super) fn of(answer: &Answer, tables: &mut Tables) -> Known {
        let mut frames: Vec<Named> = Vec::new();
        for Called { name, cython, path, line } in &answer.functions {
            let short = path.rsplit('/').next().unwrap_or(path);
            let (name, file, short_file) = (tables.string(name), tables.string(path), tables.string(short));
            let id = tables.frame(Frame::Python { name, file, short_file, line: *line });
            let next = Named { id, cython: cython.map(|part| (name, part)) };
            frames.pop_if(|last| next.continues(*last));
            frames.push(next);
        }
        let Answer { kind, is_plumbing, is_first, may_be_start, .. } = *answer;
        Known { kind, is_plumbing, is_first, may_be_start, frames: frames.into() }
    }

    /// Code in no file. What Python makes for each of its functions (`-X perf`) says nothing that their own frames do not.
    pub(super) fn made(name: Option<&str>, at: Addr, tables: &mut Tables) -> Known {
        let text = name.map_or_else(|| format!("{at:#x}"), str::to_owned);
        let answer = Answer {
            kind: if name.is_some() { Kind::Other } else { Kind::Made },
            is_plumbing: text.starts_with(PYTHONS_OWN),
            is_first: false,
            may_be_start: false,
            functions: vec![Called { name: text, cython: None, path: MADE.to_owned(), line: 0 }],
        };
        Known::of(&answer, tables)
    }
}
