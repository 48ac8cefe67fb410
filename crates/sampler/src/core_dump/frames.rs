//! The Python frames of the threads in a core file, with their variables.

use std::cell::Cell;

use py_spy_address_space::{Addr, Fault, Memory, Pages};
use py_spy_python::layout::values::Values;
use py_spy_python::value::{Classes, Look, Place, locals};
use py_spy_python::{CodeObject, Python, RawFrame, ThreadState, place};
use py_spy_target::Call;

use crate::codes::is_hidden;
use crate::moment::{About, Variable};
use crate::options::ValueOptions;
use crate::{FrameSnapshot, Options};

/// Reads and bytes that all values of a core file may take; what is beyond is shown as unreadable. A living process has a
/// time for them; what a file says is to be the same each time.
const MAX_READS: u64 = 1 << 23;
const MAX_BYTES: u64 = 1 << 31;

/// Stands where frames are of which the file does not have what is needed.
const MISSING: &str = "(frames are missing here)";

/// The frames of a thread.
pub(super) struct Named {
    pub(super) frames: Vec<FrameSnapshot>,
    /// There are no others.
    pub(super) is_whole: bool,
}

/// Names frames and reads what is on them.
pub(super) struct Frames<'a> {
    memory: Budget<'a>,
    python: &'a Python,
    options: &'a Options,
    values: Values,
    classes: Classes,
    code_type: Option<Addr>,
}

impl<'a> Frames<'a> {
    pub(super) fn of(memory: &'a Pages<'a>, python: &'a Python, options: &'a Options) -> Frames<'a> {
        let budget = Budget { memory, reads: Cell::new(0), bytes: Cell::new(0) };
        let values = Values::of(&python.layout, python.version);
        Frames { memory: budget, python, options, values, classes: Classes::default(), code_type: None }
    }

    /// Named, innermost first; those that are hidden in a living process are hidden here too, unless there are no others. What is
    /// not in the file is told once for each gap; with `whole` nothing called the outermost one. gcore writes zeros where it
    /// could not read, which look like a function that is none and is called by nobody.
    pub(super) fn frames(&mut self, raw: &[RawFrame], whole: bool) -> Named {
        let layout = &self.python.layout;
        let frames = raw.iter().filter(|frame| !frame.shim);
        let mut all: Vec<_> = frames
            .map(|frame| {
                let code = CodeObject::read(self.memory.memory, layout, frame.code, &mut self.code_type).ok();
                code.map(|code| (frame, code))
            })
            .collect();
        if !whole {
            all.push(None);
        }
        let is_whole = all.iter().all(Option::is_some);
        let shown = |found: &Option<(_, CodeObject)>| found.as_ref().is_none_or(|(_, code)| !is_hidden(code));
        if !self.options.full_stack && all.iter().any(|found| found.is_some() && shown(found)) {
            all.retain(shown);
        }
        all.dedup_by(|a, b| a.is_none() && b.is_none());
        let missing = || FrameSnapshot { name: MISSING.to_owned(), ..FrameSnapshot::default() };
        let frames = all.into_iter().map(|found| match found {
            Some((frame, code)) => self.frame(frame, code),
            None => missing(),
        });
        Named { frames: frames.collect(), is_whole }
    }

    fn frame(&mut self, frame: &RawFrame, code: CodeObject) -> FrameSnapshot {
        let layout = &self.python.layout;
        let place = place(self.memory.memory, layout, frame);
        let span = if self.options.spans { place.and_then(|place| code.span(layout, place)) } else { None };
        FrameSnapshot {
            line: place.and_then(|place| code.line(layout, place)).unwrap_or(0),
            span,
            locals: self.locals(frame),
            name: code.name,
            filename: code.filename,
            ..FrameSnapshot::default()
        }
    }

    fn locals(&mut self, frame: &RawFrame) -> Option<Vec<Variable>> {
        let (python, options) = (self.python, self.options);
        let wanted = options.values.as_ref().filter(|wanted| wanted.variables)?;
        let found = locals(&self.memory, &python.layout, &self.values, frame, wanted.globals).ok()?;
        let look = look(&self.memory, python, &self.values, wanted);
        let variables = found.into_iter().map(|local| {
            let (address, value) = match local.place {
                Place::At(at) => (at, look.show_named(&mut self.classes, &local.name, at)),
                Place::Int(int) => (0, look.show_int(&local.name, int)),
            };
            Variable { name: local.name, kind: local.kind, address, value }
        });
        Some(variables.collect())
    }

    /// What a thread was about: the lock that it waited for, the exception that it handled.
    pub(super) fn about(&mut self, state: &ThreadState, raw: &[RawFrame], call: Option<&Call>) -> About {
        let Some(wanted) = &self.options.values else { return About::default() };
        let look = look(&self.memory, self.python, &self.values, wanted);
        let frame = raw.iter().find(|frame| !frame.shim);
        let futex = call.and_then(|call| call.futex);
        let wait = frame.zip(futex).and_then(|(frame, futex)| look.wait(&mut self.classes, frame, futex, state.id));
        About { wait, exception: look.exception(&mut self.classes, state.at), ..About::default() }
    }
}

fn look<'a>(memory: &'a dyn Memory, python: &'a Python, values: &'a Values, wanted: &'a ValueOptions) -> Look<'a> {
    Look { memory, layout: &python.layout, values, limits: wanted.limits, redaction: &wanted.redaction }
}

/// Memory of which so much may be read.
struct Budget<'a> {
    memory: &'a Pages<'a>,
    reads: Cell<u64>,
    bytes: Cell<u64>,
}

impl Memory for Budget<'_> {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        if self.reads.get() >= MAX_READS || self.bytes.get() >= MAX_BYTES {
            return Err(Fault::unmapped(at, into.len()));
        }
        self.reads.set(self.reads.get() + 1);
        self.bytes.set(self.bytes.get().saturating_add(into.len() as u64));
        self.memory.read(at, into)
    }
}

impl Drop for Budget<'_> {
    fn drop(&mut self) {
        if self.reads.get() >= MAX_READS || self.bytes.get() >= MAX_BYTES {
            log::warn!("values took more than {MAX_READS} reads or {MAX_BYTES} bytes: the rest was left out");
        }
    }
}
