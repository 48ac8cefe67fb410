//! Signals, exec, exit and job control of a program work as without us.
//!
//! The long form: `HARMLESS_LONG=1 cargo test --release --test harmless`.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod crowds;
mod exec;
mod exits;
mod frozen;
mod jobs;
mod killed;
mod one_cpu;
mod profiler;
mod strangers;
mod timer;
mod unloaded;
mod watchdog;

use py_spy_test_programs::{Interpreter, one_of_each_series};

/// The long form was asked for.
fn long() -> bool {
    std::env::var_os("HARMLESS_LONG").is_some()
}

/// So many in the short form, so many in the long one.
fn rounds(short: u32, long_form: u32) -> u32 {
    if long() { long_form } else { short }
}

/// All interpreters in the long form. Else the oldest and one without a GIL (or the newest): what the kernel does with
/// stopped threads concerns no version in particular.
fn subjects() -> Vec<&'static Interpreter> {
    let all = one_of_each_series();
    if long() {
        return all;
    }
    let free = all.iter().copied().find(|interpreter| interpreter.free_threaded);
    vec![all[0], free.unwrap_or(all[all.len() - 1])]
}
