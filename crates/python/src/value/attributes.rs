//! The attributes of instances: in a dict, in values beside or behind them, in slots.

use py_spy_address_space::{Addr, read_array, read_u64};

use super::printer::{Printer, Written};
use crate::object::{self, Unreadable};

/// `T_OBJECT` and `T_OBJECT_EX` (`Include/structmember.h`): a slot that has an object.
const OBJECT_TYPES: [u32; 2] = [6, 16];

impl Printer<'_> {
    /// Names and values: those in the instance's namespace, then those in slots.
    pub(super) fn attributes(&mut self, at: Addr) -> Result<Vec<(String, Addr)>, Unreadable> {
        let mut all = Vec::new();
        for (name, value) in object::instance_entries(self.memory, self.layout, at)? {
            all.push((self.text_of(name)?, value));
        }
        let class = self.class_of(at)?;
        for &base in class.mro.iter().rev() {
            all.extend(self.slots(at, base).unwrap_or_default());
        }
        Ok(all)
    }

    /// What is in the slots that a class adds.
    fn slots(&mut self, at: Addr, class: Addr) -> Result<Vec<(String, Addr)>, Unreadable> {
        let mut found = Vec::new();
        let class = self.classes.get(self.memory, self.layout, self.values, class)?;
        if !class.is_heap() {
            return Ok(found);
        }
        let own = self.own_of_class(class.at)?;
        // Those of classes that are made in C are their own affair.
        if !own.iter().any(|&(name, _)| self.text_of(name).is_ok_and(|name| name == "__slots__")) {
            return Ok(found);
        }
        for (name, descriptor) in own {
            let kind = object::type_of(self.memory, self.layout, descriptor)?;
            if self.classes.get(self.memory, self.layout, self.values, kind)?.tp_name != "member_descriptor" {
                continue;
            }
            let definition = self.field(descriptor, self.values.member)?;
            let [kind] = [u32::from_le_bytes(read_array(self.memory, definition.wrapping_add(8))?)];
            let offset = read_u64(self.memory, definition.wrapping_add(16))?;
            if OBJECT_TYPES.contains(&kind) {
                let value = read_u64(self.memory, at.wrapping_add(offset))?;
                if value != 0 {
                    found.push((self.text_of(name)?, value));
                }
            }
        }
        Ok(found)
    }

    /// One attribute.
    pub(super) fn attribute(&mut self, at: Addr, name: &str) -> Result<Addr, Unreadable> {
        self.maybe_attribute(at, name)?.ok_or(Unreadable::Nonsense("an instance", at))
    }

    /// One attribute, if the instance has it.
    pub(super) fn maybe_attribute(&mut self, at: Addr, name: &str) -> Result<Option<Addr>, Unreadable> {
        Ok(self.attributes(at)?.into_iter().find(|(known, _)| known == name).map(|(_, value)| value))
    }

    /// `x=1, y=2`.
    pub(super) fn attributes_of(&mut self, at: Addr) -> Written {
        let attributes = match &*self.class_of(at)?.repr {
            "instance" => {
                let dict = self.field(at, 8)?;
                let entries = self.entries(dict)?;
                entries
                    .into_iter()
                    .map(|(name, value)| Ok((self.text_of(name)?, value)))
                    .collect::<Result<_, Unreadable>>()?
            }
            _ => self.attributes(at)?,
        };
        self.within(at, "...", |printer| {
            printer.separated(attributes, |printer, (name, value)| {
                printer.write(format_args!("{name}="));
                printer.named(&name, value);
            });
            Ok(())
        })
    }

    /// True when the `repr` of an instance says nothing of its attributes.
    pub(super) fn has_hidden_attributes(&mut self, at: Addr) -> Result<bool, Unreadable> {
        let class = self.class_of(at)?;
        if &*class.repr == "instance" {
            return Ok(true);
        }
        let shown = matches!(&*class.repr, "enum.Enum" | "enum.Flag" | "type" | "module" | "function")
            || class.is_dataclass
            || class.flags & super::class::TYPE_SUBCLASS != 0
            || ["re.", "_sre.", "pathlib.", "uuid.", "fractions.", "collections.", "types.", "decimal.", "ipaddress."]
                .iter()
                .any(|module| class.repr.starts_with(module));
        Ok(!shown && class.is_heap())
    }
}
