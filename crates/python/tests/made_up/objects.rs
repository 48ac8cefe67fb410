//! Python objects in memory that is made up.

use std::collections::BTreeMap;

use py_spy_address_space::Addr;

use crate::noise::Noise;
use crate::shape::{Shape, Table, Text};

/// Memory, and where the next object comes to lie.
pub(crate) struct Objects {
    pub(crate) memory: Noise,
    pub(crate) shape: Shape,
    next: Addr,
    types: BTreeMap<&'static str, Addr>,
}

impl Objects {
    pub(crate) fn new(shape: Shape) -> Objects {
        Objects { memory: Noise::default(), shape, next: 0x55aa_1234_0010, types: BTreeMap::new() }
    }

    /// So many bytes of noise.
    pub(crate) fn room(&mut self, size: u64) -> Addr {
        let at = self.next;
        self.memory.room(at, size);
        self.next += (size + 31) / 16 * 16;
        at
    }

    pub(crate) fn word(&mut self, at: Addr, value: u64) {
        self.memory.put(at, &value.to_le_bytes());
    }

    pub(crate) fn int32(&mut self, at: Addr, value: i32) {
        self.memory.put(at, &value.to_le_bytes());
    }

    /// An `ob_refcnt`, an `ob_size` or a counter.
    fn size(&mut self, at: Addr, value: u64) {
        let width = self.shape.size;
        self.memory.put(at, &value.to_le_bytes()[..width]);
    }

    fn class(&mut self, name: &'static str) -> Addr {
        if let Some(&at) = self.types.get(name) {
            return at;
        }
        let (at, text) = (self.room(400), self.room(name.len() as u64 + 1));
        self.memory.put(text, &[name.as_bytes(), &[0]].concat());
        self.word(at + 24, text);
        // Flags of all kinds: no old version has one that says where attributes are.
        self.word(at + self.shape.dict_offset, 16);
        self.types.insert(name, at);
        at
    }

    /// An object that somebody refers to.
    pub(crate) fn object(&mut self, class: &'static str, size: u64) -> Addr {
        let (class, at) = (self.class(class), self.room(size));
        self.size(at, 1);
        self.word(at + 8, class);
        at
    }

    /// A byte string.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Addr {
        let (data, class) = (self.shape.bytes_data, if self.shape.short { "str" } else { "bytes" });
        let at = self.object(class, data + bytes.len() as u64 + 1);
        self.size(at + 16, bytes.len() as u64);
        self.word(at + 24, u64::MAX);
        self.memory.put(at + data, bytes);
        at
    }

    /// A name.
    pub(crate) fn text(&mut self, text: &str) -> Addr {
        match self.shape.text {
            Text::Bytes => self.bytes(text.as_bytes()),
            Text::Units(width) => {
                let units: Vec<u8> = match width {
                    2 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                    _ => text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
                };
                let (at, data) = (self.object("str", 56), self.room(units.len() as u64));
                self.size(at + 16, (units.len() / width) as u64);
                self.word(at + 24, data);
                self.word(at + 32, 77);
                self.memory.put(data, &units);
                at
            }
            Text::Compact => {
                let widest = text.chars().map(u32::from).max().unwrap_or(0);
                let (kind, ascii) = match widest {
                    0..=0x7f => (1, true),
                    0x80..=0xff => (1, false),
                    0x100..=0xffff => (2, false),
                    _ => (4, false),
                };
                let data: Vec<u8> =
                    text.chars().flat_map(|c| u32::from(c).to_le_bytes().into_iter().take(kind)).collect();
                let start = if ascii { 48 } else { 72 };
                let at = self.object("str", start + data.len() as u64 + 4);
                self.word(at + 16, text.chars().count() as u64);
                self.word(at + 24, 77);
                self.int32(at + 32, (kind as i32) << 2 | 1 << 5 | i32::from(ascii) << 6 | 1 << 7);
                self.memory.put(at + start, &data);
                at
            }
        }
    }

    /// An `int`.
    pub(crate) fn int(&mut self, value: u64) -> Addr {
        if self.shape.short {
            let at = self.object("int", 24);
            self.word(at + 16, value);
            return at;
        }
        let bits = self.shape.digit_bits;
        let digits: Vec<u64> = (0..64_u32.div_ceil(bits))
            .map(|digit| value >> (digit * bits) & ((1 << bits) - 1))
            .take(64_usize.min(value.checked_ilog2().map_or(0, |log| (log / bits + 1) as usize)))
            .collect();
        let at = self.object("int", self.shape.digits + 4 * digits.len() as u64);
        self.size(at + 16, digits.len() as u64);
        let width = if bits == 30 { 4 } else { 2 };
        for (number, digit) in (0..).zip(digits) {
            self.memory.put(at + self.shape.digits + number * width as u64, &digit.to_le_bytes()[..width]);
        }
        at
    }

    /// A dict with some holes. `split`: its values are apart, as those of instances are where dicts can be so.
    pub(crate) fn dict(&mut self, entries: &[(Addr, Addr)], split: bool) -> Addr {
        let at = self.object("dict", 64);
        let slots = (entries.len() as u64 * 2).next_power_of_two();
        // A hole, an entry, and so on.
        let place = |number: usize| (2 * number as u64 + 1) % slots;
        let put = |this: &mut Self, table: Addr, with_values: bool| {
            for slot in 0..slots {
                this.memory.put(table + 24 * slot + 8, &[0; 16]);
            }
            for (number, &(key, value)) in entries.iter().enumerate() {
                this.word(table + 24 * place(number) + 8, key);
                if with_values {
                    this.word(table + 24 * place(number) + 16, value);
                }
            }
        };
        match self.shape.table {
            Table::Open(mask, table) => {
                let first = self.room(24 * slots);
                self.size(at + mask, slots - 1);
                self.word(at + table, first);
                put(self, first, true);
                // One that was deleted: a key and no value.
                self.word(first + 24 * ((2 * entries.len() as u64) % slots) + 8, at);
            }
            Table::Slots => {
                let keys = self.room(32 + 24 * slots);
                self.word(keys + 8, slots);
                self.word(at + 24, keys);
                self.word(at + 32, 0);
                put(self, keys + 32, !split);
                if split {
                    let values = self.room(8 * slots);
                    for slot in 0..slots {
                        self.word(values + 8 * slot, 0);
                    }
                    for (number, &(_, value)) in entries.iter().enumerate() {
                        self.word(values + 8 * place(number), value);
                    }
                    self.word(at + 32, values);
                }
            }
        }
        at
    }

    /// A dict with names as its keys.
    pub(crate) fn namespace(&mut self, entries: &[(&str, Addr)], split: bool) -> Addr {
        let entries: Vec<_> = entries.iter().map(|&(name, value)| (self.text(name), value)).collect();
        self.dict(&entries, split)
    }

    /// A `threading.Thread`.
    pub(crate) fn thread_object(&mut self, name: &str) -> Addr {
        let (name, other) = (self.text(name), self.int(1));
        let attributes = self.namespace(&[("_other", other), (self.shape.thread_name, name)], true);
        let at = self.object("Thread", 32);
        self.word(at + 16, attributes);
        at
    }

    pub(crate) fn code(&mut self, name: Addr, file: Addr, first_line: i32, lines: &[u8]) -> Addr {
        let lines = self.bytes(lines);
        let at = self.object("code", 160);
        let [filename, name_at, first, table] = self.shape.code;
        self.word(at + filename, file);
        self.word(at + name_at, name);
        self.int32(at + first, first_line);
        self.word(at + table, lines);
        at
    }

    /// A frame that runs.
    pub(crate) fn frame(&mut self, back: Addr, code: Addr, position: i32) -> Addr {
        let at = self.object("frame", 480);
        self.word(at + 24, back);
        self.word(at + 32, code);
        self.word(at + 72, 0);
        self.int32(at + 120, position);
        if let Some((generator, executing)) = self.shape.frame {
            self.word(at + generator, 0);
            self.memory.put(at + executing, &[1]);
        }
        at
    }
}
