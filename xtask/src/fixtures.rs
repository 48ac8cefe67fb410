//! `cargo xtask fixtures`: records what a fixed program has in memory, as far as we read it, with one interpreter of
//! each series that is here, into `crates/python/tests/fixtures/`.
//!
//! `3.X.mem` is the memory, `3.X.txt` what the program says of itself. Whole pages are read; of them only the bytes are
//! kept without which the reading would come out otherwise, so that the files are small and say nothing of the machine.

#[path = "../../crates/python/tests/recorded/look.rs"]
mod look;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use look::{Met, Start, look};
use py_spy_address_space::{Addr, Image, Recorder, modules};
use py_spy_target::{Executable, Live, MappedFile, Target};
use py_spy_test_programs::{Interpreter, all_interpreters};

use crate::padded::Padded;
use crate::reduce::reduce;

/// Runs the program as if it were elsewhere.
const RUN: &str = "import sys
exec(compile(open(sys.argv[1], 'rb').read(), '/srv/app/still.py', 'exec'))";

/// What is where CPython begins.
const SYMBOLS: [&str; 4] = ["_PyRuntime", "Py_Version", "interp_head", "_PyThreadState_Current"];

/// Writes a fixture for each interpreter.
pub(crate) fn write() -> Result<()> {
    let mut seen = BTreeSet::new();
    for interpreter in all_interpreters().iter().filter(|interpreter| !interpreter.debug) {
        // Switches make no other layout, and so no other recording.
        if interpreter.environment.is_empty() && seen.insert((interpreter.series(), interpreter.free_threaded)) {
            fixture(interpreter).with_context(|| format!("recording {interpreter}"))?;
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Ends the program whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn fixture(interpreter: &Interpreter) -> Result<()> {
    let script = if interpreter.series() < (3, 0) { "still_2.py" } else { "still.py" };
    let script = root().join("crates/test-programs/programs").join(script);
    let mut command = Command::new(&interpreter.program);
    command.args(["-E", "-s", "-B", "-c", RUN]).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running(command.spawn()?);
    let output = running.0.stdout.take().context("no output")?;
    let mut truth = String::new();
    for line in BufReader::new(output).lines() {
        match line?.as_str() {
            "ready" => break,
            line => truth.extend([line, "\n"]),
        }
    }
    let (start, memory) = open(running.0.id())?;
    let recorder = Recorder::new(memory);
    let seen = look(&recorder, &start, &mut Met::default()).map_err(anyhow::Error::msg)?;
    ensure!(seen == truth, "it says of itself:\n{truth}\nand we see:\n{seen}");
    let same = |padded: &Padded| look(padded, &start, &mut Met::default()).is_ok_and(|seen| seen == truth);
    let recording = reduce(Padded::new(&recorder.recording()), same)?;

    let suffix = if interpreter.free_threaded { "t" } else { "" };
    let (major, minor) = interpreter.series();
    let path = root().join(format!("crates/python/tests/fixtures/{major}.{minor}{suffix}"));
    let with = |ending: &str| PathBuf::from(format!("{}.{ending}", path.display()));
    let bytes = recording.to_bytes();
    let hex = |address: Option<Addr>| address.map_or("-".to_owned(), |address| format!("{address:x}"));
    let mut head = format!("file {}\nruntime {}\nversion at {}\n", start.name, hex(start.runtime), hex(start.version));
    for (name, address) in [("interpreters", start.interpreters), ("current thread", start.current_thread)] {
        head.extend(address.map(|address| format!("{name} at {address:x}\n")));
    }
    std::fs::write(with("mem"), &bytes)?;
    std::fs::write(with("txt"), head + &truth)?;
    say(&format!("{}: {} bytes, from {interpreter}", with("mem").display(), bytes.len()));
    Ok(())
}

/// The program's memory, and where CPython is in it.
fn open(pid: u32) -> Result<(Start, Live)> {
    let target = Target::find(pid)?;
    let mappings = target.mappings()?;
    let executable = Executable::of(&target);
    for module in modules(&mappings) {
        let Ok(image) = Image::read(MappedFile::open(&target, &executable, &module)?.file, &SYMBOLS) else { continue };
        let Some(bias) = image.load_bias(&module) else { continue };
        let address = |name: &str| image.symbol(name).map(|symbol| symbol.address.wrapping_add(bias));
        let start = Start {
            name: module.path.rsplit('/').next().unwrap_or_default().to_owned(),
            runtime: address("_PyRuntime"),
            version: address("Py_Version"),
            interpreters: address("interp_head"),
            current_thread: address("_PyThreadState_Current"),
        };
        if start.runtime.or(start.interpreters).is_some() {
            return Ok((start, Live::open(pid, module.mappings[0].range.start)?));
        }
    }
    bail!("no mapped file has _PyRuntime or interp_head")
}

/// Tells the one who ran this.
#[expect(clippy::print_stderr, reason = "a chore that is run by hand")]
fn say(line: &str) {
    eprintln!("{line}");
}
