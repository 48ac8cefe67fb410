//! What a value is read from, how much of it is shown, and what came of it.

use std::cell::Cell;

use py_spy_address_space::{Addr, Fault, Memory};

use super::class::Classes;
use super::printer::Printer;
use super::redaction::{HIDDEN, Redaction};
use crate::layout::{Layout, values::Values};

/// Reads and bytes that one value may take; what is beyond can not be read.
const MAX_READS: u32 = 200_000;
const MAX_BYTES: usize = 64 << 20;

/// How much of a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Characters of one value; beyond is `...`.
    pub characters: usize,
    /// Elements of one container; beyond is `...`.
    pub elements: usize,
}

/// A value as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Shown {
    /// Its `repr`, to the letter as far as it goes.
    pub repr: String,
    /// The attributes of an instance whose `repr` does not have them: `x=1, y=2`.
    pub attributes: Option<String>,
    /// It goes on beyond the limit.
    pub cut: bool,
}

/// What a value is read from, and how it is shown.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Where it is read.
    pub memory: &'a dyn Memory,
    /// Where the program keeps what.
    pub layout: &'a Layout,
    /// The same of what is only looked at for its value.
    pub values: &'a Values,
    /// How much is shown.
    pub limits: Limits,
    /// What is not.
    pub redaction: &'a Redaction,
}

impl Look<'_> {
    /// The value at an address.
    pub fn show(&self, classes: &mut Classes, at: Addr) -> Shown {
        let metered = Metered::of(self.memory);
        let look = Look { memory: &metered, ..*self };
        let mut printer = Printer::new(look, classes);
        printer.value(at);
        let (repr, cut) = printer.finish();
        let mut shown = Shown { repr, attributes: None, cut };
        let mut printer = Printer::new(look, classes);
        if printer.has_hidden_attributes(at).unwrap_or(false) && printer.attributes_of(at).is_ok() {
            // What can not be read is not there.
            shown.attributes = Some(printer.finish().0).filter(|text| !text.is_empty());
        }
        shown
    }

    /// The value of a variable that is a number and no object.
    pub fn show_int(&self, name: &str, value: i64) -> Shown {
        let repr = if self.redaction.matches(name) { HIDDEN.to_owned() } else { value.to_string() };
        Shown { repr, ..Shown::default() }
    }

    /// The value of a variable.
    pub fn show_named(&self, classes: &mut Classes, name: &str, at: Addr) -> Shown {
        if self.redaction.matches(name) {
            return Shown { repr: HIDDEN.to_owned(), ..Shown::default() };
        }
        self.show(classes, at)
    }
}

/// Memory of which one value may take so much.
pub(super) struct Metered<'a> {
    memory: &'a dyn Memory,
    reads: Cell<u32>,
    bytes: Cell<usize>,
}

impl<'a> Metered<'a> {
    pub(super) fn of(memory: &'a dyn Memory) -> Self {
        Metered { memory, reads: Cell::new(0), bytes: Cell::new(0) }
    }
}

impl Memory for Metered<'_> {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.reads.set(self.reads.get().saturating_add(1));
        self.bytes.set(self.bytes.get().saturating_add(into.len()));
        if self.reads.get() > MAX_READS || self.bytes.get() > MAX_BYTES {
            return Err(Fault::unmapped(at, into.len()));
        }
        self.memory.read(at, into)
    }
}
