//! Programs that run: how many of their stacks are followed to the thread's start.

#![allow(clippy::print_stderr, reason = "a test says what it measured")]

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use py_spy_address_space::{Image, Memory, Module};
use py_spy_native::{End, Registers, Source, Unwinder};
use py_spy_target::{Live, Stopper, Target};
use py_spy_test_programs::{Interpreter, all_interpreters};

/// What is done all the time, with a setup before it.
const WORK: [(&str, &str); 12] = [
    ("pass", "pass"),
    ("def f(n):\n  if n: f(n-1)", "f(100)"),
    ("import json; x = [{'a': [1, 2, 3.5, 'text']}] * 50", "json.loads(json.dumps(x))"),
    ("import re; x = 'ab' * 500", "re.findall('(a|b)+?b', x)"),
    ("import zlib; x = b'0123456789' * 3000", "zlib.decompress(zlib.compress(x))"),
    ("import hashlib; x = b'0123456789' * 3000", "hashlib.sha256(x).digest(); hashlib.sha512(x).digest()"),
    ("x = list(range(2000))", "sorted(x, key=lambda n: -n)"),
    (
        "import sqlite3; c = sqlite3.connect(':memory:')",
        "c.execute('with recursive r(n) as (select 1 union all select n+1 from r where n < 2000) select sum(n) from r').fetchall()",
    ),
    ("import time", "time.time()"),
    ("import pickle; x = [{'a': [1, 2, 3.5, 'text']}] * 50", "pickle.loads(pickle.dumps(x))"),
    ("import decimal; x = decimal.Decimal(2)", "x.sqrt()"),
    ("import gc; x = [[] for _ in range(3000)]", "gc.collect()"),
];

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start(interpreter: &Interpreter, setup: &str, work: &str) -> Option<Running> {
    let source = format!("import sys\n{setup}\nsys.stdout.write('ready\\n'); sys.stdout.flush()\nwhile True: {work}\n");
    let child = Command::new(&interpreter.program)
        .args(["-B", "-c", &source])
        .envs(interpreter.environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut running = Running(child);
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().expect("piped")).read_line(&mut line).expect("its word");
    (line == "ready\n").then_some(running)
}

struct Process {
    target: Target,
    memory: Live,
}

impl Source for Process {
    fn memory(&self) -> &dyn Memory {
        &self.memory
    }

    fn eh_frame(&self, module: &Module) -> Option<Range<u64>> {
        let image = Image::read(self.target.open_module(module).ok()?, &[]).ok()?;
        let (address, size) = image.section(".eh_frame")?;
        let start = image.load_bias(module)?.wrapping_add(address);
        Some(start..start + size)
    }
}

#[test]
fn stacks_reach_their_start() {
    let only = std::env::var("ONLY").unwrap_or_default();
    for interpreter in all_interpreters().iter().filter(|i| i.label().contains(&only)) {
        for (setup, work) in WORK {
            let Some(running) = start(interpreter, setup, work) else {
                eprintln!("{interpreter}: {work}: SKIPPED");
                continue;
            };
            let pid = running.0.id();
            let target = Target::find(pid).expect("it runs");
            let mappings = target.mappings().expect("its map");
            let top = mappings.iter().find(|m| m.path == "[stack]").expect("a stack").range.end;
            let memory = Live::open(pid, mappings[0].range.start).expect("readable");
            let process = Process { target, memory };
            let mut unwinder = Unwinder::new(&mappings);
            let mut stopper = Stopper::new(pid);
            let (mut roots, mut all) = (0, 0);
            let mut frames = Vec::new();
            let mut worst = Duration::ZERO;
            let mut total = Duration::ZERO;
            for _ in 0..300 {
                stopper.hold(pid).expect("it may be stopped");
                let Some(values) = stopper.registers(pid, Duration::from_secs(1)) else {
                    stopper.release();
                    continue;
                };
                let from = values[7] - 128;
                let mut copy = vec![0; (top - from).min(1 << 20) as usize];
                process.memory.read(from, &mut copy).expect("a stack");
                stopper.release();
                frames.clear();
                let stack = |at: u64| {
                    let at = at.checked_sub(from)? as usize;
                    copy.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
                };
                let begun = Instant::now();
                let end = unwinder.walk(&process, Registers::all(values), &stack, &mut frames);
                worst = worst.max(begun.elapsed());
                total += begun.elapsed();
                all += 1;
                if end == End::Root {
                    roots += 1;
                } else if all - roots < 4 {
                    eprintln!("{interpreter}: {work}: {end:x?} {:x?}", frames);
                    if let End::Cut(at) = end {
                        eprintln!("   {:?}", mappings.iter().find(|m| m.range.contains(&at)));
                    }
                }
            }
            eprintln!(
                "{}: {work}: {roots}/{all} {} frames, worst {worst:?} mean {:?}",
                interpreter.label(),
                frames.len(),
                total / all.max(1)
            );
        }
    }
}
