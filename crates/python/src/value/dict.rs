//! `dict` and what is like it.

use py_spy_address_space::{Addr, read_u64};

use rustc_hash::FxHashMap;

use super::class::Class;
use super::printer::{Printer, Written};
use crate::object::{self, Unreadable};

/// Places of a dict that are looked at beyond those that may be shown.
const SPARE_PLACES: u64 = 256;

/// Entries of an `OrderedDict` that are followed.
const MAX_LINKS: usize = 1 << 16;

/// Entries by their keys: a list of links may be as long as the dict.
struct Order(FxHashMap<Addr, Addr>);

impl Order {
    fn of(entries: &[(Addr, Addr)]) -> Order {
        Order(entries.iter().copied().collect())
    }

    fn entry(&self, key: Addr) -> Option<(Addr, Addr)> {
        self.0.get(&key).map(|&value| (key, value))
    }
}

impl Printer<'_> {
    /// Its entries in their order.
    pub(super) fn entries(&self, at: Addr) -> Result<Vec<(Addr, Addr)>, Unreadable> {
        object::dict_start(self.memory, self.layout, at, self.places())
    }

    /// Places of a dict that are looked at: some may be empty.
    fn places(&self) -> u64 {
        4 * self.limits.elements.min(self.limits.characters) as u64 + SPARE_PLACES
    }

    fn pairs(&mut self, entries: impl IntoIterator<Item = (Addr, Addr)>) {
        self.separated(entries, |printer, (key, value)| {
            printer.value(key);
            printer.push(": ");
            printer.entry(key, value);
        });
    }

    /// The value of an entry, whose key may be a name.
    pub(super) fn entry(&mut self, key: Addr, value: Addr) {
        let is_name = self.class_of(key).is_ok_and(|class| matches!(&*class.repr, "str" | "bytes" | "unicode"));
        let name = if is_name { self.plain_text(key) } else { String::new() };
        self.named(&name, value);
    }

    pub(super) fn dict(&mut self, at: Addr) -> Written {
        self.within(at, "{...}", |printer| {
            let entries = printer.entries(at)?;
            printer.push("{");
            printer.pairs(entries);
            printer.push("}");
            Ok(())
        })
    }

    /// How long a plain `dict` is: what derives from it in C keeps its fields behind.
    fn dict_size(&self) -> u32 {
        if self.values.style.two { 232 } else { 32 }
    }

    pub(super) fn defaultdict(&mut self, at: Addr, class: &Class) -> Written {
        let factory = self.field(at, self.dict_size())?;
        let name = class.name();
        self.within(at, &format!("{name}(...)"), |printer| {
            printer.write(format_args!("{name}("));
            if factory == 0 {
                printer.push("None");
            } else {
                printer.value(factory);
            }
            printer.push(", {");
            let entries = printer.entries(at)?;
            printer.pairs(entries);
            printer.push("})");
            Ok(())
        })
    }

    /// Entries of an `OrderedDict`: it keeps an order of its own in a list of nodes of a key, a hash and links to the next and the
    /// last one (`PyODictObject` in `Objects/odictobject.c`, 3.5+).
    fn ordered_entries(&mut self, at: Addr) -> Result<Vec<(Addr, Addr)>, Unreadable> {
        let entries = self.entries(at)?;
        if self.values.style.two {
            return self.linked_entries(at, entries);
        }
        let order = Order::of(&entries);
        let most = entries.len().min(MAX_LINKS).min(self.limits.elements + 1);
        let mut node = self.field(at, self.dict_size())?;
        let mut ordered = Vec::with_capacity(most);
        for _ in 0..most {
            if node == 0 {
                break;
            }
            ordered.extend(order.entry(read_u64(self.memory, node)?));
            node = read_u64(self.memory, node.wrapping_add(16))?;
        }
        Ok(if ordered.is_empty() { entries } else { ordered })
    }

    /// Python 2: a ring of lists of the last one, the next one and a key (`Lib/collections.py`).
    fn linked_entries(&mut self, at: Addr, entries: Vec<(Addr, Addr)>) -> Result<Vec<(Addr, Addr)>, Unreadable> {
        let order = Order::of(&entries);
        let root = self.attribute(at, "_OrderedDict__root")?;
        let mut ordered = Vec::with_capacity(entries.len());
        let mut link = self.list_items(root)?.get(1).copied().unwrap_or(root);
        for _ in 0..entries.len().min(MAX_LINKS).min(self.limits.elements + 1) {
            if link == root {
                break;
            }
            let [_, next, key] = self.list_items(link)?[..] else { break };
            ordered.extend(order.entry(key));
            link = next;
        }
        Ok(if ordered.is_empty() { entries } else { ordered })
    }

    pub(super) fn ordered(&mut self, at: Addr, class: &Class) -> Written {
        let name = class.name();
        self.within(at, "...", |printer| {
            let entries = printer.ordered_entries(at)?;
            printer.write(format_args!("{name}("));
            if entries.is_empty() {
                printer.push(")");
            } else if printer.values.style.ordered_as_dict {
                printer.push("{");
                printer.pairs(entries);
                printer.push("})");
            } else {
                printer.push("[");
                printer.tuples(entries);
                printer.push("])");
            }
            Ok(())
        })
    }

    fn tuples(&mut self, entries: Vec<(Addr, Addr)>) {
        self.separated(entries, |printer, (key, value)| {
            printer.push("(");
            printer.value(key);
            printer.push(", ");
            printer.entry(key, value);
            printer.push(")");
        });
    }

    /// The most common first, those with equal counts in their order (`Lib/collections/__init__.py`).
    pub(super) fn counter(&mut self, at: Addr, class: &Class) -> Written {
        let name = class.name();
        self.within(at, "...", |printer| {
            let mut entries = printer.entries(at)?;
            if entries.is_empty() {
                printer.write(format_args!("{name}()"));
                return Ok(());
            }
            let mut counts = Vec::with_capacity(entries.len());
            for &(_, count) in &entries {
                counts.push(printer.number(count)?);
            }
            if counts.iter().all(Option::is_some) {
                let mut order: Vec<usize> = (0..entries.len()).collect();
                order.sort_by_key(|&index| std::cmp::Reverse(counts[index]));
                entries = order.into_iter().map(|index| entries[index]).collect();
            }
            printer.write(format_args!("{name}({{"));
            printer.pairs(entries);
            printer.push("})");
            Ok(())
        })
    }

    pub(super) fn chain_map(&mut self, at: Addr, class: &Class) -> Written {
        let maps = self.attribute(at, "maps")?;
        let name = class.name();
        self.within(at, "...", |printer| {
            printer.write(format_args!("{name}("));
            let maps = printer.list_items(maps)?;
            printer.list(maps, Printer::value);
            printer.push(")");
            Ok(())
        })
    }

    pub(super) fn proxy(&mut self, at: Addr) -> Written {
        let mapping = self.field(at, 0)?;
        self.push(if self.values.style.two { "dict_proxy(" } else { "mappingproxy(" });
        self.value(mapping);
        self.push(")");
        Ok(())
    }

    /// `dict_keys(['a'])`.
    pub(super) fn view(&mut self, at: Addr, kind: &str) -> Written {
        let dict = self.field(at, 0)?;
        let entries = if kind.starts_with('o') { self.ordered_entries(dict)? } else { self.entries(dict)? };
        self.write(format_args!("{kind}(["));
        match kind {
            _ if kind.ends_with("keys") => self.list(entries.into_iter().map(|entry| entry.0), Printer::value),
            _ if kind.ends_with("values") => self.separated(entries, |printer, (key, value)| printer.entry(key, value)),
            _ => {
                self.tuples(entries);
                true
            }
        };
        self.push("])");
        Ok(())
    }
}
