//! `list`, `tuple` and what is like them: ranges, slices, deques, arrays, structs and named tuples.

use py_spy_address_space::{Addr, read_array, read_u64, read_vec};

use super::class::Class;
use super::printer::{Printer, Written};
use crate::layout::Sequence;
use crate::object::{self, Unreadable, add, word};

/// A C string in the program is no longer.
const MAX_NAME: usize = 256;

impl Printer<'_> {
    /// So many addresses, no more than are shown.
    pub(super) fn items_at(&self, start: Addr, count: u64) -> Result<Vec<Addr>, Unreadable> {
        let count = count.min(self.limits.elements as u64 + 1).min(self.limits.characters as u64 + 1);
        let bytes = read_vec(self.memory, start, count as usize * 8)?;
        Ok(bytes.chunks_exact(8).map(|chunk| word(chunk, 0)).collect())
    }

    /// The elements of a tuple.
    pub(super) fn tuple_items(&self, at: Addr) -> Result<Vec<Addr>, Unreadable> {
        let Sequence { size, items } = self.layout.objects.tuple;
        let count = object::size(self.memory, self.layout, add(at, size)?)?;
        self.items_at(add(at, items)?, count)
    }

    /// The elements of a list.
    pub(super) fn list_items(&self, at: Addr) -> Result<Vec<Addr>, Unreadable> {
        let Sequence { size, items } = self.layout.objects.list;
        let count = object::size(self.memory, self.layout, add(at, size)?)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        self.items_at(read_u64(self.memory, add(at, items)?)?, count)
    }

    /// A pair may be a name and its value: headers are lists of those.
    pub(super) fn tuple(&mut self, at: Addr) -> Written {
        self.within(at, "(...)", |printer| {
            let items = printer.tuple_items(at)?;
            let one = items.len() == 1;
            printer.push("(");
            match *items {
                [name, value] => {
                    let places = [(name, false), (value, true)];
                    printer.separated(
                        places,
                        |printer, (at, is_second)| {
                            if is_second { printer.entry(name, at) } else { printer.value(at) }
                        },
                    );
                }
                _ => {
                    printer.list(items, Printer::value);
                }
            }
            printer.push(if one { ",)" } else { ")" });
            Ok(())
        })
    }

    pub(super) fn sequence(&mut self, at: Addr) -> Written {
        self.within(at, "[...]", |printer| {
            let items = printer.list_items(at)?;
            printer.push("[");
            printer.list(items, Printer::value);
            printer.push("]");
            Ok(())
        })
    }

    /// `rangeobject` in `Objects/rangeobject.c`: start, stop and step are objects.
    pub(super) fn range(&mut self, at: Addr) -> Written {
        let [first, end, step] = [self.field(at, 0)?, self.field(at, 8)?, self.field(at, 16)?];
        self.push("range(");
        self.value(first);
        self.push(", ");
        self.value(end);
        if self.number(step)? != Some(1) {
            self.push(", ");
            self.value(step);
        }
        self.push(")");
        Ok(())
    }

    /// Python 2: start, step and length are C `long`s.
    pub(super) fn xrange(&mut self, at: Addr) -> Written {
        let [first, step, length] =
            [self.field(at, 0)?, self.field(at, 8)?, self.field(at, 16)?].map(|word| word as i64);
        let end = first.wrapping_add(length.wrapping_mul(step));
        match (first, step) {
            (0, 1) => self.write(format_args!("xrange({end})")),
            (_, 1) => self.write(format_args!("xrange({first}, {end})")),
            _ => self.write(format_args!("xrange({first}, {end}, {step})")),
        }
        Ok(())
    }

    pub(super) fn slice(&mut self, at: Addr) -> Written {
        let parts = [self.field(at, 0)?, self.field(at, 8)?, self.field(at, 16)?];
        self.within(at, "...", |printer| {
            printer.push("slice(");
            printer.list(parts, Printer::value);
            printer.push(")");
            Ok(())
        })
    }

    pub(super) fn deque(&mut self, at: Addr, class: &Class) -> Written {
        let place = self.values.deque;
        let mut block = self.field(at, place.left)?;
        let mut index = self.field(at, place.left_index)?;
        let length = object::size(self.memory, self.layout, self.place(at, place.length)?)?;
        let max_length = self.field(at, place.max_length)? as i64;
        let mut items = Vec::new();
        while (items.len() as u64) < length && items.len() <= self.limits.elements.min(self.limits.characters) {
            let (first, count) = place.items;
            if index >= count {
                block = read_u64(self.memory, block.wrapping_add(place.next))?;
                index = 0;
            }
            items.push(read_u64(self.memory, block.wrapping_add(first).wrapping_add(8 * index))?);
            index += 1;
        }
        // Written as its elements in a list, which is what it contains itself as.
        let name = class.name();
        self.within(at, "[...]", |printer| {
            printer.write(format_args!("{name}(["));
            printer.list(items, Printer::value);
            printer.push("]");
            if max_length >= 0 {
                printer.write(format_args!(", maxlen={max_length}"));
            }
            printer.push(")");
            Ok(())
        })
    }

    /// `arrayobject` in `Modules/arraymodule.c`.
    pub(super) fn array(&mut self, at: Addr, class: &Class) -> Written {
        let length = object::size(self.memory, self.layout, self.place(at, 0)?)?;
        let [data, description] = [self.field(at, 8)?, self.field(at, 24)?];
        let [code] = read_array(self.memory, description)?;
        let code = char::from(code);
        let name = class.name();
        self.write(format_args!("{name}('{code}'"));
        if length > 0 {
            self.push(", ");
            self.machine_values(code, data, length)?;
        }
        self.push(")");
        Ok(())
    }

    /// Values as the machine has them, by the letters of `array` and `struct`.
    pub(super) fn machine_values(&mut self, code: char, data: Addr, length: u64) -> Written {
        let width = match code {
            'b' | 'B' | 'c' | '?' => 1,
            'h' | 'H' => 2,
            'i' | 'I' | 'f' | 'u' | 'w' => 4,
            _ => 8,
        };
        let count = length.min(self.limits.elements.min(self.limits.characters) as u64 + 1);
        let bytes = read_vec(self.memory, data, count as usize * width)?;
        let chunks = bytes.chunks_exact(width);
        if matches!(code, 'u' | 'w') {
            self.push("'");
            for chunk in chunks {
                let code = chunk.iter().rev().fold(0, |code, &byte| code << 8 | u32::from(byte));
                super::text::escaped(&mut self.out, code, '\'', false);
            }
            self.push("'");
            return Ok(());
        }
        if code == 'c' {
            super::bytes::quoted(&mut self.out, &bytes, usize::MAX);
            return Ok(());
        }
        let long = if self.values.style.two && matches!(code, 'I' | 'L') { "L" } else { "" };
        self.push("[");
        self.separated(chunks, |printer, chunk| {
            let value = chunk.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
            let shift = 64 - 8 * width as u32;
            match code {
                '?' => printer.push(if value == 0 { "False" } else { "True" }),
                'f' => {
                    let text = super::float::short(f64::from(f32::from_bits(value as u32)), true);
                    printer.push(&text);
                }
                'd' => {
                    let text = super::float::short(f64::from_bits(value), true);
                    printer.push(&text);
                }
                'B' | 'H' | 'I' | 'L' | 'Q' => printer.write(format_args!("{value}{long}")),
                _ => printer.write(format_args!("{}", (value << shift) as i64 >> shift)),
            }
        });
        self.push("]");
        Ok(())
    }

    /// A C string.
    pub(super) fn c_string(&self, at: Addr) -> Result<String, Unreadable> {
        let mut text = Vec::new();
        while text.len() < MAX_NAME {
            match read_array::<1>(self.memory, at.wrapping_add(text.len() as u64))? {
                [0] => return Ok(String::from_utf8_lossy(&text).into_owned()),
                [byte] => text.push(byte),
            }
        }
        Err(Unreadable::Nonsense("a C string", at))
    }

    /// `structseq_repr` in `Objects/structseq.c`: the names are those of `tp_members`, 40 bytes each.
    pub(super) fn struct_sequence(&mut self, at: Addr, class: &Class) -> Written {
        let members = self.members_of_class(class.at)?;
        let items = self.tuple_items(at)?;
        let name = class.tp_name.clone();
        self.write(format_args!("{name}("));
        self.separated(items.iter().enumerate(), |printer, (index, &item)| {
            let name = read_u64(printer.memory, members.wrapping_add(40 * index as u64)).map_err(Unreadable::from);
            let name = name.and_then(|name| printer.c_string(name)).unwrap_or_else(|_| "?".to_owned());
            printer.write(format_args!("{name}="));
            printer.named(&name, item);
        });
        self.push(")");
        Ok(())
    }

    /// By field, as `collections.namedtuple` does.
    pub(super) fn named_tuple(&mut self, at: Addr, class: &Class) -> Written {
        let Some(fields) = self.class_attribute(class, "_fields")? else { return self.tuple(at) };
        let (fields, items) = (self.tuple_items(fields)?, self.tuple_items(at)?);
        // In Python 2 the name is part of the text.
        let made = class.repr.rsplit('.').next().unwrap_or_default();
        let name = if self.values.style.two { made } else { class.name() };
        self.within(at, "...", |printer| {
            printer.write(format_args!("{name}("));
            printer.separated(fields.iter().zip(items), |printer, (&field, item)| {
                let field = printer.text_of(field).unwrap_or_else(|_| "?".to_owned());
                printer.write(format_args!("{field}="));
                printer.named(&field, item);
            });
            printer.push(")");
            Ok(())
        })
    }
}
