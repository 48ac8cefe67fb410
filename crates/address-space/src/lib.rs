//! What a process looks like from outside, without an operating system: its memory, its mappings, the ELF images
//! behind them. A live process, a core file and a recording in a test all look the same from here.

mod image;
mod mapping;
mod memory;
mod pages;
mod recording;
mod window;

pub use image::{Image, ImageError, Symbol};
pub use mapping::{Mapping, Module, modules};
pub use memory::{Addr, Fault, FaultKind, Memory, Span, read_array, read_u32, read_u64, read_vec};
pub use pages::Pages;
pub use recording::{Recorder, Recording, RecordingError};
pub use window::{ALL_NEAR, BEFORE, LAST, PAGE, Pair, Window};
