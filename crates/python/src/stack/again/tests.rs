//! What is compared gives what is parsed, for chains of all kinds.

use std::cell::Cell;

use py_spy_address_space::{Addr, Fault, Memory, PAGE, Span, Window};

use super::super::{RawFrame, Reader, Stack, walk};
use super::{Runs, stands, walk_again};
use crate::layout::{Entry, KNOWN, KNOWN_FREE_THREADED, Layout, Root, Running};

/// Where the frames are; some lie across two pages.
const START: Addr = 0x10_0000;
const STEP: usize = 0x98;
const SLOTS: usize = 120;
const BYTES: usize = SLOTS * STEP + 2 * PAGE;

/// Pages that are read once for each copy, and show another state each time.
struct Two {
    states: [Vec<u8>; 2],
    next: Cell<usize>,
}

impl Memory for Two {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let state = &self.states[self.next.get() % 2];
        self.next.set(self.next.get() + 1);
        let from = at.checked_sub(START).map(|from| from as usize);
        let bytes = from.and_then(|from| state.get(from..from + into.len())).ok_or(Fault::unmapped(at, into.len()))?;
        into.copy_from_slice(bytes);
        Ok(())
    }

    fn read_many(&self, spans: &[Span], into: &mut [u8]) -> Result<usize, Fault> {
        self.next.set(0);
        let mut done = 0;
        for &(at, len) in spans {
            self.read(at, &mut into[done..done + len])?;
            done += len;
        }
        Ok(done)
    }
}

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }
}

fn slot(index: usize) -> Addr {
    START + (index * STEP) as Addr
}

fn put(state: &mut [u8], at: Addr, offset: u32, bytes: &[u8]) {
    let from = (at - START) as usize + offset as usize;
    state[from..from + bytes.len()].copy_from_slice(bytes);
}

/// Writes a frame with a caller, of a kind by chance.
fn write(state: &mut [u8], layout: &Layout, at: Addr, previous: Addr, random: &mut Random) {
    let frame = &layout.frame;
    put(state, at, frame.previous, &previous.to_le_bytes());
    put(state, at, frame.code, &(random.below(5) as u64 * 64).to_le_bytes());
    put(state, at, frame.position_at, &(random.below(50) as u32).to_le_bytes());
    let odd = random.below(10) == 0;
    match frame.entry {
        Entry::Always => (),
        Entry::Flag(flag) => put(state, at, flag, &[u8::from(odd)]),
        Entry::BelowShim { owner, least } => put(state, at, owner, &[if odd || previous == 0 { least } else { 0 }]),
    }
    if let Root::NotOwnedBy { owner, generator } = frame.root {
        put(state, at, owner, &[if random.below(20) == 0 { generator } else { 0 }]);
    }
    if let Running::Byte { at: mark, values } = frame.running {
        let value = if odd { 7 } else { values.trailing_zeros() as u8 };
        put(state, at, mark, &[value]);
    }
}

/// The frames from the innermost on: mostly side by side, as on a data stack.
fn chain(state: &mut [u8], layout: &Layout, random: &mut Random) -> Vec<Addr> {
    let mut slots = Vec::new();
    let mut index = random.below(10);
    while index < SLOTS && slots.len() < 90 {
        slots.push(slot(index));
        index += if random.below(12) == 0 { 2 } else { 1 };
    }
    let mut previous = 0;
    for &at in &slots {
        write(state, layout, at, previous, random);
        previous = at;
    }
    slots.reverse();
    slots
}

/// Some of what happens to frames, and what does not; returns where the stack begins then.
fn change(state: &mut [u8], layout: &Layout, chain: &[Addr], random: &mut Random) -> Addr {
    for _ in 0..random.below(4) {
        let which = random.below(chain.len());
        let previous = match random.below(4) {
            0 => 0,
            1 => slot(random.below(SLOTS)),
            _ => chain.get(which + 1).copied().unwrap_or(0),
        };
        write(state, layout, chain[which], previous, random);
    }
    match random.below(4) {
        0 => chain[random.below(chain.len())],
        1 => {
            let at = slot(random.below(SLOTS));
            write(state, layout, at, chain[0], random);
            at
        }
        _ => chain[0],
    }
}

type Walked = Result<(Stack, Vec<RawFrame>), ()>;

#[test]
fn what_is_compared_is_what_is_parsed() {
    let mut random = Random(88_172_645_463_325_252);
    let (mut wholes, mut shared_frames, mut errors, mut stood) = (0, 0, 0, 0);
    let mut runs = Runs::default();
    for round in 0..3000 {
        for (version, layout) in KNOWN.iter().chain(KNOWN_FREE_THREADED) {
            let mut first = vec![0; BYTES];
            let slots = chain(&mut first, layout, &mut random);
            let mut second = first.clone();
            let head = change(&mut second, layout, &slots, &mut random);
            let root = slots.last().copied();
            let base = layout.thread.base_frame.and(root).filter(|_| random.below(8) != 0);
            let other = if random.below(20) == 0 { base.map(|base| base + 8) } else { base };
            let memory = Two { states: [first, second], next: Cell::new(0) };
            let mut window = Window::new(2);
            let mut known = Vec::new();
            let mut reader = Reader::new(&mut window, &memory, 0);
            if !matches!(walk(&mut reader, layout, slots[0], base, &mut known), Ok(Stack::Whole)) {
                continue;
            }
            wholes += 1;
            let mut reader = Reader::new(&mut window, &memory, 1);
            let mut frames = Vec::new();
            let stack = walk(&mut reader, layout, head, other, &mut frames);
            let parsed: Walked = stack.map(|stack| (stack, frames)).map_err(|_| ());
            let mut frames = Vec::new();
            let again = walk_again(&mut reader, layout, (head, other), (0, &known), &mut frames);
            let shared = again.as_ref().map_or(0, |again| again.1);
            assert_eq!(known[known.len() - shared..], frames[frames.len() - shared..], "{version} round {round}");
            let compared: Walked = again.map(|(stack, _)| (stack, frames)).map_err(|_| ());
            assert_eq!(compared, parsed, "{version} round {round}");
            runs.find(layout, &known);
            if matches!(stands(&mut reader, layout, (head, other), (0, &known, &runs)), Ok(true)) {
                let (stack, mut frames) = parsed.clone().expect("it is whole");
                frames[0].position = known[0].position;
                assert_eq!((stack, &frames), (Stack::Whole, &known), "{version} round {round}");
                stood += 1;
            }
            shared_frames += shared;
            errors += usize::from(parsed.is_err());
        }
    }
    // The chains were of all kinds.
    let all = wholes > 10_000 && errors > 100 && shared_frames > 10 * wholes && stood > 1000;
    assert!(all, "{wholes} {errors} {shared_frames} {stood}");
}
