//! Damaged core files of real programs: stacks, values and states are read from them in bounded time and to a bounded length, whatever
//! has become of the memory, and nothing panics.

#![allow(clippy::print_stderr, reason = "a test says what it measured")]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use py_spy_sampler::{Limits, Options, Redaction, SECRETS, Snapshot, ThreadSnapshot, ValueOptions, core_snapshots};
use py_spy_test_programs::{Program, one_of_each_series_that_runs, turn};

/// Stands where frames are missing.
const MISSING: &str = "(frames are missing here)";

/// Words that are damaged at a time. Few of those in a heap are anything that a dump looks at.
const AT_ONCE: usize = 400;

/// How many damaged versions of each file are read; more with `MUTATIONS=1000`.
const ROUNDS: usize = 10;

const LIMITS: Limits = Limits { characters: 200, elements: 50 };

/// Threads and frames that a dump of a damaged file may have: a few lists may be led into each other.
const MAX_FRAMES: usize = 100_000;

/// Values at which sums and shifts go wrong.
const EDGES: [u64; 10] = [0, 1, 0xff, 0x7fff_ffff, 0xffff_ffff, 1 << 20, 1 << 32, 1 << 60, 1 << 63, u64::MAX];

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

fn options() -> Options {
    let values = ValueOptions {
        limits: LIMITS,
        variables: true,
        globals: true,
        states: true,
        redaction: Redaction::of(SECRETS),
    };
    Options { values: Some(values), spans: true, include_idle: true, ..Options::default() }
}

/// Reads it all; `None` when it can not be read.
fn read(path: &Path) -> Option<Vec<Snapshot>> {
    let file = File::open(path).expect("our file");
    let found = core_snapshots(file, path, None, &options()).ok()?;
    Some(found.into_iter().map(|seen| seen.snapshot).collect())
}

/// What gcore writes of a program; `None`, said aloud, where there is no gcore.
fn core_of(program: &Program) -> Option<PathBuf> {
    let folder = std::env::temp_dir().join(format!("damaged-core-{}", program.id()));
    let mut gcore = Command::new("gcore");
    gcore.arg("-o").arg(&folder).arg(program.id().to_string());
    let Ok(done) = gcore.output() else {
        eprintln!("SKIPPED: damaged cores: gcore is not installed");
        return None;
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(folder.with_extension(program.id().to_string()))
}

/// How many variables there are; none is longer than it may be.
fn check(seen: &[Snapshot], label: &str) -> usize {
    let frames = || seen.iter().flat_map(|snapshot| &snapshot.threads).flat_map(|thread| &thread.frames);
    assert!(frames().count() <= MAX_FRAMES, "{label}: {} frames", frames().count());
    let values = frames().flat_map(|frame| frame.locals.iter().flatten());
    values
        .inspect(|variable| {
            for text in [Some(&variable.value.repr), variable.value.attributes.as_ref()].into_iter().flatten() {
                assert!(text.chars().count() <= LIMITS.characters + 3, "{label}: {text}");
            }
        })
        .count()
}

#[test]
fn damaged_cores_are_read_within_bounds() {
    let rounds = std::env::var("MUTATIONS").ok().map_or(ROUNDS, |text| text.parse().expect("a number"));
    let turn = turn();
    for interpreter in one_of_each_series_that_runs("values") {
        if !interpreter.environment.is_empty() {
            continue;
        }
        let program = Program::start(&turn, interpreter, "values", &[]);
        let Some(path) = core_of(&program) else { return };
        let whole = check(&read(&path).expect("it is whole"), &interpreter.label());
        assert!(whole >= 100, "{interpreter}: {whole} variables");

        let file = OpenOptions::new().read(true).write(true).open(&path).expect("our file");
        let words = file.metadata().expect("our file").len() as usize / 8;
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let (mut readable, mut fewest, mut most) = (0, whole, 0);
        for _ in 0..rounds {
            let word = |at: usize| {
                let mut bytes = [0; 8];
                file.read_exact_at(&mut bytes, 8 * at as u64).expect("it is there");
                u64::from_le_bytes(bytes)
            };
            let mut changed = Vec::new();
            while changed.len() < AT_ONCE {
                // Behind the heads, which have tests of their own; what is zero is mostly nothing.
                let at = 4096 + dice.roll(words - 4096);
                let old = word(at);
                if old == 0 {
                    continue;
                }
                let new = match dice.roll(4) {
                    0 => old ^ 1 << dice.roll(64),
                    1 => EDGES[dice.roll(EDGES.len())],
                    2 => word(dice.roll(words)),
                    _ => old.wrapping_add(8 * dice.roll(64) as u64),
                };
                file.write_all_at(&new.to_le_bytes(), 8 * at as u64).expect("it is written");
                changed.push((at, old));
            }
            if let Some(seen) = read(&path) {
                readable += 1;
                let values = check(&seen, &interpreter.label());
                (fewest, most) = (fewest.min(values), most.max(values));
            }
            for (at, old) in changed.into_iter().rev() {
                file.write_all_at(&old.to_le_bytes(), 8 * at as u64).expect("it is written");
            }
        }
        eprintln!("{interpreter}: {readable} of {rounds} could be read, with {fewest} to {most} of {whole} variables");
        assert_eq!(check(&read(&path).expect("the damage is undone"), &interpreter.label()), whole, "{interpreter}");
        std::fs::remove_file(path).expect("our file");
    }
}

/// Where gcore could not read, it writes zeros: what lies behind is missing, and no stack is shown as if it were whole.
#[test]
fn what_a_core_lacks_is_told() {
    let turn = turn();
    for interpreter in one_of_each_series_that_runs("waits") {
        if !interpreter.environment.is_empty() {
            continue;
        }
        let program = Program::start(&turn, interpreter, "waits", &[]);
        let Some(path) = core_of(&program) else { return };
        let frames = |seen: &[Snapshot]| -> BTreeMap<u32, (usize, bool)> {
            let threads = seen.iter().flat_map(|snapshot| &snapshot.threads);
            let told = |thread: &ThreadSnapshot| thread.frames.iter().any(|frame| frame.name == MISSING);
            threads.filter_map(|thread| Some((thread.os_thread_id?, (thread.frames.len(), told(thread))))).collect()
        };
        let whole = frames(&read(&path).expect("it is whole"));
        let file = OpenOptions::new().read(true).write(true).open(&path).expect("our file");
        let (mut damaged, mut told) = (0, 0);
        for segment in segments(&std::fs::read(&path).expect("our file")) {
            let mut old = vec![0; segment.end - segment.start];
            file.read_exact_at(&mut old, segment.start as u64).expect("it is there");
            file.write_all_at(&vec![0; old.len()], segment.start as u64).expect("it is written");
            for (tid, (count, is_told)) in read(&path).map(|seen| frames(&seen)).unwrap_or_default() {
                assert!(is_told || count == whole[&tid].0, "{interpreter}: {tid} has {count} of {whole:?} frames");
                told += usize::from(is_told);
            }
            file.write_all_at(&old, segment.start as u64).expect("it is written");
            damaged += 1;
        }
        eprintln!("{interpreter}: {damaged} segments, {told} stacks that say what is missing");
        assert!(told > 0, "{interpreter}");
        std::fs::remove_file(path).expect("our file");
    }
}

/// Where a core file has memory that may have been written, of a size that is quickly written here.
fn segments(file: &[u8]) -> Vec<Range<usize>> {
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("8 bytes")) as usize;
    let half = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    let heads = (0..half(56)).map(|index| word(32) + index * half(54));
    // `PT_LOAD` with `PF_W`.
    let written = heads.filter(|&at| word(at) & 0xffff_ffff == 1 && word(at) >> 33 & 1 == 1);
    let ranges = written.map(|at| word(at + 8)..word(at + 8) + word(at + 32));
    ranges.filter(|range| file[range.clone()].iter().any(|&byte| byte != 0)).collect()
}
