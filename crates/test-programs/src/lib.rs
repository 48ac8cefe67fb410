//! What the tests of all crates share: the Python interpreters of this machine, programs that tell the truth about
//! themselves, and the CPUs that they run on.

#![allow(
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "for tests, which say what they skip and fail by panics"
)]

mod cpus;
mod elf;
mod interpreters;
mod program;
mod rules;

pub use cpus::{Turn, turn};
pub use interpreters::{
    Interpreter, SERIES, all_interpreters, interpreters, one_of_each_series, one_of_each_series_that_runs, that_run,
};
pub use program::{Program, Truth, runs_from};
pub use rules::Rules;
