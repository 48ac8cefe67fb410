//! Stacks that were recorded, of this processor and of another one: see `cargo xtask stacks`.

#[path = "../../python/tests/recorded/padded.rs"]
mod padded;
#[path = "recorded/stack.rs"]
mod stack;

use std::path::Path;

use padded::Padded;
use py_spy_address_space::{Addr, PAGE, Recording};
use py_spy_native::{End, MAX_FRAMES};
use stack::Recorded;

const MACHINES: [&str; 2] = ["x86_64", "aarch64"];

fn recorded(machine: &str) -> (Recorded, Padded) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(machine);
    let text = std::fs::read_to_string(path.with_extension("txt")).expect("a recording");
    let memory = std::fs::read(path.with_extension("mem")).expect("its memory");
    let memory = Recording::from_bytes(&memory).expect("a recording of memory");
    (Recorded::parse(&text).expect("a recording"), Padded::new(&memory))
}

#[test]
fn recorded_stacks_are_followed_as_gdb_did() {
    for machine in MACHINES {
        let (recorded, memory) = recorded(machine);
        assert_eq!(recorded.machine, machine);
        let (end, frames) = recorded.walk(&memory);
        assert!(end == End::Root && recorded.has(&frames), "{machine}: {end:?} {frames:x?}");
        // What the program is known to be at.
        let mut names = recorded.frames.iter().map(|frame| frame.1.as_str());
        for function in ["leaf", "with_room", "compare", "sorts", "on_signal", "aligned", "main"] {
            assert!(names.any(|name| name.split('.').next() == Some(function)), "{machine}: {function}");
        }
    }
}

#[test]
fn whatever_becomes_of_them_a_walk_ends() {
    for machine in MACHINES {
        let (mut recorded, memory) = recorded(machine);
        let pages: Vec<Addr> = memory.pages.keys().copied().collect();
        let mut cut = 0;
        // Each word of the memory by itself, and each register.
        for page in pages {
            for at in (page..page + PAGE as Addr).step_by(64) {
                let mut damaged = memory.clone();
                damaged.page(at)[at as usize % PAGE] ^= 0x55;
                let (end, frames) = recorded.walk(&damaged);
                assert!(frames.len() <= MAX_FRAMES);
                cut += usize::from(end != End::Root);
            }
        }
        for register in 0..recorded.registers.len() {
            let old = recorded.registers[register];
            for value in [0, 1, old ^ 8, u64::MAX, u64::MAX - 7, 1 << 63] {
                recorded.registers[register] = value;
                assert!(recorded.walk(&memory).1.len() <= MAX_FRAMES);
            }
            recorded.registers[register] = old;
        }
        assert!(cut > 0, "{machine}: nothing made a difference");
    }
}
