//! Functions, methods, classes, modules, code objects and generators.

use py_spy_address_space::{Addr, read_u32, read_u64};

use super::class::Class;
use super::printer::{Printer, Written};
use crate::object::{self, Unreadable, add};

impl Printer<'_> {
    /// `<class 'module.Name'>` (`type_repr` in `Objects/typeobject.c`).
    pub(super) fn class(&mut self, at: Addr) -> Written {
        let class = self.classes.get(self.memory, self.layout, self.values, at)?;
        let kind = if self.values.style.two && !class.is_heap() { "type" } else { "class" };
        let name = class.full_name();
        self.write(format_args!("<{kind} '{name}'>"));
        Ok(())
    }

    /// `<enum 'Color'>`, from 3.11 on `<flag 'Perm'>` where it is one.
    pub(super) fn enum_class(&mut self, at: Addr) -> Written {
        let class = self.classes.get(self.memory, self.layout, self.values, at)?;
        let mut kind = "enum";
        for &base in &class.mro {
            let base = self.classes.get(self.memory, self.layout, self.values, base)?;
            if self.values.style.flags_named && base.module == "enum" && base.qualname == "Flag" {
                kind = "flag";
            }
        }
        self.write(format_args!("<{kind} '{}'>", class.name()));
        Ok(())
    }

    pub(super) fn function(&mut self, at: Addr) -> Written {
        let name = self.text_of(self.field(at, self.values.function_name)?)?;
        self.write(format_args!("<function {name} at {at:#x}>"));
        Ok(())
    }

    /// `m_ml` starts with the name; `m_self` is what it is bound to, a module or nothing for a function.
    pub(super) fn builtin(&mut self, at: Addr) -> Written {
        let name = self.c_string(read_u64(self.memory, self.field(at, 0)?)?)?;
        let bound = self.field(at, 8)?;
        if bound == 0 || matches!(&*self.class_of(bound)?.tp_name, "module") {
            self.write(format_args!("<built-in function {name}>"));
        } else {
            let class = self.class_of(bound)?.tp_name.clone();
            self.write(format_args!("<built-in method {name} of {class} object at {bound:#x}>"));
        }
        Ok(())
    }

    pub(super) fn method(&mut self, at: Addr, class: &Class) -> Written {
        let (function, bound) = (self.field(at, 0)?, self.field(at, 8)?);
        let name = match &*self.class_of(function)?.tp_name {
            "function" => self.text_of(self.field(function, self.values.function_name)?)?,
            _ => "?".to_owned(),
        };
        if self.values.style.two {
            let of = self.field(at, 16)?;
            let of = self.python_2_class_name(of)?;
            if bound == 0 {
                self.write(format_args!("<unbound method {of}.{name}>"));
                return Ok(());
            }
            self.write(format_args!("<bound method {of}.{name} of "));
        } else {
            let _ = class;
            self.write(format_args!("<bound method {name} of "));
        }
        self.value(bound);
        self.push(">");
        Ok(())
    }

    /// `__name__`, also of a class of the old kind.
    fn python_2_class_name(&mut self, at: Addr) -> Result<String, Unreadable> {
        if at == 0 {
            return Ok("?".to_owned());
        }
        if &*self.class_of(at)?.tp_name == "classobj" {
            let name = self.field(at, 16)?;
            return self.text_of(name);
        }
        Ok(self.classes.get(self.memory, self.layout, self.values, at)?.name().to_owned())
    }

    /// `<method 'append' of 'list' objects>`: `d_type` and `d_name`.
    pub(super) fn descriptor(&mut self, at: Addr, kind: &str) -> Written {
        let (class, name) = (self.field(at, 0)?, self.text_of(self.field(at, 8)?)?);
        let class = self.classes.get(self.memory, self.layout, self.values, class)?.tp_name.clone();
        self.write(format_args!("<{kind} '{name}' of '{class}' objects>"));
        Ok(())
    }

    /// `wrapperobject` in `Objects/descrobject.c`: a descriptor, and what it is bound to.
    pub(super) fn method_wrapper(&mut self, at: Addr) -> Written {
        let (descriptor, bound) = (self.field(at, 0)?, self.field(at, 8)?);
        let name = self.text_of(self.field(descriptor, 8)?)?;
        let class = self.class_of(bound)?.tp_name.clone();
        self.write(format_args!("<method-wrapper '{name}' of {class} object at {bound:#x}>"));
        Ok(())
    }

    /// `<staticmethod(<function f at 0x1>)>`: the first field is what they wrap.
    pub(super) fn wrapped(&mut self, at: Addr, class: &Class) -> Written {
        let inner = self.field(at, 0)?;
        let name = class.name();
        self.write(format_args!("<{name}("));
        self.value(inner);
        self.push(")>");
        Ok(())
    }

    /// As `_module_repr_from_spec` in `Lib/importlib/_bootstrap.py`.
    pub(super) fn module(&mut self, at: Addr) -> Written {
        let dict = read_u64(self.memory, add(at, self.layout.objects.module_dict)?)?;
        let get = |name: &str| object::dict_get(self.memory, self.layout, dict, name);
        let name = get("__name__")?.ok_or(Unreadable::Nonsense("a module", at))?;
        let file = get("__file__")?;
        let spec = get("__spec__")?;
        self.push("<module ");
        // Its name in quotes even in Python 2, where it is a plain string.
        self.value(name);
        let origin = match spec {
            Some(spec) if &*self.class_of(spec)?.repr != "NoneType" => self.maybe_attribute(spec, "origin")?,
            _ => None,
        };
        let origin = match origin {
            Some(origin) if &*self.class_of(origin)?.repr != "NoneType" => Some(origin),
            _ => None,
        };
        let located = match spec {
            Some(spec) if origin.is_some() && &*self.class_of(spec)?.repr != "NoneType" => {
                match self.maybe_attribute(spec, "_set_fileattr")? {
                    Some(set) => self.is_true(set)?,
                    None => true,
                }
            }
            _ => false,
        };
        match (origin, file) {
            (Some(origin), _) if located => {
                self.push(" from ");
                self.value(origin);
            }
            (Some(origin), _) => {
                let origin = self.string(origin)?;
                self.write(format_args!(" ({origin})"));
            }
            (None, Some(file)) => {
                self.push(" from ");
                self.value(file);
            }
            (None, None) => self.push(" (built-in)"),
        }
        self.push(">");
        Ok(())
    }

    pub(super) fn code(&mut self, at: Addr) -> Written {
        let code = &self.layout.code;
        let text = |offset| self.text_of(read_u64(self.memory, add(at, offset)?)?);
        let (name, file) = (text(code.name)?, text(code.filename)?);
        let line = read_u32(self.memory, add(at, code.first_line)?)?;
        self.write(format_args!("<code object {name} at {at:#x}, file \"{file}\", line {line}>"));
        Ok(())
    }

    pub(super) fn generator(&mut self, at: Addr, class: &Class) -> Written {
        let name = if let Some(offset) = self.values.generator_name {
            self.text_of(self.field(at, offset)?)?
        } else {
            let code = self.field(at, 16)?;
            self.text_of(read_u64(self.memory, add(code, self.layout.code.name)?)?)?
        };
        let kind = class.name();
        self.write(format_args!("<{kind} object {name} at {at:#x}>"));
        Ok(())
    }

    /// `weakref_repr` in `Objects/weakrefobject.c`.
    pub(super) fn weakref(&mut self, at: Addr) -> Written {
        let object = self.field(at, 0)?;
        self.write(format_args!("<weakref at {at:#x}; "));
        if object == 0 || &*self.class_of(object)?.repr == "NoneType" {
            self.push("dead>");
            return Ok(());
        }
        let class = self.class_of(object)?;
        let name = class.tp_name.clone();
        self.write(format_args!("to '{name}' at {object:#x}"));
        // Of a function or a class its name too.
        let called = match &*class.tp_name {
            "function" => Some(self.text_of(self.field(object, self.values.function_name)?)?),
            _ if class.flags & super::class::TYPE_SUBCLASS != 0 => {
                Some(self.classes.get(self.memory, self.layout, self.values, object)?.name().to_owned())
            }
            _ => None,
        };
        match called {
            Some(name) => self.write(format_args!(" ({})>", name.rsplit('.').next().unwrap_or(&name))),
            None => self.push(">"),
        }
        Ok(())
    }
}
