//! Programs that run: their stacks are followed to the thread's start, and no damage to what is read does any harm.

#![allow(clippy::print_stderr, reason = "a test says what it measured")]

mod judge;
mod program;

use std::ops::Range;

use py_spy_address_space::{Addr, Memory, Module, Recorder, Recording};
use py_spy_native::{End, MAX_FRAMES, Source, Unwinder};
use py_spy_target::{Live, Stopper};
use py_spy_test_programs::one_of_each_series_that_runs;

use program::{Held, Process, Running, WORK};

/// Stacks of each program.
const STACKS: usize = 40;

#[test]
fn every_stack_reaches_its_start() {
    for interpreter in one_of_each_series_that_runs("still_2") {
        if interpreter.kinds.contains(&"musl") {
            eprintln!("{interpreter}: SKIPPED, its C library has no unwind tables");
            continue;
        }
        for (setup, work) in WORK {
            let name = format!("{interpreter}: {work}");
            let Some(running) = Running::start(interpreter, setup, work) else {
                eprintln!("{name}: SKIPPED, it does not start");
                continue;
            };
            let (process, mut unwinder) = Process::of(running.0.id());
            let mut stopper = Stopper::new(running.0.id());
            for _ in 0..STACKS {
                let (end, frames) = Held::new(&process, &mut stopper).walk(&mut unwinder, &process);
                assert!(frames.len() >= 3, "{name}: {frames:x?}");
                assert_eq!(end, End::Root, "{name}: {frames:x?}");
            }
        }
    }
}

/// Its memory, and what was read of it.
struct Recorded<'a>(&'a Process, Recorder<Live>);

impl Source for Recorded<'_> {
    fn memory(&self) -> &dyn Memory {
        &self.1
    }

    fn eh_frame(&self, module: &Module) -> Option<Range<Addr>> {
        self.0.eh_frame(module)
    }
}

/// The same bytes without the process.
struct Replayed(Recording);

impl Source for Replayed {
    fn memory(&self) -> &dyn Memory {
        &self.0
    }

    fn eh_frame(&self, _: &Module) -> Option<Range<Addr>> {
        None
    }
}

/// Numbers that look random and are the same each time (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Walks of damaged tables and stacks.
const DAMAGED: usize = 1000;

#[test]
fn whatever_is_read_a_walk_ends() {
    let all = one_of_each_series_that_runs("still_2");
    let running = Running::start(all[all.len() - 1], "x = [2, 1]", "sorted(x, key=lambda n: -n)").expect("it starts");
    let (process, mut unwinder) = Process::of(running.0.id());
    let held = Held::new(&process, &mut Stopper::new(running.0.id()));
    let recorded = Recorded(&process, Recorder::new(process.live()));
    let truth = held.walk(&mut unwinder, &recorded);
    let recording = recorded.1.recording();
    let mappings = process.target.mappings().expect("its map");
    let replay =
        |recording: &Recording, held: &Held| held.walk(&mut Unwinder::new(&mappings), &Replayed(recording.clone()));
    assert_eq!(replay(&recording, &held), truth);

    let runs: Vec<(Addr, usize)> = recording.runs().map(|(at, bytes)| (at, bytes.len())).collect();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut ends, mut longest) = ([0, 0], 0);
    for _ in 0..DAMAGED {
        let mut damaged = recording.clone();
        let mut other = Held { registers: held.registers, from: held.from, bytes: held.bytes.clone() };
        for _ in 0..=numbers.below(8) {
            let value = [0, 1, 0x7f, 0x80, 0xff, numbers.below(256) as u8][numbers.below(6)];
            if numbers.below(3) == 0 {
                let at = numbers.below(other.bytes.len().min(4096));
                other.bytes[at] = value;
            } else {
                let (at, length) = runs[numbers.below(runs.len())];
                damaged.put(at + numbers.below(length) as Addr, &[value]);
            }
        }
        other.registers[numbers.below(17)] ^= [0, 0, 0, 1, 8, 1 << 20, 1 << 63][numbers.below(7)];
        let (end, frames) = replay(&damaged, &other);
        ends[usize::from(end == End::Root)] += 1;
        longest = longest.max(frames.len());
    }
    eprintln!("{DAMAGED} damaged: {} cut, {} reach a start, the longest has {longest} frames", ends[0], ends[1]);
    assert!(longest <= MAX_FRAMES && ends[0] > 0 && ends[1] > 0, "{ends:?} {longest}");
}
