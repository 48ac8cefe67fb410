//! Native code that calls Python back: compiled here, so that it is known what has to be between the Python frames.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Running, good, program, python, run, stderr};
use py_spy_test_programs::one_of_each_series_that_runs;

/// Compiles a source of this folder to a library; `None`, which is said, where there is no such compiler.
fn library(folder: &Path, compiler: &str, options: &[&str], source: &str) -> Option<PathBuf> {
    let out = folder.join(format!("lib{}.so", source.replace('.', "_")));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/native").join(source);
    let result = Command::new(compiler).args(options).arg(&source).arg("-o").arg(&out).output();
    let Ok(output) = result else {
        eprintln!("SKIPPED: there is no {compiler} here");
        return None;
    };
    assert!(output.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
    Some(out)
}

/// A library's function calls the program back, on every series: the stack has these frames in this order, with others between.
fn calls_back(library: &Path, function: &str, expected: &[&str]) {
    for interpreter in one_of_each_series_that_runs("calling") {
        let name = format!("{interpreter} {} {function}", library.display());
        let mut command = python(interpreter);
        let mut running = Running::start(&name, command.arg(program("calling")).arg(library).arg(function));
        let Some(line) = running.line_or_end() else {
            eprintln!("SKIPPED: {name}: it has no ctypes");
            continue;
        };
        assert_eq!(line, "ready", "{name}");
        let pid = running.id_text();
        let output = run(&["record", "-n", "--nolineno", "-d", "400ms", "-f", "raw", "-o", "-", "--pid", &pid]);
        let raw = good(&name, &output);
        let stacks = raw.lines().map(|line| line.rsplit_once(' ').expect("a count").0);
        let stacks: Vec<Vec<&str>> = stacks.map(|stack| stack.split(';').collect()).collect();
        // On a busy machine a thread may not get a CPU in time, to say where it is: that is counted.
        let whole = |stack: &&Vec<&str>| stack.len() > 3;
        assert!(stacks.iter().any(|stack| whole(&stack)), "{name}: {}: {stacks:?}", stderr(&output));
        for stack in stacks.iter().filter(whole) {
            let function = |frame: &&str| frame.rsplit_once(" (").map_or("", |(function, _)| function).to_owned();
            let functions: Vec<String> = stack.iter().map(function).collect();
            let mut left = functions.iter();
            for wanted in expected {
                assert!(left.any(|function| function == wanted), "{name}: {wanted} is not where it belongs: {stack:?}");
            }
            // The program's own functions, and no other Python.
            let python: Vec<_> = stack.iter().filter(|frame| frame.contains("(calling.py")).collect();
            assert_eq!(python.len(), 3, "{name}: {stack:?}");
        }
        running.is_unharmed();
    }
}

/// With unwind tables and nothing else: no frame pointers.
const C: [&str; 5] = ["-O2", "-fPIC", "-shared", "-fomit-frame-pointer", "-fasynchronous-unwind-tables"];

#[test]
fn c_calls_python() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = library(folder.path(), "gcc", &C, "work.c") else { return };
    calls_back(&library, "alpha_", &["<module>", "calls", "alpha_", "beta_", "gamma_", "called"]);
}

#[test]
fn so_does_c_with_a_realigned_stack() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = library(folder.path(), "gcc", &C, "work.c") else { return };
    calls_back(&library, "realigned_", &["<module>", "calls", "realigned_", "gamma_", "called"]);
}

#[test]
fn so_does_a_handler_of_a_signal() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = library(folder.path(), "gcc", &C, "work.c") else { return };
    calls_back(&library, "interrupted_", &["<module>", "calls", "interrupted_", "on_signal", "called"]);
}

#[test]
fn names_of_cpp_are_readable() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = library(folder.path(), "g++", &C, "work.cc") else { return };
    calls_back(&library, "alpha_", &["<module>", "calls", "alpha_", "space::Worker<void (*)()>::work", "called"]);
}

#[test]
fn names_of_rust_are_readable() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ["--edition", "2024", "--crate-type", "cdylib", "-O"];
    let Some(library) = library(folder.path(), "rustc", &options, "work.rs") else { return };
    calls_back(&library, "alpha_", &["<module>", "calls", "alpha_", "work::inner::Worker::work", "called"]);
}
