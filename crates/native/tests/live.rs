//! Programs that run: their stacks are followed to the thread's start, and no damage to what is read does any harm.

#![allow(clippy::print_stderr, reason = "a test says what it measured")]

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use py_spy_address_space::{Addr, Image, Memory, Module, Recorder, Recording};
use py_spy_native::{End, MAX_FRAMES, NativeFrame, Registers, Source, Unwinder};
use py_spy_target::{Executable, Live, MappedFile, Stopper, Target};
use py_spy_test_programs::{Interpreter, one_of_each_series_that_runs};

/// What is done all the time, each with what is done before it: code of the interpreter, of its extensions and of
/// libraries, in frames of all kinds.
const WORK: [(&str, &str); 10] = [
    ("pass", "pass"),
    ("def f(n):\n  if n: f(n-1)", "f(100)"),
    ("import json; x = [{'a': [1, 2, 3.5, 'text']}] * 50", "json.loads(json.dumps(x))"),
    ("import re; x = 'ab' * 500", "re.findall('(a|b)+?b', x)"),
    ("import zlib; x = b'0123456789' * 3000", "zlib.decompress(zlib.compress(x))"),
    ("import hashlib; x = b'0123456789' * 3000", "hashlib.sha256(x).digest(); hashlib.sha512(x).digest()"),
    ("x = list(range(2000))", "sorted(x, key=lambda n: -n)"),
    (
        "import sqlite3; c = sqlite3.connect(':memory:'); q = 'with recursive r(n) as (select 1 union all select n+1 from r where n < 2000)'",
        "c.execute(q + ' select sum(n) from r').fetchall()",
    ),
    ("import time", "time.time()"),
    ("import gc; x = [[] for _ in range(3000)]", "gc.collect()"),
];

/// Stacks of each program.
const STACKS: usize = 40;

/// What the callee may use below the stack pointer (System V ABI, 3.2.2: the red zone).
const RED_ZONE: u64 = 128;

/// For a thread that has to wait for a CPU.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running program; it is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Running {
    /// `None` when the interpreter lacks what it needs.
    fn start(interpreter: &Interpreter, setup: &str, work: &str) -> Option<Running> {
        let source =
            format!("import sys\n{setup}\nsys.stdout.write('ready\\n'); sys.stdout.flush()\nwhile True: {work}\n");
        let mut command = Command::new(&interpreter.program);
        command.args(["-B", "-c", &source]).envs(interpreter.environment.iter().copied());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut running = Running(child);
        let mut line = String::new();
        BufReader::new(running.0.stdout.take().expect("piped")).read_line(&mut line).expect("its word");
        (line == "ready\n").then_some(running)
    }
}

/// Its memory and its files.
struct Process {
    target: Target,
    memory: Live,
    /// An address that is mapped.
    probe: Addr,
    stack_end: Addr,
}

impl Process {
    fn of(pid: u32) -> (Process, Unwinder) {
        let target = Target::find(pid).expect("it runs");
        let mappings = target.mappings().expect("its map");
        let stack = mappings.iter().find(|mapping| mapping.path == "[stack]").expect("its first thread's stack");
        let (probe, stack_end) = (mappings[0].range.start, stack.range.end);
        let memory = Live::open(pid, probe).expect("readable");
        (Process { target, memory, probe, stack_end }, Unwinder::new(&mappings))
    }

    /// Its memory once more.
    fn live(&self) -> Live {
        Live::open(self.target.pid, self.probe).expect("readable")
    }
}

impl Source for Process {
    fn memory(&self) -> &dyn Memory {
        &self.memory
    }

    fn eh_frame(&self, module: &Module) -> Option<Range<Addr>> {
        let image =
            Image::read(MappedFile::open(&self.target, &Executable::of(&self.target), module).ok()?.file, &[]).ok()?;
        let (address, size) = image.section(".eh_frame")?;
        let start = image.load_bias(module)?.wrapping_add(address);
        Some(start..start + size)
    }
}

/// The first thread's registers and its stack, at one moment.
struct Held {
    registers: [u64; 17],
    from: Addr,
    bytes: Vec<u8>,
}

impl Held {
    fn new(process: &Process, stopper: &mut Stopper) -> Held {
        let pid = process.target.pid;
        stopper.hold(pid).expect("it may be stopped");
        let registers = stopper.registers(pid, PATIENCE).expect("it stops");
        let from = registers[7] - RED_ZONE;
        let mut bytes = vec![0; (process.stack_end - from) as usize];
        process.memory.read(from, &mut bytes).expect("its stack");
        stopper.release();
        Held { registers, from, bytes }
    }

    fn walk(&self, unwinder: &mut Unwinder, source: &dyn Source) -> (End, Vec<NativeFrame>) {
        let mut frames = Vec::new();
        let stack = |at: Addr| {
            let at = usize::try_from(at.checked_sub(self.from)?).ok()?;
            self.bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
        };
        let (end, _) = unwinder.walk(source, Registers::all(self.registers), &stack, &mut frames);
        (end, frames)
    }
}

#[test]
fn every_stack_reaches_its_start() {
    for interpreter in one_of_each_series_that_runs("still_2") {
        if interpreter.kinds.contains(&"musl") {
            eprintln!("{interpreter}: SKIPPED, its C library has no unwind tables");
            continue;
        }
        // Its machine code has no tables, and no frame pointers before 3.15.
        let jit = interpreter.series() == (3, 14) && !interpreter.environment.is_empty();
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
                assert!(frames.len() >= 3 || jit, "{name}: {frames:x?}");
                match end {
                    End::Cut(at) if jit && !unwinder.knows(at) => {}
                    _ => assert_eq!(end, End::Root, "{name}: {frames:x?}"),
                }
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
