//! What a profile is, and every way of writing it.
//!
//! A profile is a handful of tables of `u32` ids ([`Tables`]) and a stream of [`Sample`]s that point into them. This
//! crate knows neither Python nor processes: whoever samples fills the tables, and each output format is one [`Sink`]
//! in one file.

mod about;
mod chrometrace;
mod counts;
mod escape;
mod flamegraph;
mod format;
mod label;
mod raw;
mod sample;
mod sink;
mod speedscope;
mod tables;
mod tree;

pub use about::About;
pub use escape::{for_line, for_terminal};
pub use format::{Format, UnknownFormat};
pub use label::{frame_label, process_label, thread_label};
pub use sample::{Nanos, Sample};
pub use sink::{Sink, new_sink};
pub use tables::{Frame, FrameId, StackId, StringId, Tables, Thread, ThreadId};
