//! What a program notices of being stopped and let go: nothing.
//!
//! Programs in C and Python 2.7, stopped by [`py_spy_target::Stopper`] itself as often as can be. More of everything:
//! `HARMLESS_LONG=1 cargo test --release -p py-spy-target --test stopper`.

#![allow(missing_docs, clippy::print_stderr)]

mod calls;
mod execs;
mod subject;
mod tasks;
mod threads;

/// So many in the short form, so many in the long one.
fn rounds(short: u32, long: u32) -> u32 {
    if std::env::var_os("HARMLESS_LONG").is_some() { long } else { short }
}
