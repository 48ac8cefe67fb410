//! Versions of which there is no interpreter any more, in memory that is made up: all is read to what was put there.
//!
//! What the memory is made of was typed from the versions' headers (`made_up/shape.rs`) and knows nothing of the layout
//! table. Everything in between is noise.

#![allow(dead_code, clippy::print_stdout, reason = "a test says what it measured, and uses a part of what it shares")]

#[path = "made_up/noise.rs"]
mod noise;
#[path = "made_up/objects.rs"]
mod objects;
#[path = "made_up/process.rs"]
mod process;
#[path = "made_up/shape.rs"]
mod shape;

#[path = "recorded/look.rs"]
mod look;

use look::{Met, Start, look};
use process::Process;
use py_spy_address_space::{Addr, Memory, Window};
use py_spy_python::layout::{self, AfterFork};
use py_spy_python::{Binary, Fingerprint, NotPython, Python, RawFrame, Reader, find, gil, interpreters, threads, walk};
use shape::{SHAPES, Shape, Text};

fn start(process: &Process) -> Start {
    let (interpreters, current_thread) = (Some(process.head), Some(process.current));
    // The name of the file helps nobody here.
    Start { name: "app".to_owned(), interpreters, current_thread, ..Start::default() }
}

fn found(shape: Shape, process: &Process, binary: Binary) -> Python {
    let path = "/app".to_owned();
    let binary = Binary { path, initialize: true, current_thread: Some(process.current), ..binary };
    find(&process.memory, &[binary]).unwrap_or_else(|why| panic!("{}: {why}", shape.name))
}

#[test]
fn stacks_names_lines_and_threads_are_what_was_put_there() {
    for shape in SHAPES {
        let process = Process::new(shape);
        let seen = look(&process.memory, &start(&process), &mut Met::default());
        assert_eq!(seen.as_deref(), Ok(process.truth.as_str()), "{}", shape.name);
        println!("tested: {} | dump | made up", shape.name);
    }
}

#[test]
fn every_row_without_an_interpreter_is_made_up_here() {
    for (version, _) in layout::OLD {
        assert!(SHAPES.iter().any(|shape| shape.version == version.0), "{version}");
    }
}

#[test]
fn the_lock_names_who_holds_it() {
    for shape in SHAPES {
        let mut process = Process::new(shape);
        let python = found(shape, &process, Binary { interpreters: Some(process.head), ..Binary::default() });
        let holder = |process: &Process| {
            let mut window = Window::new(1);
            let mut reader = Reader::new(&mut window, &process.memory, 0);
            let all = interpreters(&mut reader, &python.layout, python.runtime).expect("they are there");
            assert_eq!((all.len(), all[0].id), (1, 0), "{}", shape.name);
            let gil = gil(&mut reader, &python.layout, python.runtime, all[0].at).expect("it is there");
            let gil = gil.expect("it was found");
            assert!(gil.names_holders_only(), "{}", shape.name);
            reader.word(gil.last_holder).expect("it is there")
        };
        assert_eq!(holder(&process), process.states[1], "{}", shape.name);
        process.memory.put(process.current, &[0; 8]);
        assert_eq!(holder(&process), 0, "{}", shape.name);
        // Without the variable there is none to be known.
        let binary = Binary { path: "/app".to_owned(), interpreters: Some(process.head), ..Binary::default() };
        let python = find(&process.memory, &[binary]).expect("it is found all the same");
        let mut window = Window::new(1);
        let mut reader = Reader::new(&mut window, &process.memory, 0);
        assert_eq!(gil(&mut reader, &python.layout, python.runtime, 0x1000), Ok(None));
    }
}

#[test]
fn without_the_symbol_a_search_finds_it() {
    for shape in SHAPES {
        let mut process = Process::new(shape);
        let data = process.head - 16..process.head + 24;
        // Words before and behind that lead nowhere, to something else, or to a list of another kind: a circle of two, each with a
        // pointer to the next and the one before.
        let circle = [0x55aa_8000_0000_u64, 0x55aa_8000_1000];
        for (at, other) in [(circle[0], circle[1]), (circle[1], circle[0])] {
            process.memory.put(at, &[other.to_le_bytes(), other.to_le_bytes(), other.to_le_bytes()].concat());
        }
        process.memory.put(data.start, &circle[0].to_le_bytes());
        process.memory.put(data.start + 8, &process.states[0].to_le_bytes());
        process.memory.put(data.end - 8, &[0; 8]);
        let python = found(shape, &process, Binary { data: [data].into(), ..Binary::default() });
        assert_eq!((python.runtime, python.version.0), (process.head, shape.version), "{}", shape.name);
    }
}

#[test]
fn a_variable_that_is_not_set_is_a_python_that_just_starts() {
    for shape in SHAPES {
        let mut process = Process::new(shape);
        process.memory.put(process.head, &[0; 8]);
        let binary =
            Binary { path: "/libpython2.4.so".to_owned(), interpreters: Some(process.head), ..Binary::default() };
        assert_eq!(find(&process.memory, &[binary]).err(), Some(NotPython::Early), "{}", shape.name);
    }
}

#[test]
fn forked_children_keep_the_states_of_others_up_to_3_3() {
    for shape in SHAPES {
        let process = Process::new(shape);
        let python = found(shape, &process, Binary { interpreters: Some(process.head), ..Binary::default() });
        let kept = python.layout.thread.after_fork == AfterFork::Kept;
        assert_eq!(kept, shape.version < 0x0304_0000, "{}", shape.name);
    }
}

#[test]
fn another_name_or_table_is_another_fingerprint_and_what_is_no_field_is_not() {
    for shape in SHAPES {
        let mut process = Process::new(shape);
        let python = found(shape, &process, Binary { interpreters: Some(process.head), ..Binary::default() });
        let code = word(&process.memory, word(&process.memory, process.states[1] + shape.thread[2]) + 32);
        let [_, name, first_line, table] = shape.code.map(|field| code + field);
        let (name, table) = (word(&process.memory, name), word(&process.memory, table));
        let print = |process: &Process| {
            let read = |at: Addr, into: &mut [u8]| process.memory.read(at, into);
            Fingerprint::read(&python.layout, code, read).expect("it is there")
        };
        let before = print(&process);
        let hash = name + if matches!(shape.text, Text::Units(_)) { 32 } else { 24 };
        for (at, size) in [(name + 16, 4), (hash, 8), (table + 16, 4), (first_line, 4)] {
            let mut old = vec![0; size];
            process.memory.read(at, &mut old).expect("it is there");
            process.memory.put(at, &[1, 2, 3, 4, 5, 6, 7, 8][..size]);
            assert_ne!(print(&process), before, "{}: {:#x}", shape.name, at - code);
            process.memory.put(at, &old);
        }
        if shape.size == 4 {
            process.memory.put(name + 20, &[9; 4]);
            process.memory.put(table + 20, &[9; 4]);
        }
        assert_eq!(print(&process), before, "{}", shape.name);
    }
}

/// Values at which sums and shifts go wrong.
const EDGES: [u64; 10] = [0, 1, 7, 0xff, 0x7fff_ffff, 0xffff_ffff, 1 << 20, (1 << 63) - 1, 1 << 63, u64::MAX];

#[test]
fn damage_gives_an_answer_or_an_error() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |sides: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 16) as usize % sides
    };
    for shape in SHAPES {
        let process = Process::new(shape);
        let pages = process.memory.pages();
        let (mut fine, rounds) = (0, 100);
        for _ in 0..rounds {
            let mut memory = process.memory.clone();
            for _ in 0..=roll(8) {
                let mut place = || pages[roll(pages.len())] + 8 * roll(512) as Addr;
                let (at, other) = (place(), place());
                let value = if roll(2) == 0 { other } else { EDGES[roll(EDGES.len())] };
                memory.put(at, &value.to_le_bytes());
            }
            let mut met = Met::default();
            fine += u32::from(look(&memory, &start(&process), &mut met).is_ok());
            assert!(met.frames < 1 << 22, "{}: {met:?}", shape.name);
        }
        println!("{}: {fine} of {rounds} could be read", shape.name);
        assert!(fine > 0 && fine < rounds, "{}: the damage does nothing, or everything", shape.name);
    }
}

/// The innermost frame of each thread, as far as it is not on a stack any more.
fn left(python: &Python, memory: &dyn Memory) -> Vec<bool> {
    let mut window = Window::new(1);
    let mut reader = Reader::new(&mut window, memory, 0);
    let all = interpreters(&mut reader, &python.layout, python.runtime).expect("they are there");
    let states = threads(&mut reader, &python.layout, &all[0]).expect("they are there");
    let frames = states.iter().map(|state| {
        let mut frames: Vec<RawFrame> = Vec::new();
        walk(&mut reader, &python.layout, state.frame, state.base, &mut frames).expect("it is there");
        frames[0].left
    });
    frames.collect()
}

#[test]
fn frames_that_were_left_say_so() {
    for shape in SHAPES {
        let mut process = Process::new(shape);
        let python = found(shape, &process, Binary { interpreters: Some(process.head), ..Binary::default() });
        assert_eq!(left(&python, &process.memory), [false; 3], "{}", shape.name);
        let frames: Vec<Addr> =
            process.states.iter().map(|state| word(&process.memory, state + shape.thread[2])).collect();
        if let Some((_, executing)) = shape.frame {
            process.memory.put(frames[0] + executing, &[0]);
            process.memory.put(frames[1] + executing, &[0]);
        } else {
            // Freed and kept for the next call; a generator that has yielded.
            process.memory.put(frames[0], &[0; 4]);
            process.memory.put(frames[1] + 72, &1_u64.to_le_bytes());
        }
        // The newest is the first.
        assert_eq!(left(&python, &process.memory), [false, true, true], "{}", shape.name);
    }
}

fn word(memory: &dyn Memory, at: Addr) -> u64 {
    py_spy_address_space::read_u64(memory, at).expect("it is there")
}
