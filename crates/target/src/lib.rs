//! Another process on this system: its memory, its mappings and threads, stopping it, and starting one.
//!
//! The only crate that calls the operating system about other processes, and the only one with `unsafe` code.

mod core_file;
mod durations;
mod linux;

pub use core_file::{Core, CoreError, CoreThread, signal_name};
pub use durations::Durations;
pub use linux::{
    Call, CpuClock, CpuTicks, Executable, Family, KernelSymbols, Live, MAX_FAMILY, Map, MapKind, MappedFile,
    Permission, ProcError, ProcessEnd, ProcessError, Program, ReadCount, Refusal, Refused, Relative, Ring, RootFolder,
    SHORTEST_PERIOD, Slices, Stopper, Target, TaskState, Tasks, all_processes, block_child_signals, check_proc,
    command_line, memory_file, monotonic_time, raise_file_limit, sleep_exactly, step_back,
};

pub mod launch;
