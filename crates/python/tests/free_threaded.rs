//! 3.14 and 3.15 without a GIL, in memory that is made up around what such builds publish: threads that run copies of the
//! bytecode of their own, tagged references, and the interpreter's own frames at the bottom.

#![allow(dead_code, clippy::print_stdout, reason = "it says what it tested, and uses a part of what it shares")]

#[path = "recorded/look.rs"]
mod look;
#[path = "made_up/noise.rs"]
mod noise;

use look::{Met, Start, look};
use noise::Noise;
use py_spy_address_space::{Addr, Memory, Window, read_u64};
use py_spy_python::layout::{FrameSlot, Gil, Layout, Root, published};
use py_spy_python::{Binary, Python, RawFrame, Reader, Stack, find, gil, interpreters, place, threads, walk};

const PUBLISHED: [(&str, &[u8]); 2] =
    [("3.14t", include_bytes!("fixtures/offsets-3.14t.bin")), ("3.15t", include_bytes!("fixtures/offsets-3.15t.bin"))];

/// Where `_PyRuntime` is, and behind it the rest.
const RUNTIME: Addr = 0x5555_0000_1000;
const HEAP: Addr = 0x7f00_1234_0010;

/// 100 instructions of 2 bytes, in tables of this form: a line each 10 instructions, from the first line on.
const UNITS: u64 = 100;

struct Maker {
    memory: Noise,
    layout: Layout,
    next: Addr,
    code_type: Addr,
}

/// A process, and where its parts are.
struct Process {
    memory: Noise,
    layout: Layout,
    states: Vec<Addr>,
    /// The frames of the two functions, thread by thread.
    frames: Vec<[Addr; 2]>,
    /// The lock's word that tells whether there is one in force.
    enabled: Addr,
    truth: String,
}

impl Maker {
    fn room(&mut self, size: u64) -> Addr {
        let at = self.next;
        self.memory.room(at, size);
        self.next += (size + 31) / 16 * 16;
        at
    }

    fn word(&mut self, at: Addr, value: u64) {
        self.memory.put(at, &value.to_le_bytes());
    }

    fn text(&mut self, text: &str) -> Addr {
        let unicode = self.layout.objects.unicode;
        let at = self.room(u64::from(unicode.compact_data) + text.len() as u64 + 1);
        self.word(at + u64::from(unicode.length), text.len() as u64);
        self.word(at + u64::from(unicode.hash), 77);
        // ASCII, compact, one byte a character.
        let state = 1_u32 << unicode.kind_shift | 1 << (unicode.kind_shift + 3) | 1 << (unicode.kind_shift + 4);
        self.memory.put(at + u64::from(unicode.state), &state.to_le_bytes());
        self.memory.put(at + u64::from(unicode.ascii_data), text.as_bytes());
        at
    }

    /// A code object with so many copies of its bytecode; where each begins.
    fn code(&mut self, name: &str, first_line: i32, copies: usize) -> (Addr, Vec<Addr>) {
        // Without columns, 5 instructions an entry: one line on for each second of them.
        let table: Vec<u8> = (0..UNITS / 5).flat_map(|entry| [0x80 | 13 << 3 | 4, (entry % 2 * 2) as u8]).collect();
        let objects = self.layout.objects.clone();
        let lines = self.room(u64::from(objects.bytes_data) + table.len() as u64);
        self.word(lines + u64::from(objects.bytes_size), table.len() as u64);
        self.memory.put(lines + u64::from(objects.bytes_data), &table);
        let fields = self.layout.code.clone();
        let (name, file) = (self.text(name), self.text("/srv/app.py"));
        let at = self.room(u64::from(fields.bytecode) + 2 * UNITS);
        self.word(at + u64::from(objects.ob_type), self.code_type);
        // `ob_size` of an object of any size.
        self.word(at + u64::from(objects.tuple.size), UNITS);
        for (field, value) in [(fields.name, name), (fields.filename, file), (fields.line_table, lines)] {
            self.word(at + u64::from(field), value);
        }
        self.word(at + u64::from(fields.qualname.expect("it has one")), name);
        self.memory.put(at + u64::from(fields.first_line), &first_line.to_le_bytes());
        let mut starts = vec![at + u64::from(fields.bytecode)];
        for _ in 1..copies {
            starts.push(self.room(2 * UNITS));
        }
        let array = self.room(8 + 8 * copies as u64 + 8);
        self.word(array, copies as u64 + 1);
        for (number, start) in (1..).zip(&starts) {
            self.word(array + 8 * number, *start);
        }
        // A thread that has not come here yet.
        self.word(array + 8 * (copies as u64 + 1), 0);
        self.word(at + u64::from(fields.bytecode_copies.expect("it has some")), array);
        (at, starts)
    }

    fn frame(&mut self, previous: Addr, executable: u64, instruction: Addr, owner: u8) -> Addr {
        let fields = self.layout.frame.clone();
        let at = self.room(u64::from(fields.size));
        self.word(at + u64::from(fields.previous), previous);
        self.word(at + u64::from(fields.code), executable);
        self.word(at + u64::from(fields.position_at), instruction);
        let Root::Shim { owner: byte, .. } = fields.root else { panic!("its root is a frame of its own") };
        self.memory.put(at + u64::from(byte), &[owner]);
        at
    }
}

impl Process {
    fn new(bytes: &[u8]) -> Process {
        let mut memory = Noise::default();
        memory.put(RUNTIME, bytes);
        let said = published(&memory, RUNTIME).expect("it is published");
        assert!(said.free_threaded);
        let mut maker = Maker { memory, layout: said.layout, next: HEAP, code_type: 0 };
        let layout = maker.layout.clone();
        let (class, name) = (maker.room(512), maker.room(8));
        maker.memory.put(name, b"code\0");
        maker.word(class + u64::from(layout.objects.tp_name), name);
        maker.code_type = class;
        let (outer, inner) = (maker.code("outer", 10, 3), maker.code("inner", 50, 3));
        let Root::Shim { least, .. } = layout.frame.root else { panic!("its root is a frame of its own") };
        let interpreter = maker.room(20_000);
        let lock = maker.room(256);
        let Gil::Optional { pointer, enabled, .. } = layout.interpreter.gil else { panic!("it may have no lock") };
        maker.word(interpreter + u64::from(pointer), lock);
        maker.memory.put(lock + u64::from(enabled), &[0; 4]);
        let (mut states, mut frames, mut newest, mut texts) = (Vec::new(), Vec::new(), 0, Vec::new());
        for thread in 0..3_u64 {
            // Each thread is in its own copy and at its own place; references are tagged in all ways that there are.
            let at = |starts: &[Addr], units: u64| starts[thread as usize] + 2 * units;
            // The interpreter's own frame runs nothing: NULL has a tag too.
            let bottom = maker.frame(0, 1, 0, least);
            let first = maker.frame(bottom, outer.0 | thread & 1, at(&outer.1, 10 * thread), 0);
            let second = maker.frame(first, inner.0 | 1, at(&inner.1, 99 - 10 * thread), 1);
            let state = maker.room(1024);
            let id = 0x7f00_0000_0000 + thread;
            let FrameSlot::Here(slot) = layout.thread.frame else { panic!("the frame is named in the state") };
            let fields = [
                (layout.thread.next, newest),
                (layout.thread.interp, interpreter),
                (layout.thread.id, id),
                (layout.thread.native_id.expect("it has one"), 100 + thread),
                (slot, second),
            ];
            for (field, value) in fields.into_iter().chain(layout.thread.base_frame.map(|field| (field, bottom))) {
                maker.word(state + u64::from(field), value);
            }
            newest = state;
            states.push(state);
            frames.push([second, first]);
            let (first, second) = (10 + thread, 50 + 10 - thread);
            texts.push(format!("thread {id} -\n  inner (app.py:{second})\n  outer (app.py:{first})\n"));
        }
        for (field, value) in [
            (layout.interpreter.id.expect("it has one"), 0),
            (layout.interpreter.next, 0),
            (layout.interpreter.threads_head, newest),
            (layout.interpreter.modules, 0),
        ] {
            maker.word(interpreter + u64::from(field), value);
        }
        maker.word(RUNTIME + u64::from(layout.runtime.interpreters_head), interpreter);
        let version = said.version;
        let truth = format!("version {}.{}.{}\n", version.major(), version.minor(), version.micro());
        let truth = truth + &texts.concat();
        let enabled = lock + u64::from(enabled);
        Process { memory: maker.memory, layout, states, frames, enabled, truth }
    }

    fn find(&self) -> Python {
        let binary = Binary { runtime: Some(RUNTIME), initialize: true, ..Binary::default() };
        find(&self.memory, &[binary]).expect("it is found")
    }

    fn walk(&self, state: usize) -> (Stack, Vec<RawFrame>) {
        let mut window = Window::new(1);
        let mut reader = Reader::new(&mut window, &self.memory, 0);
        let all = interpreters(&mut reader, &self.layout, RUNTIME).expect("they are there");
        let states = threads(&mut reader, &self.layout, &all[0]).expect("they are there");
        let state = states.iter().find(|known| known.at == self.states[state]).expect("it is there");
        let mut frames = Vec::new();
        let stack = walk(&mut reader, &self.layout, state.frame, state.base, &mut frames).expect("it can be followed");
        (stack, frames)
    }
}

#[test]
fn each_threads_copy_of_the_bytecode_leads_to_its_line() {
    for (name, bytes) in PUBLISHED {
        let process = Process::new(bytes);
        let start = Start { runtime: Some(RUNTIME), ..Start::default() };
        let seen = look(&process.memory, &start, &mut Met::default());
        assert_eq!(seen.as_deref(), Ok(process.truth.as_str()), "{name}");
        println!("tested: {} | dump | made up", name.replace('t', ", free-threaded"));
        assert!(process.find().free_threaded, "{name}");
    }
}

#[test]
fn an_instruction_in_no_copy_is_at_no_place() {
    for (name, bytes) in PUBLISHED {
        let mut process = Process::new(bytes);
        let (_, frames) = process.walk(2);
        assert_eq!(place(&process.memory, &process.layout, &frames[0]), Some(2 * 79), "{name}");
        let array = process.layout.code.bytecode_copies.expect("it has some");
        let array = frames[0].code + u64::from(array);
        let copies = read_u64(&process.memory, array).expect("it is there");
        for damage in [0, 1, u64::MAX] {
            process.memory.put(copies, &damage.to_le_bytes());
            assert_eq!(place(&process.memory, &process.layout, &frames[0]), None, "{name}");
        }
        process.memory.put(array, &[0; 8]);
        assert_eq!(place(&process.memory, &process.layout, &frames[0]), None, "{name}");
        // The first copy is the code object's own, whatever is said of others.
        let (_, frames) = process.walk(0);
        assert_eq!(place(&process.memory, &process.layout, &frames[0]), Some(2 * 99), "{name}");
    }
}

#[test]
fn a_stack_ends_in_a_frame_of_the_interpreter_or_is_cut() {
    for (name, bytes) in PUBLISHED {
        let mut process = Process::new(bytes);
        let (stack, frames) = process.walk(1);
        assert_eq!((stack, frames.len()), (Stack::Whole, 3), "{name}");
        assert_eq!(
            frames.iter().map(|frame| (frame.shim, frame.entry)).collect::<Vec<_>>(),
            [(false, false), (false, true), (true, false)]
        );
        // A generator's frame that has just been taken off.
        let previous = u64::from(process.layout.frame.previous);
        let first = process.frames[1][1];
        process.memory.put(first + previous, &[0; 8]);
        assert_eq!(process.walk(1).0, Stack::Cut, "{name}");
    }
}

#[test]
fn a_lock_counts_only_while_it_is_in_force() {
    for (name, bytes) in PUBLISHED {
        let mut process = Process::new(bytes);
        let lock = |process: &Process| {
            let mut window = Window::new(1);
            let mut reader = Reader::new(&mut window, &process.memory, 0);
            let all = interpreters(&mut reader, &process.layout, RUNTIME).expect("they are there");
            gil(&mut reader, &process.layout, RUNTIME, all[0].at).expect("it can be read")
        };
        assert_eq!(lock(&process), None, "{name}");
        process.memory.put(process.enabled, &[1, 0, 0, 0]);
        assert!(lock(&process).is_some_and(|gil| !gil.names_holders_only()), "{name}");
    }
}

#[test]
fn thread_states_have_the_kernels_ids() {
    for (name, bytes) in PUBLISHED {
        let process = Process::new(bytes);
        let mut window = Window::new(1);
        let mut reader = Reader::new(&mut window, &process.memory, 0);
        let all = interpreters(&mut reader, &process.layout, RUNTIME).expect("they are there");
        let states = threads(&mut reader, &process.layout, &all[0]).expect("they are there");
        let ids: Vec<_> = states.iter().map(|state| state.native_id).collect();
        assert_eq!(ids, [Some(102), Some(101), Some(100)], "{name}");
        let mut byte = [0];
        assert!(process.memory.read(RUNTIME - 0x2000, &mut byte).is_err());
    }
}
