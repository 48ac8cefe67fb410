//! `set` and `frozenset`.

use py_spy_address_space::{Addr, read_vec};

use super::class::Class;
use super::printer::{Printer, Written};
use crate::object::{Unreadable, word};

/// Slots of a set that are looked at; what is beyond is not shown.
const MAX_SLOTS: u64 = 1 << 16;

impl Printer<'_> {
    /// Its elements in the order of its table (`PySetObject` in `Include/setobject.h`).
    fn set_items(&self, at: Addr) -> Result<(Vec<Addr>, bool), Unreadable> {
        let used = self.field(at, 8)?;
        let slots = self.field(at, 16)?.saturating_add(1);
        let table = self.field(at, 24)?;
        if used >= slots || !slots.is_power_of_two() {
            return Err(Unreadable::Nonsense("a set", at));
        }
        let bytes = read_vec(self.memory, table, slots.min(MAX_SLOTS) as usize * 16)?;
        let first = self.values.set_key_first;
        let items = bytes.chunks_exact(16).filter_map(|entry| {
            let (key, hash) = if first { (word(entry, 0), word(entry, 8)) } else { (word(entry, 8), word(entry, 0)) };
            // What was taken out has a hash that no object has.
            let dummy = if first { hash == u64::MAX } else { self.is_dummy(key) };
            (key != 0 && !dummy).then_some(key)
        });
        Ok((items.take(self.limits.elements + 1).collect(), used == 0))
    }

    /// Python 2: a string stands for what was taken out.
    fn is_dummy(&self, key: Addr) -> bool {
        key != 0 && self.text_of(key).is_ok_and(|text| text == "<dummy key>")
    }

    pub(super) fn set(&mut self, at: Addr, class: &Class) -> Written {
        let name = class.name();
        self.within(at, &format!("{name}(...)"), |printer| {
            let (items, empty) = printer.set_items(at)?;
            if empty && !printer.values.style.two {
                printer.write(format_args!("{name}()"));
                return Ok(());
            }
            let (open, close) = match (printer.values.style.two, name) {
                (true, _) => (format!("{name}(["), "])"),
                (false, "set") => ("{".to_owned(), "}"),
                (false, _) => (format!("{name}({{"), "})"),
            };
            printer.push(&open);
            printer.list(items, Printer::value);
            printer.push(close);
            Ok(())
        })
    }
}
