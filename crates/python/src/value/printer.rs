//! Writes one value, within bounds.

use std::cell::Cell;
use std::fmt::Write;
use std::rc::Rc;

use py_spy_address_space::{Addr, Memory, read_u64};

use super::class::{Class, Classes};
use super::look::{Limits, Look};
use super::redaction::{HIDDEN, Redaction};
use crate::layout::{Layout, values::Values};
use crate::object::{self, Unreadable, add};

/// Objects in each other; what is deeper is `...`.
const MAX_DEPTH: usize = 60;

/// Objects that one value may take.
const MAX_OBJECTS: u32 = 20_000;

/// Characters of what is called by a name: an attribute, a class, a function.
const MAX_NAME: u64 = 1 << 12;

/// Writes one value.
pub(super) struct Printer<'a> {
    pub(super) memory: &'a dyn Memory,
    pub(super) layout: &'a Layout,
    pub(super) values: &'a Values,
    pub(super) classes: &'a mut Classes,
    pub(super) limits: Limits,
    redaction: &'a Redaction,
    pub(super) out: String,
    /// Bytes of the text that were counted, and how many characters they are.
    counted: Cell<(usize, usize)>,
    /// Objects that are being written: they do not contain themselves for ever.
    open: Vec<Addr>,
    depth: usize,
    /// How many were met.
    objects: u32,
}

pub(super) type Written = Result<(), Unreadable>;

impl<'a> Printer<'a> {
    pub(super) fn new(Look { memory, layout, values, limits, redaction }: Look<'a>, classes: &'a mut Classes) -> Self {
        Printer {
            memory,
            layout,
            values,
            classes,
            limits,
            redaction,
            out: String::new(),
            counted: Cell::new((0, 0)),
            open: Vec::new(),
            depth: 0,
            objects: 0,
        }
    }

    /// The text so far, cut to the limit.
    pub(super) fn finish(mut self) -> (String, bool) {
        let cut = self.out.char_indices().nth(self.limits.characters).map(|(place, _)| place);
        if let Some(place) = cut {
            self.out.truncate(place);
            self.out.push_str("...");
        }
        (self.out, cut.is_some())
    }

    /// True when nothing more will be shown. It is asked before each element, so what was counted is not counted again.
    pub(super) fn is_full(&self) -> bool {
        if self.out.len() <= self.limits.characters {
            return false;
        }
        let (bytes, characters) = self.counted.get();
        let characters = characters + self.out[bytes..].chars().count();
        self.counted.set((self.out.len(), characters));
        characters > self.limits.characters
    }

    /// Takes back what was written from a place on.
    pub(super) fn truncate(&mut self, place: usize) {
        let (bytes, characters) = self.counted.get();
        if bytes > place {
            self.counted.set((place, characters - self.out[place..bytes].chars().count()));
        }
        self.out.truncate(place);
    }

    pub(super) fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub(super) fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string can not fail.
        let _ = self.out.write_fmt(text);
    }

    /// A field, counted from the end of the header.
    pub(super) fn field(&self, at: Addr, offset: u32) -> Result<u64, Unreadable> {
        Ok(read_u64(self.memory, add(at, self.values.header + offset)?)?)
    }

    /// The address of a field, counted from the end of the header.
    pub(super) fn place(&self, at: Addr, offset: u32) -> Result<Addr, Unreadable> {
        add(at, self.values.header + offset)
    }

    pub(super) fn class_of(&mut self, at: Addr) -> Result<Rc<Class>, Unreadable> {
        let class = object::type_of(self.memory, self.layout, at)?;
        self.classes.get(self.memory, self.layout, self.values, class)
    }

    /// The text of a name.
    pub(super) fn text_of(&self, at: Addr) -> Result<String, Unreadable> {
        object::short_text(self.memory, self.layout, at, MAX_NAME)
    }

    /// Writes a value, whatever it is.
    pub(super) fn value(&mut self, at: Addr) {
        self.objects += 1;
        if self.is_full() {
            return;
        }
        if self.depth >= MAX_DEPTH || self.objects > MAX_OBJECTS {
            self.push("...");
            return;
        }
        let mark = self.out.len();
        self.depth += 1;
        if at == 0 {
            self.push("<NULL>");
        } else if self.try_value(at).is_err() {
            self.truncate(mark);
            self.write(format_args!("<unreadable at {at:#x}>"));
        }
        self.depth -= 1;
    }

    /// Writes the value of something that has a name, unless it is to be hidden.
    pub(super) fn named(&mut self, name: &str, at: Addr) {
        if self.redaction.matches(name) {
            self.push(HIDDEN);
        } else {
            self.value(at);
        }
    }

    /// Writes what is in a container, or what stands for a container that is in itself.
    pub(super) fn within(&mut self, at: Addr, circle: &str, write: impl FnOnce(&mut Self) -> Written) -> Written {
        if self.open.contains(&at) {
            self.push(circle);
            return Ok(());
        }
        self.open.push(at);
        let written = write(self);
        self.open.pop();
        written
    }

    /// Writes elements with commas between them; false when some were left out.
    pub(super) fn list(&mut self, items: impl IntoIterator<Item = Addr>, write: impl Fn(&mut Self, Addr)) -> bool {
        self.separated(items, |printer, item| write(printer, item))
    }

    /// The same of anything.
    pub(super) fn separated<T>(&mut self, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Self, T)) -> bool {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            if self.is_full() {
                return false;
            }
            if index >= self.limits.elements {
                self.push("...");
                return false;
            }
            write(self, item);
        }
        true
    }
}
