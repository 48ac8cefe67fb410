//! Chores of this repository that are no part of the program.

mod compare;
mod fixtures;
mod layouts;
mod natives;
#[path = "../../crates/python/tests/recorded/padded.rs"]
mod padded;
mod programs;
mod reduce;
mod stacks;
mod support;
mod venv;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask layouts [--check] | fixtures | stacks | support";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["layouts"] => layouts::write(),
        ["layouts", "--check"] => layouts::check(),
        ["fixtures"] => fixtures::write(),
        ["stacks"] => stacks::write(),
        ["support"] => support::write(),
        ["compare", ref rest @ ..] => compare::run(rest),
        ["programs", ref names @ ..] => programs::run(names),
        // For `compare` itself.
        [compare::bare::WORD, ref rest @ ..] => compare::bare::run(rest),
        ["natives", ref names @ ..] => natives::run(names),
        _ => bail!("{USAGE} | {} | {} | {}", compare::USAGE, programs::USAGE, natives::USAGE),
    }
}
