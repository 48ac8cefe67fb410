//! Another process on this system: its memory, its mappings and threads, stopping it, and starting one.
//!
//! The only crate that calls the operating system about other processes, and the only one with `unsafe` code.

mod durations;
mod linux;

pub use durations::Durations;
pub use linux::{
    CpuClock, Live, Permission, ProcessEnd, ProcessError, ReadCount, Refusal, Slices, Stopper, Target, TaskState,
    Tasks, block_child_signals, raise_file_limit, sleep_exactly,
};

pub mod launch;
