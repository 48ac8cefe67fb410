//! `cargo xtask layouts`: writes `crates/python/src/layout/tables.rs` from the headers of the interpreters found here.
//!
//! A small C program (`layouts/probe.c`) is built against each interpreter's own headers and prints the row. Rows of
//! which no interpreter is here stay as they are. The rows of 2.3 to 2.6 and 3.0 to 3.5 are not in that file: they are
//! written by hand, from CPython's sources, in `layout/old.rs`.

mod interpreters;
mod rows;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use interpreters::Interpreter;
use rows::{Key, Row};

/// Writes the file anew.
pub(crate) fn write() -> Result<()> {
    let path = tables();
    let text = generate(&path)?;
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    say(&format!("wrote {}", path.display()));
    Ok(())
}

/// Fails when the file is not what it would be written as.
pub(crate) fn check() -> Result<()> {
    let path = tables();
    let text = generate(&path)?;
    let old = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    if old == text {
        say("the layout tables are what the headers say");
        return Ok(());
    }
    for line in difference(&old, &text) {
        say(&line);
    }
    bail!("{} is out of date: run `cargo xtask layouts`", path.display())
}

fn tables() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/python/src/layout/tables.rs")
}

/// The text of the whole file.
fn generate(path: &Path) -> Result<String> {
    let old = std::fs::read_to_string(path).unwrap_or_default();
    let old = rows::parse(&old);
    let new = rows_from_headers()?;
    let mut all = BTreeMap::new();
    for key in rows::wanted() {
        let row = match (new.get(&key), old.get(&key)) {
            // The same layout seen in another patch release is no change.
            (Some(row), Some(before)) if row.constant == before.constant => before,
            (Some(row), _) => row,
            (None, Some(row)) => {
                say(&format!("{key}: no interpreter of it here; its row stays as it is"));
                row
            }
            (None, None) => bail!("{key}: no interpreter of it here, and no row from before"),
        };
        all.insert(key, row.clone());
    }
    rustfmt(&rows::file(&all))
}

/// Asks each interpreter's headers. Free-threaded rows come from an interpreter built so, if there is one, else from
/// the headers of the other build with its macro defined: the structs differ by nothing else.
fn rows_from_headers() -> Result<BTreeMap<Key, Row>> {
    let scratch = std::env::temp_dir().join(format!("layouts-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let result = probe_all(&scratch);
    std::fs::remove_dir_all(&scratch)?;
    result
}

fn probe_all(scratch: &Path) -> Result<BTreeMap<Key, Row>> {
    let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
    for interpreter in interpreters::found() {
        for free_threaded in [false, true] {
            let key = Key { free_threaded, major: interpreter.major(), minor: interpreter.minor() };
            let own = interpreter.free_threaded == free_threaded;
            if !rows::wanted().contains(&key) || (interpreter.free_threaded && !free_threaded) {
                continue;
            }
            let layout = probe(&interpreter, free_threaded, scratch)?;
            let from = if own { "" } else { ", by macro" };
            say(&format!("{key}: {}{from}", interpreter.program.display()));
            let row = Row::new(interpreter.version, free_threaded, &rustfmt(&rows::constant(key, &layout))?)?;
            add(&mut rows, key, row)?;
        }
    }
    Ok(rows)
}

/// Takes the row of the oldest of several patch releases; they must agree, or one row could not speak for a series.
fn add(rows: &mut BTreeMap<Key, Row>, key: Key, row: Row) -> Result<()> {
    match rows.get_mut(&key) {
        Some(known) if known.constant != row.constant => {
            for line in difference(&known.constant, &row.constant) {
                say(&line);
            }
            // From 3.13 on the program says its offsets itself; before, a wrong row would be all there is.
            if (key.major, key.minor) < (3, 13) {
                bail!("{key}: {:#x} and {:#x} have different layouts", known.version, row.version);
            }
            say(&format!("{key}: {:#x} and {:#x} have different layouts", known.version, row.version));
            if row.version < known.version {
                *known = row;
            }
        }
        Some(known) => known.version = known.version.min(row.version),
        None => {
            rows.insert(key, row);
        }
    }
    Ok(())
}

/// Builds the C program against the headers and runs it.
fn probe(interpreter: &Interpreter, free_threaded: bool, scratch: &Path) -> Result<String> {
    let source = scratch.join("probe.c");
    let program = scratch.join("probe");
    std::fs::write(&source, include_str!("layouts/probe.c"))?;
    let mut compiler = Command::new("gcc");
    compiler.args(["-w", "-DPy_BUILD_CORE"]);
    if free_threaded && !interpreter.free_threaded {
        compiler.arg("-DPy_GIL_DISABLED=1");
    }
    for folder in ["", "internal", "internal/mimalloc"] {
        compiler.arg("-I").arg(interpreter.include.join(folder));
    }
    let status = compiler.arg("-o").arg(&program).arg(&source).status().context("running gcc")?;
    if !status.success() {
        bail!("the headers in {} do not compile", interpreter.include.display());
    }
    output(&mut Command::new(&program))
}

/// What a program printed.
fn output(command: &mut Command) -> Result<String> {
    let done = command.output().with_context(|| format!("running {}", command.get_program().display()))?;
    if !done.status.success() {
        bail!("{} failed: {}", command.get_program().display(), first_line(&done.stderr));
    }
    Ok(String::from_utf8(done.stdout)?)
}

fn first_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().next().unwrap_or("it said nothing").to_owned()
}

/// The text as rustfmt writes it in this repository.
fn rustfmt(text: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("running rustfmt")?;
    // It reads all before it writes, so that neither end waits for the other.
    child.stdin.take().context("rustfmt without input")?.write_all(text.as_bytes())?;
    let done = child.wait_with_output()?;
    if !done.status.success() {
        bail!("rustfmt failed");
    }
    Ok(String::from_utf8(done.stdout)?)
}

/// The lines in which two texts differ. Both have the same lines but for numbers, as a rule.
fn difference(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let mut lines = Vec::new();
    for at in 0..old.len().max(new.len()) {
        let (a, b) = (old.get(at), new.get(at));
        if a != b {
            lines.extend(a.map(|line| format!("{}: - {line}", at + 1)));
            lines.extend(b.map(|line| format!("{}: + {line}", at + 1)));
        }
    }
    lines
}

/// Tells the one who ran this.
#[expect(clippy::print_stderr, reason = "a chore that is run by hand")]
fn say(line: &str) {
    eprintln!("{line}");
}
