//! Values in memory that is broken or hostile: each ends in bounded time with bounded text.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::BTreeMap;

use py_spy_address_space::{Addr, Fault, Memory, PAGE};
use py_spy_python::RawFrame;
use py_spy_python::layout::values::Values;
use py_spy_python::layout::{Layout, Sizes, Version, known, of};
use py_spy_python::value::{Classes, Limits, Look, Redaction, Shown, locals};

const LIMITS: Limits = Limits { characters: 200, elements: 100 };

/// Reads that one value may take.
const MAX_READS: u64 = 200_000;

/// Pages that are there; all others are not.
#[derive(Default)]
struct Fake {
    pages: BTreeMap<Addr, Box<[u8; PAGE]>>,
    next: Addr,
    reads: Cell<u64>,
    bytes: Cell<u64>,
}

impl Memory for Fake {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.reads.set(self.reads.get() + 1);
        self.bytes.set(self.bytes.get() + into.len() as u64);
        assert!(into.len() < 64 << 20, "that is too much to read at once: {}", into.len());
        let mut done = 0;
        while done < into.len() {
            let place = at.checked_add(done as u64).ok_or(Fault::unmapped(at, 1))?;
            let page = self.pages.get(&(place / PAGE as Addr)).ok_or(Fault::unmapped(at, 1))?;
            let start = place as usize % PAGE;
            let count = (PAGE - start).min(into.len() - done);
            into[done..done + count].copy_from_slice(&page[start..start + count]);
            done += count;
        }
        Ok(())
    }
}

impl Fake {
    fn put(&mut self, at: Addr, bytes: &[u8]) {
        for (place, &byte) in (at..).zip(bytes) {
            self.pages.entry(place / PAGE as Addr).or_insert_with(|| Box::new([0; PAGE]))[place as usize % PAGE] = byte;
        }
    }

    fn word(&mut self, at: Addr, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    fn room(&mut self, bytes: u64) -> Addr {
        let at = self.next.max(0x10_0000);
        self.next = at + bytes.next_multiple_of(16);
        self.put(at, &vec![0; bytes as usize]);
        at
    }
}

/// A program with a few builtin classes.
struct Program {
    memory: Fake,
    layout: &'static Layout,
    values: Values,
    classes: BTreeMap<&'static str, Addr>,
}

impl Program {
    fn new(version: Version) -> Program {
        let layout = known().find(|(row, _)| row.same_series(version)).map(|(_, layout)| layout).unwrap();
        let values = Values::of(layout, version);
        Program { memory: Fake::default(), layout, values, classes: BTreeMap::new() }
    }

    /// A builtin class, with itself as all that it derives from.
    fn class(&mut self, name: &'static str) -> Addr {
        if let Some(&known) = self.classes.get(name) {
            return known;
        }
        let objects = &self.layout.objects;
        let (at, mro, text) = (self.memory.room(1024), self.memory.room(64), self.memory.room(64));
        self.memory.put(text, name.as_bytes());
        self.memory.word(at + u64::from(objects.tp_name), text);
        self.memory.word(at + u64::from(objects.tp_name) + 320, mro);
        self.memory.word(mro + u64::from(objects.tuple.size), 1);
        self.memory.word(mro + u64::from(objects.tuple.items), at);
        self.classes.insert(name, at);
        at
    }

    fn object(&mut self, class: &'static str, size: u64) -> Addr {
        let class = self.class(class);
        let at = self.memory.room(size);
        self.memory.word(at + u64::from(self.layout.objects.ob_type), class);
        at
    }

    /// A field after the header.
    fn field(&mut self, at: Addr, offset: u64, value: u64) {
        self.memory.word(at + u64::from(self.values.header) + offset, value);
    }

    fn list(&mut self, items: &[Addr]) -> Addr {
        let (at, data) = (self.object("list", 64), self.memory.room(8 * items.len() as u64 + 8));
        self.field(at, 0, items.len() as u64);
        self.field(at, 8, data);
        for (index, &item) in (0..).zip(items) {
            self.memory.word(data + 8 * index, item);
        }
        at
    }

    fn show(&self, at: Addr) -> Shown {
        let redaction = Redaction::default();
        let look = Look {
            memory: &self.memory,
            layout: self.layout,
            values: &self.values,
            limits: LIMITS,
            redaction: &redaction,
        };
        self.memory.reads.set(0);
        let shown = look.show(&mut Classes::default(), at);
        assert!(self.memory.reads.get() <= MAX_READS, "{} reads", self.memory.reads.get());
        assert!(shown.repr.chars().count() <= LIMITS.characters + 3, "{} characters", shown.repr.len());
        shown
    }
}

const SERIES: [(u8, u8); 9] = [(2, 3), (2, 7), (3, 2), (3, 4), (3, 6), (3, 10), (3, 11), (3, 12), (3, 14)];

#[test]
fn pointers_to_nowhere_are_told() {
    for (major, minor) in SERIES {
        let mut program = Program::new(Version::series(major, minor));
        let at = program.memory.room(64);
        program.memory.word(at + u64::from(program.layout.objects.ob_type), 0xdead_beef_0000);
        assert_eq!(program.show(at).repr, format!("<unreadable at {at:#x}>"));
        assert_eq!(program.show(0xffff_ffff_ffff_fff8).repr, "<unreadable at 0xfffffffffffffff8>");
        assert_eq!(program.show(0).repr, "<NULL>");
        let list = program.list(&[at, 0, at]);
        assert_eq!(program.show(list).repr, format!("[<unreadable at {at:#x}>, <NULL>, <unreadable at {at:#x}>]"));
    }
}

#[test]
fn sizes_that_can_not_be_end() {
    for (major, minor) in SERIES {
        for kind in [
            "list",
            "tuple",
            "dict",
            "set",
            "str",
            "bytes",
            "bytearray",
            "int",
            "long",
            "unicode",
            "collections.deque",
            "array.array",
        ] {
            for size in [1 << 60, u64::MAX, i64::MAX as u64, 1 << 32, 1 << 31] {
                let mut program = Program::new(Version::series(major, minor));
                let at = program.object(kind, 4096);
                for field in 0..40 {
                    program.field(at, 8 * field, size);
                }
                program.show(at);
                // The same with pointers that lead somewhere.
                for field in 1..40 {
                    program.field(at, 8 * field, at);
                }
                program.show(at);
            }
        }
    }
}

/// 3.13 has had both makes of a `Lock`. What follows the byte of a mutex in its word is anything.
#[test]
fn how_a_lock_is_made_is_told_by_the_size_of_its_type() {
    const SEMAPHORE: u64 = 0x5555_0000_1000;
    const MUTEX: u64 = 0xfdfd_fdfd_fdfd_fd00;
    let cases: [(&str, u64, [u64; 3], &str); 9] = [
        ("_thread.lock", 24, [SEMAPHORE, 0, 1], "<locked _thread.lock object"),
        ("_thread.lock", 24, [SEMAPHORE, 1, 0], "<unlocked _thread.lock object"),
        ("_thread.lock", 8, [MUTEX + 1, 1, 1], "<locked _thread.lock object"),
        ("_thread.lock", 8, [MUTEX, 1, 1], "<unlocked _thread.lock object"),
        ("_thread.RLock", 32, [SEMAPHORE, 7, 2], "<locked _thread.RLock object owner=7 count=2"),
        ("_thread.RLock", 32, [SEMAPHORE, 0, 0], "<unlocked _thread.RLock object owner=0 count=0"),
        ("_thread.RLock", 24, [MUTEX + 3, 7, 1], "<locked _thread.RLock object owner=7 count=2"),
        ("_thread.RLock", 24, [MUTEX, 0, 0], "<unlocked _thread.RLock object owner=0 count=0"),
        ("_thread.RLock", 40, [SEMAPHORE, 7, 2], "<unreadable"),
    ];
    for (kind, size, words, expected) in cases {
        let mut program = Program::new(Version::series(3, 13));
        let at = program.object(kind, 64);
        let class = program.class(kind);
        let size = u64::from(program.values.header) + size;
        program.memory.word(class + u64::from(program.layout.objects.tp_basicsize), size);
        for (place, word) in (0..).zip(words) {
            program.field(at, 8 * place, word);
        }
        assert_eq!(program.show(at).repr, format!("{expected} at {at:#x}>"));
    }
}

#[test]
fn a_list_of_ten_thousand_levels_ends() {
    let mut program = Program::new(Version::series(3, 12));
    let mut at = program.list(&[]);
    for _ in 0..10_000 {
        at = program.list(&[at]);
    }
    let shown = program.show(at).repr;
    assert_eq!(shown, format!("{}...{}", "[".repeat(60), "]".repeat(60)));
}

#[test]
fn what_contains_itself_ends() {
    let mut program = Program::new(Version::series(3, 12));
    let list = program.list(&[0]);
    let data = u64::from(program.values.header) + 8;
    let mut bytes = [0; 8];
    program.memory.read(list + data, &mut bytes).unwrap();
    program.memory.word(u64::from_le_bytes(bytes), list);
    assert_eq!(program.show(list).repr, "[[...]]");
    // Each of many lists has the next one twice: 2^40 paths.
    let mut at = program.list(&[]);
    for _ in 0..40 {
        at = program.list(&[at, at]);
    }
    assert!(program.show(at).cut);
}

/// A text of one byte for each character.
fn text(program: &mut Program, text: &str) -> Addr {
    let unicode = program.layout.objects.unicode;
    let at = program.object("str", 64 + text.len() as u64);
    program.memory.word(at + u64::from(unicode.length), text.len() as u64);
    // Compact and of ASCII, of one byte each.
    program.memory.word(at + u64::from(unicode.state), 0b11_001 << unicode.kind_shift);
    program.memory.put(at + u64::from(unicode.ascii_data), text.as_bytes());
    at
}

#[test]
fn names_without_end_are_not_read() {
    let mut program = Program::new(Version::series(3, 12));
    // The variables of a function, each called by the same name of a million characters.
    let name = text(&mut program, &"x".repeat(1 << 20));
    let names = program.object("tuple", 8 * 4096 + 64);
    let tuple = program.layout.objects.tuple;
    program.memory.word(names + u64::from(tuple.size), 4096);
    for index in 0..4096 {
        program.memory.word(names + u64::from(tuple.items) + 8 * index, name);
    }
    let code = program.object("code", 512);
    program.memory.word(code + u64::from(program.layout.code.local_names), names);
    let at = program.memory.room(1 << 16);
    let frame = RawFrame { at, code, position: 0, entry: false, shim: false, left: false };
    program.memory.reads.set(0);
    program.memory.bytes.set(0);
    assert!(locals(&program.memory, program.layout, &program.values, &frame, true).is_err());
    assert!(program.memory.bytes.get() < 1 << 20, "{} bytes", program.memory.bytes.get());
}

#[test]
fn a_class_that_derives_from_a_million_is_refused() {
    let mut program = Program::new(Version::series(3, 12));
    let (at, class) = (program.object("list", 64), program.class("list"));
    let mut mro = [0; 8];
    program.memory.read(class + u64::from(program.layout.objects.tp_name) + 320, &mut mro).unwrap();
    program.memory.word(u64::from_le_bytes(mro) + u64::from(program.layout.objects.tuple.size), 1_000_000);
    assert_eq!(program.show(at).repr, format!("<unreadable at {at:#x}>"));
    assert!(program.memory.reads.get() < 100);
}

#[test]
fn an_int_of_2_to_the_50_digits_is_told_by_its_length() {
    for (major, minor) in SERIES {
        let mut program = Program::new(Version::series(major, minor));
        let at = program.object(if major == 2 { "long" } else { "int" }, 64);
        let long = program.layout.objects.long;
        program.memory.word(at + u64::from(long.size), if long.tagged { 1 << 53 } else { 1 << 50 });
        let shown = program.show(at).repr;
        assert!(program.memory.reads.get() < 100);
        if program.layout.objects.sizes == Sizes::Word {
            assert_eq!(shown, format!("<int of about {} bits>", (1_u64 << 50) * u64::from(long.digit_bits)));
        }
    }
}

#[test]
fn texts_that_lie_about_their_characters_are_bounded() {
    let mut program = Program::new(Version::series(3, 12));
    let unicode = program.layout.objects.unicode;
    for state in 0..64_u64 {
        for length in [8, 1 << 20, 1 << 40, u64::MAX] {
            let at = text(&mut program, &"\x7f\x01".repeat(64));
            program.memory.word(at + u64::from(unicode.state), state << unicode.kind_shift);
            program.memory.word(at + u64::from(unicode.length), length);
            program.show(at);
        }
    }
}

#[test]
fn containers_within_each_other_end() {
    let mut program = Program::new(Version::series(3, 12));
    // A list with a deque, with a range, with a slice, with the list.
    let slice = program.object("slice", 64);
    let range = program.object("range", 64);
    let proxy = program.object("mappingproxy", 64);
    let list = program.list(&[slice, range, proxy]);
    for object in [slice, range] {
        for field in 0..3 {
            program.field(object, 8 * field, list);
        }
    }
    program.field(proxy, 0, proxy);
    let shown = program.show(list).repr;
    assert!(shown.starts_with("[slice([...], [...], [...]), range([...], [...]"), "{shown}");
}

#[test]
fn any_bytes_give_a_value() {
    let mut state = 7_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 16
    };
    let kinds = [
        "list",
        "tuple",
        "dict",
        "set",
        "frozenset",
        "str",
        "bytes",
        "bytearray",
        "int",
        "float",
        "complex",
        "range",
        "xrange",
        "slice",
        "collections.deque",
        "collections.defaultdict",
        "collections.OrderedDict",
        "dict_items",
        "mappingproxy",
        "function",
        "method",
        "builtin_function_or_method",
        "member_descriptor",
        "module",
        "code",
        "generator",
        "weakref",
        "type",
        "BaseException",
        "datetime.datetime",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "types.SimpleNamespace",
        "functools.partial",
        "re.Pattern",
        "array.array",
        "itertools.count",
        "enum.Enum",
        "uuid.UUID",
        "pathlib.PurePath",
        "fractions.Fraction",
        "_thread.lock",
        "_thread.RLock",
        "types.GenericAlias",
        "instance",
        "numpy.ndarray",
        "numpy.int64",
    ];
    for (major, minor) in SERIES {
        for kind in kinds {
            for _ in 0..4 {
                let mut program = Program::new(Version::series(major, minor));
                let objects: Vec<Addr> = (0..6).map(|_| program.object("list", 256)).collect();
                let at = program.object(kind, 512);
                let class = program.class(kind);
                let size = u64::from(program.values.header) + 8 * (random() % 5);
                program.memory.word(class + u64::from(program.layout.objects.tp_basicsize), size);
                for &object in objects.iter().chain([&at]) {
                    for field in 0..28 {
                        let value = match random() % 5 {
                            0 => random() % 8,
                            1 => random() << 32 | random(),
                            2 => at,
                            _ => objects[(random() % 6) as usize],
                        };
                        program.field(object, 8 * field, value);
                    }
                }
                program.show(at);
                let frame = RawFrame { at, code: objects[0], position: 0, entry: false, shim: false, left: false };
                // Whatever it says is an answer.
                let _ = locals(&program.memory, program.layout, &program.values, &frame, true);
            }
        }
    }
    assert!(of(Version::series(3, 12)).is_some());
}
