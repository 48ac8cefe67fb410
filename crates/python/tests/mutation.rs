//! Damaged recordings: any bytes at all give stacks or an error, in bounded time and memory, and never a panic.

#![allow(clippy::print_stdout, reason = "a test says what it measured")]

mod recorded;

use std::cell::Cell;

use proptest::prelude::*;
use py_spy_address_space::{Addr, PAGE};
use recorded::look::{Met, look};
use recorded::padded::Padded;
use recorded::{NAMES, Recorded, load};

/// What is read of a damaged recording: at most so much more than of the whole one, by reads and by bytes. A string may
/// be a million characters long where there is memory for them, and a few lengths are believed before that is seen.
const MAX_READS: u64 = 200_000;
const MAX_BYTES: u64 = 1 << 31;

/// Each chain that is no circle ends, at the latest, when all the recording's bytes have been its frames.
const MAX_FRAMES: usize = 4_000_000;

/// A deterministic source of damage.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % sides.max(1)
    }
}

/// Where the recording has something else than zero, word by word.
fn words(memory: &Padded) -> Vec<Addr> {
    let words = memory.pages.iter().flat_map(|(&page, bytes)| {
        let words = bytes.chunks(8).enumerate().filter(|(_, word)| word.iter().any(|&byte| byte != 0));
        words.map(move |(at, _)| page + 8 * at as Addr)
    });
    words.collect()
}

fn put(memory: &mut Padded, at: Addr, word: u64) {
    let place = at as usize % PAGE;
    memory.page(at)[place..place + 8].copy_from_slice(&word.to_le_bytes());
}

fn get(memory: &mut Padded, at: Addr) -> u64 {
    let place = at as usize % PAGE;
    u64::from_le_bytes(memory.page(at)[place..place + 8].try_into().expect("eight bytes"))
}

/// One kind of damage.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// A bit of the word is another.
    Flip(u32),
    /// The word is this.
    Word(u64),
    /// The word is that of another place.
    Copy(usize),
    /// The word points to another place, or near it.
    Point(usize, u64),
    /// The page is gone.
    Drop,
}

/// Values at which sums and shifts go wrong.
const EDGES: [u64; 12] =
    [0, 1, 7, 0xff, 0x7fff_ffff, 0xffff_ffff, 1 << 20, 1 << 26, 1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX];

fn damage(memory: &mut Padded, places: &[Addr], at: usize, damage: Damage) {
    let place = |index: usize| places[index % places.len()];
    let at = place(at);
    match damage {
        // An earlier drop may have taken the page: then it is back, and zero.
        Damage::Flip(bit) => {
            let word = get(memory, at) ^ 1 << (bit % 64);
            put(memory, at, word);
        }
        Damage::Word(word) => put(memory, at, word),
        Damage::Copy(from) => {
            let word = get(memory, place(from));
            put(memory, at, word);
        }
        Damage::Point(to, off) => put(memory, at, place(to).wrapping_add(off)),
        Damage::Drop => {
            memory.pages.remove(&(at - at % PAGE as Addr));
        }
    }
}

/// Reads it all; whatever comes of it, it must have been bounded.
fn survive(recorded: &Recorded, memory: &Padded) -> bool {
    memory.reads.set(0);
    memory.bytes.set(0);
    let mut met = Met::default();
    let result = look(memory, &recorded.start, &mut met);
    let (reads, bytes) = (memory.reads.get(), memory.bytes.get());
    assert!(reads <= MAX_READS && bytes <= MAX_BYTES, "{}: {reads} reads, {bytes} bytes", recorded.name);
    assert!(met.frames <= MAX_FRAMES, "{}: {met:?}", recorded.name);
    result.is_ok()
}

fn run(name: &'static str, rounds: usize) {
    let recorded = load(name);
    let places = words(&recorded.memory);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut fine, mut worst) = (0, (0, 0));
    let mut memory = recorded.memory.clone();
    for round in 0..rounds {
        // Every word in its turn, and others with it.
        let mut changed = Vec::new();
        for part in 0..=dice.roll(3) {
            let at = if part == 0 { round } else { dice.roll(places.len()) };
            let kind = match dice.roll(10) {
                0..=2 => Damage::Flip(dice.roll(64) as u32),
                3 | 4 => Damage::Word(EDGES[dice.roll(EDGES.len())]),
                5 => Damage::Copy(dice.roll(places.len())),
                6..=8 => Damage::Point(dice.roll(places.len()), dice.roll(32) as u64 * (dice.roll(2) as u64)),
                _ => Damage::Drop,
            };
            let page = places[at % places.len()] / PAGE as Addr * PAGE as Addr;
            changed.push(page);
            damage(&mut memory, &places, at, kind);
        }
        fine += u32::from(survive(&recorded, &memory));
        worst = worst.max((memory.reads.get(), memory.bytes.get()));
        // Cheaper than a copy of all.
        for page in changed {
            memory.pages.insert(page, recorded.memory.pages[&page].clone());
        }
    }
    println!("{name}: {fine} of {rounds} could be read, at most {} reads and {} bytes", worst.0, worst.1);
    assert!(fine > 0 && (fine as usize) < rounds, "{name}: the damage does nothing, or everything");
    assert!(survive(&recorded, &memory), "{name}: the damage was not undone");
}

/// How many damaged versions of each recording are read; more with `MUTATIONS=100000`.
const ROUNDS: usize = 500;

fn rounds() -> usize {
    std::env::var("MUTATIONS").ok().map_or(ROUNDS, |text| text.parse().expect("a number"))
}

macro_rules! each_series {
    ($($test:ident $name:literal)*) => {
        $(#[test] fn $test() { run($name, rounds()) })*

        #[test]
        fn no_series_is_left_out() {
            assert_eq!([$($name),*], NAMES);
        }
    };
}

each_series!(v2_7 "2.7" v3_6 "3.6" v3_7 "3.7" v3_8 "3.8" v3_9 "3.9" v3_10 "3.10" v3_11 "3.11" v3_12 "3.12" v3_13 "3.13" v3_13t "3.13t" v3_14 "3.14"
    v3_15 "3.15");

/// Words that point somewhere point to themselves, one after the other.
#[test]
fn circles_of_one() {
    for name in NAMES {
        let recorded = load(name);
        let mut memory = recorded.memory.clone();
        for at in words(&recorded.memory).into_iter().step_by(3) {
            let old = get(&mut memory, at);
            if old > u64::from(u32::MAX) {
                put(&mut memory, at, at - at % 16);
                survive(&recorded, &memory);
                put(&mut memory, at, old);
            }
        }
    }
}

fn any_damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<u32>().prop_map(Damage::Flip),
        any::<u64>().prop_map(Damage::Word),
        any::<usize>().prop_map(Damage::Copy),
        (any::<usize>(), 0..4096_u64).prop_map(|(to, off)| Damage::Point(to, off)),
        Just(Damage::Drop),
    ]
}

/// The recordings, and where each has words.
type Loaded = Vec<(Recorded, Vec<Addr>)>;

thread_local! {
    static LOADED: Cell<Option<Loaded>> = const { Cell::new(None) };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_damage_is_survived(which in 0..NAMES.len(), all in prop::collection::vec((any::<usize>(), any_damage()), 1..40)) {
        let loaded = LOADED.take().unwrap_or_else(|| {
            NAMES.into_iter().map(load).map(|recorded| { let words = words(&recorded.memory); (recorded, words) }).collect()
        });
        let (recorded, places) = &loaded[which];
        let mut memory = recorded.memory.clone();
        for (at, kind) in all {
            damage(&mut memory, places, at, kind);
        }
        survive(recorded, &memory);
        LOADED.set(Some(loaded));
    }
}
