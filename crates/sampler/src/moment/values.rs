//! The values of variables, read while the stacks that they are on still stand.

use std::cell::Cell;
use std::time::{Duration, Instant};

use py_spy_address_space::{Addr, Fault, FaultKind, Memory, Pages, read_u64};
use py_spy_python::is_collecting;
use py_spy_python::layout::values::Values;
use py_spy_python::value::{Classes, Kind, Look, Place, Shown, Wait, locals};

use super::Watch;
use crate::options::ValueOptions;

/// Threads stand still for values no longer than this; what was not read by then is shown as unreadable.
const VALUES_WITHIN: Duration = Duration::from_millis(500);

/// How often the clock is looked at: once in so many reads.
const READS_BETWEEN: u32 = 64;

/// One variable with its value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where its value is, 0 for one that is in no object.
    pub address: Addr,
    /// Its value.
    pub value: Shown,
}

/// What one thread is about, as its memory has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) wait: Option<Wait>,
    pub(crate) exception: Option<Shown>,
    /// The garbage collector of its interpreter is at work.
    pub(crate) collecting: bool,
}

/// What is wanted of variables, and what helps to read them.
#[derive(Debug)]
pub(crate) struct Wants {
    options: ValueOptions,
    values: Values,
    classes: Classes,
}

impl Wants {
    pub(super) fn of(options: ValueOptions, values: Values) -> Wants {
        Wants { options, values, classes: Classes::default() }
    }
}

/// Memory that can be read for some time.
struct Hurried<'a> {
    memory: &'a dyn Memory,
    until: Instant,
    reads: Cell<u32>,
    late: Cell<bool>,
}

impl Memory for Hurried<'_> {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.reads.set(self.reads.get().wrapping_add(1));
        if self.reads.get().is_multiple_of(READS_BETWEEN) && Instant::now() >= self.until {
            self.late.set(true);
        }
        if self.late.get() {
            return Err(Fault { at, len: into.len(), why: FaultKind::Unmapped });
        }
        self.memory.read(at, into)
    }
}

impl Watch {
    /// Reads the variables of all frames from this one on, if they are wanted. What it stops for is not let go before.
    pub(super) fn read_values(&mut self, first: usize) {
        let Some(wants) = &mut self.wants else { return };
        let pages = Pages::of(&self.memory);
        let until = Instant::now() + VALUES_WITHIN;
        let hurried = Hurried { memory: &pages, until, reads: Cell::new(0), late: Cell::new(false) };
        let memory: &dyn Memory = &hurried;
        let (layout, values) = (&self.python.layout, &wants.values);
        let ValueOptions { limits, variables, globals, states, redaction } = &wants.options;
        let look = Look { memory, layout, values, limits: *limits, redaction };
        wants.classes.forget();
        self.moment.values.retain(|&frame, _| frame < first);
        for part in self.moment.parts.iter().filter(|part| *states && part.first >= first) {
            let member = self.roster.members[part.member];
            let call = member.tid.and_then(|tid| self.calls.get(&tid));
            let frame = self.moment.frames[part.first..part.end].iter().find(|frame| !frame.shim);
            let futex = call.and_then(|call| call.futex);
            let wait =
                frame.zip(futex).and_then(|(frame, futex)| look.wait(&mut wants.classes, frame, futex, member.id));
            let exception = look.exception(&mut wants.classes, member.at);
            let interpreter = self.roster.interpreters[member.interpreter].at;
            let collecting = is_collecting(memory, layout, self.python.runtime, interpreter).unwrap_or(false);
            self.moment.about.insert(part.member, About { wait, exception, collecting });
        }
        for (index, frame) in self.moment.frames.iter().enumerate().skip(first) {
            if frame.shim || !*variables {
                continue;
            }
            // Of a frame that can not be read nothing is known.
            let Ok(found) = locals(memory, layout, values, frame, *globals) else { continue };
            let variables = found.into_iter().map(|local| {
                let (address, value) = match local.place {
                    Place::At(at) => (at, look.show_named(&mut wants.classes, &local.name, at)),
                    Place::Int(int) => (0, look.show_int(&local.name, int)),
                };
                Variable { name: local.name, kind: local.kind, address, value }
            });
            self.moment.values.insert(index, variables.collect());
        }
        if hurried.late.get() {
            log::warn!("reading values took longer than {VALUES_WITHIN:?}: the rest was left out");
        }
    }

    /// True when nobody can have changed the values while they were read: the lock was not handed on, and who could move did
    /// not run.
    pub(super) fn values_stand(&mut self, gil: py_spy_python::Gil) -> bool {
        let named = read_u64(&self.memory, gil.last_holder).ok();
        let slept = match self.kept {
            Some((tid, before)) => before.is_some() && self.tasks.slices(tid) == before,
            None => true,
        };
        named == Some(self.last_holder.1) && slept
    }
}
