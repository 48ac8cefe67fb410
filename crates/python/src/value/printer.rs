//! One value, from its address to its text.

use std::cell::Cell;
use std::fmt::Write;
use std::rc::Rc;

use py_spy_address_space::{Addr, Fault, Memory, read_u64};

use super::class::{Class, Classes};
use super::redaction::{HIDDEN, Redaction};
use crate::layout::{Layout, values::Values};
use crate::object::{self, Unreadable, add};

/// Objects in each other; what is deeper is `...`.
const MAX_DEPTH: usize = 60;

/// Objects that one value may take.
const MAX_OBJECTS: u32 = 20_000;

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
        let metered = Metered { memory: self.memory, reads: Cell::new(0), bytes: Cell::new(0) };
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
struct Metered<'a> {
    memory: &'a dyn Memory,
    reads: Cell<u32>,
    bytes: Cell<usize>,
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

/// Writes one value.
pub(super) struct Printer<'a> {
    pub(super) memory: &'a dyn Memory,
    pub(super) layout: &'a Layout,
    pub(super) values: &'a Values,
    pub(super) classes: &'a mut Classes,
    pub(super) limits: Limits,
    redaction: &'a Redaction,
    pub(super) out: String,
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
            open: Vec::new(),
            depth: 0,
            objects: 0,
        }
    }

    /// The text so far, cut to the limit.
    fn finish(mut self) -> (String, bool) {
        let cut = self.out.char_indices().nth(self.limits.characters).map(|(place, _)| place);
        if let Some(place) = cut {
            self.out.truncate(place);
            self.out.push_str("...");
        }
        (self.out, cut.is_some())
    }

    /// True when nothing more will be shown.
    pub(super) fn is_full(&self) -> bool {
        // A character has at most 4 bytes.
        self.out.len() > self.limits.characters
            && (self.out.len() > 4 * self.limits.characters || self.out.chars().count() > self.limits.characters)
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

    pub(super) fn text_of(&self, at: Addr) -> Result<String, Unreadable> {
        object::text(self.memory, self.layout, at)
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
            self.out.truncate(mark);
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

    fn try_value(&mut self, at: Addr) -> Written {
        let class = self.class_of(at)?;
        let owner = class.repr.as_str();
        match owner {
            "NoneType" => self.push("None"),
            "ellipsis" => self.push("Ellipsis"),
            "NotImplementedType" => self.push("NotImplemented"),
            "int" => self.int(at)?,
            "long" => self.long(at)?,
            "bool" => self.bool(at)?,
            "float" => self.float(at)?,
            "complex" => self.complex(at)?,
            "str" if self.values.style.two => self.bytes(at, "")?,
            "str" | "unicode" => self.text(at)?,
            "bytes" => self.bytes(at, "b")?,
            "bytearray" => self.bytearray(at, &class)?,
            "tuple" => self.tuple(at)?,
            "list" => self.sequence(at)?,
            "dict" => self.dict(at)?,
            "set" | "frozenset" => self.set(at, &class)?,
            "range" => self.range(at)?,
            "xrange" => self.xrange(at)?,
            "slice" => self.slice(at)?,
            "collections.deque" => self.deque(at, &class)?,
            "collections.defaultdict" => self.defaultdict(at, &class)?,
            "collections.OrderedDict" => self.ordered(at, &class)?,
            "collections.Counter" => self.counter(at, &class)?,
            "collections.UserDict" | "collections.UserList" | "collections.UserString" => {
                let data = self.attribute(at, "data")?;
                self.value(data);
            }
            "collections.ChainMap" => self.chain_map(at, &class)?,
            "mappingproxy" | "dictproxy" | "dict_proxy" => self.proxy(at)?,
            "dict_keys" | "dict_values" | "dict_items" | "odict_keys" | "odict_values" | "odict_items" => {
                self.view(at, owner)?;
            }
            "type" => self.class(at)?,
            "enum.EnumMeta" | "enum.EnumType" => self.enum_class(at)?,
            "memoryview" => self.write(format_args!("<memory at {at:#x}>")),
            "function" => self.function(at)?,
            "builtin_function_or_method" => self.builtin(at)?,
            "method" | "instancemethod" => self.method(at, &class)?,
            "method_descriptor" | "classmethod_descriptor" => self.descriptor(at, "method")?,
            "wrapper_descriptor" => self.descriptor(at, "slot wrapper")?,
            "member_descriptor" => self.descriptor(at, "member")?,
            "getset_descriptor" => self.descriptor(at, "attribute")?,
            "method-wrapper" => self.method_wrapper(at)?,
            "staticmethod" | "classmethod" if self.values.style.wrapped_shown => self.wrapped(at, &class)?,
            "module" | "importlib._bootstrap.module" => self.module(at)?,
            "code" => self.code(at)?,
            "generator" | "coroutine" | "async_generator" => self.generator(at, &class)?,
            "weakref" | "weakref.ReferenceType" | "ReferenceType" => self.weakref(at)?,
            "BaseException" | "BaseExceptionGroup" => self.exception(at, &class)?,
            "datetime.datetime" => self.datetime(at, &class)?,
            "datetime.date" => self.date(at, &class)?,
            "datetime.time" => self.time(at, &class)?,
            "datetime.timedelta" => self.timedelta(at, &class)?,
            "datetime.timezone" => self.timezone(at, &class)?,
            "decimal.Decimal" => self.decimal(at)?,
            "types.SimpleNamespace" => self.namespace(at, &class)?,
            "functools.partial" => self.partial(at, &class)?,
            "re.Pattern" | "_sre.SRE_Pattern" => self.pattern(at)?,
            "array.array" => self.array(at, &class)?,
            "itertools.count" => self.count(at)?,
            "enum.Enum" | "enum.Flag" | "enum.IntFlag" => self.member(at, &class)?,
            "fractions.Fraction" => self.fraction(at, &class)?,
            "uuid.UUID" => self.uuid(at, &class)?,
            "pathlib.PurePath" | "pathlib._local.PurePath" => self.path(at, &class)?,
            "ipaddress._BaseAddress" => self.address(at, &class)?,
            "_thread.lock" | "_thread.RLock" => self.lock(at, &class)?,
            "types.GenericAlias" => self.alias(at)?,
            "instance" => self.old_instance(at)?,
            "classobj" => self.old_class(at)?,
            _ if class.is_struct_sequence => self.struct_sequence(at, &class)?,
            _ if class.is_named_tuple => self.named_tuple(at, &class)?,
            _ if class.is_enum => self.member(at, &class)?,
            _ if class.is_dataclass => self.dataclass(at, &class)?,
            _ if owner.starts_with("numpy.") => self.numpy(at, &class)?,
            _ => self.plain(at, &class)?,
        }
        Ok(())
    }
}
