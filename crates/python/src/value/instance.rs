//! Instances of classes: dataclasses, enums, exceptions, namespaces, and all others.

use py_spy_address_space::Addr;

use rustc_hash::FxHashMap;

use super::class::{Class, EXCEPTION_SUBCLASS};
use super::printer::{Printer, Written};
use crate::object::{self, Unreadable};

impl Printer<'_> {
    /// `object_repr` in `Objects/typeobject.c`. What a `__repr__` of the program's own would say is not known: it is not run.
    pub(super) fn plain(&mut self, at: Addr, class: &Class) -> Written {
        if class.flags & EXCEPTION_SUBCLASS != 0 && class.repr.ends_with("Exception") {
            return self.exception(at, class);
        }
        let name = if class.is_builtin() && !class.is_heap() { class.tp_name.clone() } else { class.full_name() };
        self.write(format_args!("<{name} object at {at:#x}>"));
        Ok(())
    }

    /// Python 2.
    pub(super) fn old_instance(&mut self, at: Addr) -> Written {
        let class = self.field(at, 0)?;
        let name = self.old_name(class)?;
        self.write(format_args!("<{name} instance at {at:#x}>"));
        Ok(())
    }

    /// Python 2.
    pub(super) fn old_class(&mut self, at: Addr) -> Written {
        let name = self.old_name(at)?;
        self.write(format_args!("<class {name} at {at:#x}>"));
        Ok(())
    }

    fn old_name(&mut self, class: Addr) -> Result<String, Unreadable> {
        let (dict, name) = (self.field(class, 8)?, self.field(class, 16)?);
        let module = object::dict_get(self.memory, self.layout, dict, "__module__")?;
        let module = module.map_or(Ok("?".to_owned()), |module| self.text_of(module))?;
        Ok(format!("{module}.{}", self.text_of(name)?))
    }

    /// Type and arguments (`BaseException_repr` in `Objects/exceptions.c`).
    pub(super) fn exception(&mut self, at: Addr, class: &Class) -> Written {
        let arguments = self.field(at, 8)?;
        let items = self.tuple_items(arguments)?;
        let one = items.len() == 1;
        let name = class.name();
        self.within(at, "...", |printer| {
            printer.write(format_args!("{name}("));
            printer.list(items, Printer::value);
            printer.push(if one && printer.values.style.comma_after_one_argument { ",)" } else { ")" });
            Ok(())
        })
    }

    pub(super) fn dataclass(&mut self, at: Addr, class: &Class) -> Written {
        let fields =
            self.class_attribute(class, "__dataclass_fields__")?.ok_or(Unreadable::Nonsense("a dataclass", at))?;
        let attributes: FxHashMap<String, Addr> = self.attributes(at)?.into_iter().collect();
        let mut shown = Vec::new();
        for (name, field) in self.entries(fields)? {
            let wanted = match self.maybe_attribute(field, "repr")? {
                Some(wanted) => self.is_true(wanted)?,
                None => true,
            };
            let name = self.text_of(name)?;
            // A pseudo-field (`ClassVar`, `InitVar`) is none of the instance.
            if let Some(&value) = attributes.get(&name)
                && wanted
            {
                shown.push((name, value));
            }
        }
        let name = class.qualname.clone();
        self.within(at, "...", |printer| {
            printer.write(format_args!("{name}("));
            printer.separated(shown, |printer, (name, value)| {
                printer.write(format_args!("{name}="));
                printer.named(&name, value);
            });
            printer.push(")");
            Ok(())
        })
    }

    /// A member of an enum: `<Color.RED: 1>`.
    pub(super) fn member(&mut self, at: Addr, class: &Class) -> Written {
        let (name, value) = (self.maybe_attribute(at, "_name_")?, self.attribute(at, "_value_")?);
        let class_name = class.name();
        match name.map(|name| self.string(name)) {
            Some(Ok(name)) if !name.is_empty() && self.class_of(at).is_ok() && self.is_text(at, "_name_")? => {
                self.write(format_args!("<{class_name}.{name}: "));
            }
            _ if self.values.style.flags_named => self.write(format_args!("<{class_name}: ")),
            _ => return self.old_flag(at, class),
        }
        self.value(value);
        self.push(">");
        Ok(())
    }

    fn is_text(&mut self, at: Addr, name: &str) -> Result<bool, Unreadable> {
        let value = self.attribute(at, name)?;
        Ok(self.class_of(value)?.flags >> 28 & 1 == 1 || self.values.style.two)
    }

    /// A combination without a name, up to 3.10: the members that it is made of, the greatest first.
    fn old_flag(&mut self, at: Addr, class: &Class) -> Written {
        let value = self.attribute(at, "_value_")?;
        let wanted = self.number(value)?.unwrap_or(0);
        let map = self.class_attribute(class, "_value2member_map_")?.ok_or(Unreadable::Nonsense("an enum", at))?;
        let mut parts = Vec::new();
        for (key, member) in self.entries(map)? {
            let Some(bits) = self.number(key)? else { continue };
            if member != at
                && bits != 0
                && bits & wanted == bits
                && bits & (bits - 1) == 0
                && self.is_text(member, "_name_")?
            {
                let name = self.attribute(member, "_name_")?;
                parts.push((bits, self.string(name)?));
            }
        }
        parts.sort_by_key(|part| std::cmp::Reverse(part.0));
        let names: Vec<String> = parts.into_iter().map(|(_, name)| name).collect();
        let class_name = class.name();
        self.write(format_args!("<{class_name}.{}: ", if names.is_empty() { "0".to_owned() } else { names.join("|") }));
        self.value(value);
        self.push(">");
        Ok(())
    }

    pub(super) fn namespace(&mut self, at: Addr, class: &Class) -> Written {
        let dict = self.field(at, 0)?;
        let mut entries = Vec::new();
        for (name, value) in self.entries(dict)? {
            entries.push((self.text_of(name)?, value));
        }
        if !self.values.style.namespace_in_order {
            entries.sort();
        }
        let name = if class.tp_name == "types.SimpleNamespace" { "namespace" } else { class.name() };
        self.within(at, &format!("{name}(...)"), |printer| {
            printer.write(format_args!("{name}("));
            printer.separated(entries, |printer, (name, value)| {
                printer.write(format_args!("{name}="));
                printer.named(&name, value);
            });
            printer.push(")");
            Ok(())
        })
    }
}
