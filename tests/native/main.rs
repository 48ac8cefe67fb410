//! Native code that calls Python back: compiled here, so that it is known what has to be between the Python frames.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Running, good, is_by_kernel, program, python, run, stderr};
use py_spy_test_programs::{Interpreter, one_of_each_series_that_runs};
use serde_json::Value;

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

/// The stacks of a program that a library's function calls back, root first, in labels; `None`, which is said, where that can
/// not be.
fn all_stacks(interpreter: &Interpreter, library: &Path, function: &str, options: &[&str]) -> Option<Vec<Vec<String>>> {
    let name = format!("{interpreter} {} {function}", library.display());
    let mut command = python(interpreter);
    let mut running = Running::start(&name, command.arg(program("calling")).arg(library).arg(function));
    let Some(line) = running.line_or_end() else {
        eprintln!("SKIPPED: {name}: it has no ctypes");
        return None;
    };
    assert_eq!(line, "ready", "{name}");
    let pid = running.id_text();
    let given = ["record", "-n", "-d", "400ms", "-f", "raw", "-o", "-", "--pid", &pid];
    let output = run(&[&given[..], options].concat());
    if options.contains(&"kernel") && !is_by_kernel(&name, &output) {
        return None;
    }
    let raw = good(&name, &output);
    let stacks = raw.lines().map(|line| line.rsplit_once(' ').expect("a count").0);
    let stacks: Vec<Vec<String>> = stacks.map(|stack| stack.split(';').map(str::to_owned).collect()).collect();
    assert!(!stacks.is_empty(), "{name}: {}", stderr(&output));
    running.is_unharmed();
    Some(stacks)
}

/// Those with native frames: on a busy machine a thread may not get a CPU in time to say where it is, which is counted.
fn stacks(interpreter: &Interpreter, library: &Path, function: &str, options: &[&str]) -> Option<Vec<Vec<String>>> {
    let mut stacks = all_stacks(interpreter, library, function, options)?;
    stacks.retain(|stack| stack.len() > 3);
    assert!(!stacks.is_empty(), "{interpreter} {}: no stack has native frames", library.display());
    Some(stacks)
}

/// These frames are there in this order, with others between.
fn in_order(name: &dyn std::fmt::Display, stack: &[String], expected: &[&str]) {
    let function = |frame: &String| frame.rsplit_once(" (").map_or("", |(function, _)| function).to_owned();
    let functions: Vec<String> = stack.iter().map(function).collect();
    let mut left = functions.iter();
    for wanted in expected {
        assert!(left.any(|function| function == wanted), "{name}: {wanted} is not where it belongs: {stack:?}");
    }
}

/// The samplers that see native frames of threads that run.
const SAMPLERS: [&str; 2] = ["stop", "kernel"];

/// A library's function calls the program back, on every series.
fn calls_back(library: &Path, function: &str, expected: &[&str]) {
    for interpreter in one_of_each_series_that_runs("calling") {
        for sampler in SAMPLERS {
            let options = ["--nolineno", "--sampler", sampler];
            for stack in stacks(interpreter, library, function, &options).into_iter().flatten() {
                in_order(interpreter, &stack, expected);
                // The program's own functions, and no other Python.
                let python: Vec<_> = stack.iter().filter(|frame| frame.contains("(calling.py")).collect();
                assert_eq!(python.len(), 3, "{interpreter} {sampler}: {stack:?}");
            }
        }
    }
}

/// The stacks on the newest interpreter that can run the program.
fn on_the_newest(library: &Path, function: &str, options: &[&str]) -> Vec<Vec<String>> {
    let all = one_of_each_series_that_runs("calling");
    let found = all.iter().rev().find_map(|interpreter| stacks(interpreter, library, function, options));
    found.expect("an interpreter with ctypes")
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
fn so_does_c_whose_unwind_tables_are_not_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    // In the section `.debug_frame`, plain and packed.
    for packed in ["-gz=none", "-gz=zlib"] {
        let options =
            ["-O2", "-fPIC", "-shared", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables", "-g", packed];
        let Some(library) = library(folder.path(), "gcc", &options, "tableless.c") else { return };
        calls_back(&library, "alpha_", &["<module>", "calls", "alpha_", "called"]);
    }
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

#[test]
fn functions_of_cython_are_what_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = [&C[..], &["-g"]].concat();
    let Some(library) = library(folder.path(), "gcc", &options, "cython.c") else { return };
    for stack in on_the_newest(&library, "alpha_", &[]) {
        // One function of Python's is two of C, with a way between them that is not shown.
        let of_cython: Vec<_> = stack.iter().filter(|frame| frame.contains(".pyx")).collect();
        assert_eq!(of_cython, ["Box.outer (cython.pyx:9)", "work (cython.pyx:4)"], "{stack:?}");
    }
}

#[test]
fn threads_without_python_are_shown_by_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = library(folder.path(), "gcc", &[&C[..], &["-pthread"]].concat(), "work.c") else { return };
    let runs = one_of_each_series_that_runs("calling").into_iter();
    for (interpreter, sampler) in runs.flat_map(|interpreter| SAMPLERS.map(|sampler| (interpreter, sampler))) {
        let stacks = |options: &[&str]| {
            let options = [&["--threads", "--sampler", sampler], options].concat();
            all_stacks(interpreter, &library, "threaded_", &options)
        };
        let of_worker = |stack: &&Vec<String>| stack[0].ends_with(": busy\\x3b worker");
        let Some(all) = stacks(&["--native-all"]) else { continue };
        let (worker, others): (Vec<_>, Vec<_>) = all.iter().partition(of_worker);
        assert!(!others.is_empty(), "{interpreter} {sampler}: {all:?}");
        let expected = |stack: &&Vec<String>| match &stack[1..] {
            [outer, inner] => outer.starts_with("on_thread (") && inner.starts_with("spins_ ("),
            _ => false,
        };
        assert!(worker.iter().all(expected), "{interpreter} {sampler}: {worker:?}");
        assert!(!worker.is_empty(), "{interpreter} {sampler}: {all:?}");
        let python = stacks(&[]).expect("it ran before");
        assert!(!python.iter().any(|stack| of_worker(&stack)), "{interpreter} {sampler}: {python:?}");
    }
}

#[test]
fn core_files_have_threads_without_python_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = library(folder.path(), "gcc", &[&C[..], &["-pthread"]].concat(), "work.c") else { return };
    let all = one_of_each_series_that_runs("calling");
    let interpreter = all.last().expect("an interpreter");
    let mut command = python(interpreter);
    let mut running = Running::start("a thread", command.arg(program("calling")).arg(&library).arg("threaded_"));
    assert_eq!(running.line_or_end().as_deref(), Some("ready"), "{interpreter}");
    let mut gcore = Command::new("gcore");
    let Ok(done) = gcore.arg("-o").arg(folder.path().join("core")).arg(running.id_text()).output() else {
        eprintln!("SKIPPED: cores of gcore: it is not installed");
        return;
    };
    assert!(done.status.success(), "{}", stderr(&done));
    let core = folder.path().join(format!("core.{}", running.id_text()));
    let core = core.to_str().expect("text");
    let spins = |option| {
        let output = run(&["dump", "--core", core, option]);
        good("dump", &output).lines().filter(|line| line.starts_with("    spins_ (")).count()
    };
    assert_eq!((spins("--native"), spins("--native-all")), (0, 1));
}

/// Runs one of the tools that come with a compiler.
fn tool(name: &str, arguments: &[&str]) {
    let output = Command::new(name).args(arguments).output().expect("binutils belong to gcc");
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A library without symbols: `put` says what becomes of the file that has them.
fn names_are_found(put: impl Fn(&Path, &str, &str)) {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = library(folder.path(), "gcc", &[&C[..], &["-g"]].concat(), "work.c") else { return };
    let (path, kept) = (library.to_str().expect("text"), folder.path().join("kept.debug"));
    let kept = kept.to_str().expect("text");
    tool("objcopy", &["--only-keep-debug", path, kept]);
    tool("strip", &["--strip-all", path]);
    for stack in on_the_newest(&library, "interrupted_", &["--nolineno"]) {
        assert!(!stack.iter().any(|frame| frame.starts_with("on_signal")), "it has its names still: {stack:?}");
    }
    put(folder.path(), path, kept);
    for stack in on_the_newest(&library, "interrupted_", &["--nolineno"]) {
        in_order(&"the newest", &stack, &["<module>", "calls", "interrupted_", "on_signal", "called"]);
    }
}

#[test]
fn names_are_found_by_a_link() {
    names_are_found(|_, library, kept| tool("objcopy", &[&format!("--add-gnu-debuglink={kept}"), library]));
}

#[test]
fn names_are_found_by_a_link_in_a_folder() {
    names_are_found(|folder, library, kept| {
        tool("objcopy", &[&format!("--add-gnu-debuglink={kept}"), library]);
        std::fs::create_dir(folder.join(".debug")).expect("a folder");
        std::fs::rename(kept, folder.join(".debug/kept.debug")).expect("moved");
    });
}

#[test]
fn names_are_found_that_are_packed_in_the_file() {
    if Command::new("xz").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no xz here");
        return;
    }
    names_are_found(|folder, library, kept| {
        // As distributions do it: the table of names and nothing else.
        let small = folder.join("small");
        let small = small.to_str().expect("text");
        tool("objcopy", &["--strip-debug", kept, small]);
        tool("xz", &[small]);
        tool("objcopy", &["--add-section", &format!(".gnu_debugdata={small}.xz"), library]);
        std::fs::remove_file(kept).expect("removed");
    });
}

#[test]
fn a_file_that_belongs_to_another_names_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = library(folder.path(), "gcc", &[&C[..], &["-g"]].concat(), "work.c") else { return };
    let (path, kept) = (library.to_str().expect("text"), folder.path().join("kept.debug"));
    let kept = kept.to_str().expect("text");
    tool("objcopy", &["--only-keep-debug", path, kept]);
    tool("strip", &["--strip-all", path]);
    tool("objcopy", &[&format!("--add-gnu-debuglink={kept}"), path]);
    // Neither its build id nor its checksum is the right one.
    tool("objcopy", &["--remove-section=.note.gnu.build-id", "--remove-section=.comment", kept]);
    for stack in on_the_newest(&library, "interrupted_", &["--nolineno"]) {
        assert!(!stack.iter().any(|frame| frame.starts_with("on_signal")), "{stack:?}");
    }
}

/// A dump's stacks of threads that sleep, by the number of the thread.
fn sleeping(pid: &str, options: &[&str]) -> Vec<(u64, Vec<String>)> {
    let output = run(&[&["dump", "--native", "--json", "--pid", pid], options].concat());
    let threads: Value = serde_json::from_str(good("a dump", &output)).expect("JSON");
    let threads = threads.as_array().expect("a list").iter().filter(|thread| thread["active"] == false);
    let name = |frame: &Value| frame["name"].as_str().expect("a name").to_owned();
    let of_one = |thread: &Value| {
        let frames = thread["frames"].as_array().expect("a list").iter().map(name).collect();
        (thread["os_thread_id"].as_u64().expect("a number"), frames)
    };
    threads.map(of_one).collect()
}

#[test]
fn of_sleeping_threads_as_much_is_known_without_stopping_anything() {
    for interpreter in one_of_each_series_that_runs("asleep") {
        let name = format!("{interpreter} asleep.py 3");
        let mut running = Running::start(&name, python(interpreter).arg(program("asleep")).arg("3"));
        // What it says before are the rules of its stacks.
        while running.line() != "ready" {}
        let pid = running.id_text();
        let (stopping, not) = (sleeping(&pid, &[]), sleeping(&pid, &["--nonblocking"]));
        // The first thread may not have gone to sleep yet.
        let others = |stacks: Vec<(u64, Vec<String>)>| {
            stacks.into_iter().filter(|(id, _)| id.to_string() != pid).collect::<Vec<_>>()
        };
        let (stopping, not) = (others(stopping), others(not));
        assert_eq!(stopping, not, "{name}");
        assert_eq!(not.len(), 3, "{name}");
        for (_, stack) in &not {
            let python = stack.iter().position(|function| function == "sleeper").expect("its function");
            // What it sleeps in is inside of it.
            assert!(python > 0, "{name}: {stack:?}");
        }
        running.is_unharmed();
    }
}
