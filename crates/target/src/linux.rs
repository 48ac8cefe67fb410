//! Linux: `process_vm_readv`, `/proc` and ptrace.

mod affinity;
mod bpf;
mod call;
mod cpu_clock;
mod cpu_ticks;
mod end;
mod family;
mod mapped_file;
mod memory;
mod memory_file;
mod permission;
mod priority;
mod proc_folder;
mod process;
mod root_folder;
mod sleep;
mod stop;
mod tasks;

pub use bpf::{Map, MapKind, Program, Refused, Ring};
pub use call::Call;
pub use cpu_clock::CpuClock;
pub use cpu_ticks::{CpuTicks, SHORTEST_PERIOD, monotonic_time};
pub use end::ProcessEnd;
pub use family::{Family, MAX_FAMILY, Relative, all_processes};
pub use mapped_file::{Executable, MappedFile};
pub use memory::{Live, ReadCount};
pub use memory_file::memory_file;
pub use permission::Permission;
pub use priority::step_back;
pub use proc_folder::{ProcError, check_proc};
pub use process::{ProcessError, Target, command_line, raise_file_limit};
pub use root_folder::RootFolder;
pub use sleep::sleep_exactly;
pub(crate) use stop::unblock_child_signals;
pub use stop::{Refusal, Stopper, block_child_signals};
pub use tasks::{Slices, TaskState, Tasks};
