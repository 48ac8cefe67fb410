//! Another process on this system: its memory, its mappings and threads, stopping it, and starting one.
//!
//! The only crate that calls the operating system about other processes, and the only one with `unsafe` code.

pub mod launch;
