//! Classes: what they are called, and whose `__repr__` prints their instances.

use std::rc::Rc;

use py_spy_address_space::{Addr, Memory, read_u64, read_vec};
use rustc_hash::FxHashMap;

use crate::layout::{Layout, values::Values};
use crate::object::{self, Unreadable, add, word};

/// Fields of `PyTypeObject`, counted from `tp_name`: the same in all versions (`Include/object.h`, later
/// `Include/cpython/object.h`).
const REPR: u32 = 64;
const MEMBERS: u32 = 216;
const BASE: u32 = 232;
const DICT: u32 = 240;
const MRO: u32 = 320;

/// `Py_TPFLAGS_HEAPTYPE` and the flags of classes that derive from a builtin one (`Include/object.h`).
const HEAP: u64 = 1 << 9;
pub(super) const TUPLE_SUBCLASS: u64 = 1 << 26;
pub(super) const TYPE_SUBCLASS: u64 = 1 << 31;
pub(super) const EXCEPTION_SUBCLASS: u64 = 1 << 30;

/// Classes that one class may derive from.
const MAX_BASES: u64 = 256;

/// Characters of a class's name, its module's, and the path of a file that it is in.
const MAX_NAME: u64 = 1 << 12;

/// Classes that are kept.
const MAX_CLASSES: usize = 1 << 14;

/// A class.
#[derive(Debug, Default)]
pub(super) struct Class {
    pub(super) at: Addr,
    /// `tp_name`: with the module for those made in C.
    pub(super) tp_name: String,
    /// `__module__`, empty when unknown.
    pub(super) module: String,
    /// `__qualname__`; `__name__` in Python 2.
    pub(super) qualname: String,
    pub(super) flags: u64,
    /// What it derives from, itself first.
    pub(super) mro: Vec<Addr>,
    /// The class in `mro` whose `__repr__` is used, as `module.name`, without the module for builtin ones.
    pub(super) repr: String,
    pub(super) is_named_tuple: bool,
    pub(super) is_dataclass: bool,
    pub(super) is_struct_sequence: bool,
    /// Its `__repr__` is one of `enum`, which puts it into the class itself (3.11+).
    pub(super) is_enum: bool,
}

impl Class {
    /// `__name__`.
    pub(super) fn name(&self) -> &str {
        self.tp_name.rsplit('.').next().unwrap_or(&self.tp_name)
    }

    /// True for those of `builtins`.
    pub(super) fn is_builtin(&self) -> bool {
        matches!(&*self.module, "builtins" | "__builtin__" | "")
    }

    /// `module.qualname`, without the module for builtin ones.
    pub(super) fn full_name(&self) -> String {
        if self.is_builtin() { self.qualname.clone() } else { format!("{}.{}", self.module, self.qualname) }
    }

    /// True for a class that was made while the program ran.
    pub(super) fn is_heap(&self) -> bool {
        self.flags & HEAP != 0
    }
}

/// Classes that were met.
#[derive(Debug, Default)]
pub struct Classes {
    known: FxHashMap<Addr, Rc<Class>>,
}

impl Classes {
    pub(super) fn get(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        values: &Values,
        at: Addr,
    ) -> Result<Rc<Class>, Unreadable> {
        if let Some(known) = self.known.get(&at) {
            return Ok(known.clone());
        }
        let look = Look { memory, layout, values };
        let class = Rc::new(look.class(at)?);
        if self.known.len() >= MAX_CLASSES {
            self.known.clear();
        }
        self.known.insert(at, class.clone());
        Ok(class)
    }

    /// Forgets them: their memory may be another's by now.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}

struct Look<'a> {
    memory: &'a dyn Memory,
    layout: &'a Layout,
    values: &'a Values,
}

impl Look<'_> {
    fn field(&self, class: Addr, offset: u32) -> Result<u64, Unreadable> {
        Ok(read_u64(self.memory, add(class, self.layout.objects.tp_name + offset)?)?)
    }

    fn flags(&self, class: Addr) -> Result<u64, Unreadable> {
        Ok(read_u64(self.memory, add(class, self.layout.objects.tp_flags)?)?)
    }

    /// `__module__` and `__qualname__`.
    fn names(&self, class: Addr, tp_name: &str, flags: u64) -> (String, String) {
        let (module, name) = tp_name.rsplit_once('.').unwrap_or(("", tp_name));
        if flags & HEAP == 0 {
            return (module.to_owned(), name.to_owned());
        }
        let own = self.own(class, "__module__").ok().flatten();
        let own = own.and_then(|text| object::short_text(self.memory, self.layout, text, MAX_NAME).ok());
        let (plain, qualified) = self.values.class_names;
        let text = |offset: u32| {
            let text = read_u64(self.memory, add(class, self.values.header + offset)?)?;
            object::short_text(self.memory, self.layout, text, MAX_NAME)
        };
        let qualname = qualified.and_then(|offset| text(offset).ok()).or_else(|| text(plain).ok());
        (own.unwrap_or_default(), qualname.unwrap_or_else(|| name.to_owned()))
    }

    /// What a class has by itself under this name.
    fn own(&self, class: Addr, name: &str) -> Result<Option<Addr>, Unreadable> {
        match self.field(class, DICT)? {
            0 => Ok(None),
            // Those of some builtin classes are elsewhere (3.12+), and hold an index here.
            dict if dict < 1 << 16 => Ok(None),
            dict => object::dict_get(self.memory, self.layout, dict, name),
        }
    }

    fn class(&self, at: Addr) -> Result<Class, Unreadable> {
        let tp_name = object::type_name(self.memory, self.layout, at)?;
        let flags = self.flags(at)?;
        let (module, qualname) = self.names(at, &tp_name, flags);
        let mro = self.mro(at)?;
        let mut class = Class { at, tp_name, module, qualname, flags, mro, ..Class::default() };
        let owner = self.owner(&class)?;
        let owner_flags = self.flags(owner)?;
        let owner_name = object::type_name(self.memory, self.layout, owner)?;
        let (module, qualname) = self.names(owner, &owner_name, owner_flags);
        let builtin = matches!(&*module, "builtins" | "__builtin__" | "");
        class.repr = if builtin { qualname } else { format!("{module}.{qualname}") };
        if owner_flags & HEAP != 0 {
            let fields = self.own(owner, "_fields")?;
            class.is_named_tuple = flags & TUPLE_SUBCLASS != 0 && fields.is_some();
            let file = || self.file_of_repr(owner);
            class.is_dataclass = self.own(owner, "__dataclass_fields__")?.is_some()
                && file().is_ok_and(|file| file.ends_with("dataclasses.py") || file.ends_with("reprlib.py"));
            class.is_enum =
                self.own(owner, "_member_map_")?.is_some() && file().is_ok_and(|file| file.ends_with("enum.py"));
        }
        if flags & TUPLE_SUBCLASS != 0 && !class.is_named_tuple && class.repr != "tuple" {
            class.is_struct_sequence = self.field(owner, MEMBERS)? != 0;
        }
        if self.values.style.two && flags & HEAP == 0 {
            // Those of Python 2 are no tuples, but have the same fields.
            class.is_struct_sequence = self.own(at, "n_sequence_fields")?.is_some();
        }
        Ok(class)
    }

    /// The method resolution order; a class without one (too early, or broken) is alone.
    fn mro(&self, at: Addr) -> Result<Vec<Addr>, Unreadable> {
        let tuple = self.field(at, MRO)?;
        let sequence = self.layout.objects.tuple;
        if tuple == 0 {
            return Ok(vec![at]);
        }
        let count = object::size(self.memory, self.layout, add(tuple, sequence.size)?)?;
        if count > MAX_BASES {
            return Err(Unreadable::Nonsense("a class", at));
        }
        let bytes = read_vec(self.memory, add(tuple, sequence.items)?, count as usize * 8)?;
        Ok(bytes.chunks_exact(8).map(|chunk| word(chunk, 0)).collect())
    }

    /// The class whose `__repr__` is used.
    fn owner(&self, class: &Class) -> Result<Addr, Unreadable> {
        for &base in &class.mro {
            if self.flags(base)? & HEAP != 0 {
                if self.own(base, "__repr__")?.is_some() {
                    return Ok(base);
                }
                continue;
            }
            let (repr, above) = (self.field(base, REPR)?, self.field(base, BASE)?);
            if above == 0 || repr != self.field(above, REPR)? {
                return Ok(base);
            }
        }
        Ok(class.at)
    }

    /// The file that the `__repr__` of a class is in. One that was made for a dataclass is a wrapper that keeps a value from
    /// containing itself (`_recursive_repr` in `Lib/dataclasses.py`, later `recursive_repr` in `Lib/reprlib.py`).
    fn file_of_repr(&self, class: Addr) -> Result<String, Unreadable> {
        let function = self.own(class, "__repr__")?.ok_or(Unreadable::Nonsense("a class", class))?;
        let code = read_u64(self.memory, add(function, self.values.header + self.values.function_code)?)?;
        let file = read_u64(self.memory, add(code, self.layout.code.filename)?)?;
        object::short_text(self.memory, self.layout, file, MAX_NAME)
    }
}

impl super::printer::Printer<'_> {
    /// What a class or one of its bases has under a name.
    pub(super) fn class_attribute(&self, class: &Class, name: &str) -> Result<Option<Addr>, Unreadable> {
        let look = Look { memory: self.memory, layout: self.layout, values: self.values };
        for &base in &class.mro {
            if let Some(found) = look.own(base, name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// All that a class has by itself.
    pub(super) fn own_of_class(&self, class: Addr) -> Result<Vec<(Addr, Addr)>, Unreadable> {
        let look = Look { memory: self.memory, layout: self.layout, values: self.values };
        match look.field(class, DICT)? {
            dict if dict < 1 << 16 => Ok(Vec::new()),
            dict => object::dict_entries(self.memory, self.layout, dict),
        }
    }

    /// `tp_members`.
    pub(super) fn members_of_class(&self, class: Addr) -> Result<Addr, Unreadable> {
        Look { memory: self.memory, layout: self.layout, values: self.values }.field(class, MEMBERS)
    }
}
