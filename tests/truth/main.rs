//! What `dump` says of a program equals what the program says of itself.
//!
//! The programs bring all their threads to rest at known places, print the truth and wait; so there is one moment to be
//! seen, and any difference is an error.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod crowds;
mod faulthandler;
mod forks;
mod interpreters;
mod judge;
mod places;

use common::{Running, python};
use py_spy_test_programs::Interpreter;
use serde::Deserialize;

/// System calls of x86-64.
const READ: &[&str] = &["0"];

/// A thread as the program sees it.
#[derive(Debug, Deserialize)]
struct Thread {
    /// `threading.get_ident()`.
    id: u64,
    /// `threading.get_native_id()`.
    tid: u32,
    /// `None` for a thread that `threading` does not know.
    name: Option<String>,
    state: String,
    /// Name, file, line; innermost first.
    frames: Vec<(String, String, u32)>,
}

/// What a program says of itself.
#[derive(Debug, Deserialize)]
struct Truth {
    threads: Vec<Thread>,
    #[serde(default)]
    faulthandler: String,
}

/// Starts a program, has it tell the truth, and waits until its main thread waits for us.
fn start(interpreter: &Interpreter, script: &str, arguments: &[&str]) -> (Running, Truth) {
    let name = format!("{interpreter} {script}.py {}", arguments.join(" "));
    let mut running = Running::start(&name, python(interpreter).arg(common::program(script)).args(arguments));
    let line = running.line();
    let truth = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
    running.wait_for_call(running.id(), READ);
    (running, truth)
}
