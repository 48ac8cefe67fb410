//! Programs that run, and their stacks at one moment.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use py_spy_address_space::{Addr, Image, Memory, Module};
use py_spy_native::{End, NativeFrame, Registers, Source, Unwinder};
use py_spy_target::{Executable, Live, MappedFile, Stopper, Target};
use py_spy_test_programs::Interpreter;

/// What is done all the time, each with what is done before it: code of the interpreter, of its extensions and of
/// libraries, in frames of all kinds.
pub(crate) const WORK: [(&str, &str); 10] = [
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

/// What the callee may use below the stack pointer (System V ABI, 3.2.2: the red zone).
const RED_ZONE: u64 = 128;

/// For a thread that has to wait for a CPU.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running program; it is killed when this is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Running {
    /// `None` when the interpreter lacks what it needs.
    pub(crate) fn start(interpreter: &Interpreter, setup: &str, work: &str) -> Option<Running> {
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
pub(crate) struct Process {
    pub(crate) target: Target,
    pub(crate) memory: Live,
    /// An address that is mapped.
    probe: Addr,
    stack_end: Addr,
}

impl Process {
    pub(crate) fn of(pid: u32) -> (Process, Unwinder) {
        let target = Target::find(pid).expect("it runs");
        let mappings = target.mappings().expect("its map");
        let stack = mappings.iter().find(|mapping| mapping.path == "[stack]").expect("its first thread's stack");
        let (probe, stack_end) = (mappings[0].range.start, stack.range.end);
        let memory = Live::open(pid, probe).expect("readable");
        (Process { target, memory, probe, stack_end }, Unwinder::new(&mappings))
    }

    /// Its memory once more.
    pub(crate) fn live(&self) -> Live {
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
pub(crate) struct Held {
    pub(crate) registers: [u64; 17],
    pub(crate) from: Addr,
    pub(crate) bytes: Vec<u8>,
}

impl Held {
    pub(crate) fn new(process: &Process, stopper: &mut Stopper) -> Held {
        let pid = process.target.pid;
        stopper.hold(pid).expect("it may be stopped");
        let registers = stopper.registers(pid, PATIENCE).expect("it stops");
        let from = registers[7] - RED_ZONE;
        let mut bytes = vec![0; (process.stack_end - from) as usize];
        process.memory.read(from, &mut bytes).expect("its stack");
        stopper.release();
        Held { registers, from, bytes }
    }

    pub(crate) fn walk(&self, unwinder: &mut Unwinder, source: &dyn Source) -> (End, Vec<NativeFrame>) {
        let mut frames = Vec::new();
        let stack = |at: Addr| {
            let at = usize::try_from(at.checked_sub(self.from)?).ok()?;
            self.bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
        };
        let (end, _) = unwinder.walk(source, Registers::all(self.registers), &stack, &mut frames);
        (end, frames)
    }
}
