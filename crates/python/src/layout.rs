//! Where CPython keeps the things a profiler needs: one [`Layout`] a version and build, each a value.
//!
//! All that differs between versions is in here; the code that walks never asks for a version. Up to 3.12 a layout is
//! a row of a table, generated from headers (`tables`) or, for the series whose headers nobody has installed any more, written
//! by hand (`old`); from 3.13 on it is read from the program itself, which publishes its offsets
//! as `_Py_DebugOffsets` (CPython `Include/internal/pycore_debug_offsets.h`), and is checked once as hostile input
//! (`published`); what it does not publish is taken from the row of its series.
//!
//! All offsets are below [`MAX_OFFSET`], and those into structs that are copied whole below the `MAX_SIZE` of the
//! struct. An address plus an offset can still overflow: the address is as hostile as the rest.

mod code;
mod frame;
mod interpreter;
mod objects;
mod old;
mod published;
mod tables;
mod thread;
pub mod values;
mod version;

pub use code::{Code, Lines};
pub use frame::{Entry, Frame, Position, Root, Running};
pub use interpreter::{Collecting, Gil, GilFields, Interpreter, Runtime};
pub use objects::{Dict, Instance, KeyTable, Long, Names, Objects, Sequence, Sizes, Unicode};
pub use old::OLD;
pub use published::{Published, Unusable, published};
pub use tables::{KNOWN, KNOWN_FREE_THREADED};
pub use thread::{AfterFork, FrameSlot, Thread};
pub use version::Version;

/// All rows for builds with a GIL: the version that each was made from, and its layout. The oldest is first within each of
/// the two tables.
pub fn known() -> impl Iterator<Item = (Version, &'static Layout)> {
    OLD.iter().chain(KNOWN).copied()
}

/// The layout of a build with a GIL, by series: patch releases have the same.
pub fn of(version: Version) -> Option<&'static Layout> {
    find(known(), version)
}

/// The layout of a free-threaded build, by series.
pub fn of_free_threaded(version: Version) -> Option<&'static Layout> {
    find(KNOWN_FREE_THREADED.iter().copied(), version)
}

fn find(mut known: impl Iterator<Item = (Version, &'static Layout)>, version: Version) -> Option<&'static Layout> {
    known.find(|(row, _)| row.same_series(version)).map(|(_, layout)| layout)
}

/// Byte offset of a field from the start of its struct.
pub type Offset = u32;

/// No offset in a [`Layout`] is this large. The largest are in `PyInterpreterState` (8 KiB in 3.13 and later).
pub const MAX_OFFSET: Offset = 1 << 20;

/// Where one CPython version and build keeps what we read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Where the list of interpreters begins.
    pub runtime: Runtime,
    /// `PyInterpreterState`.
    pub interpreter: Interpreter,
    /// `PyThreadState`.
    pub thread: Thread,
    /// `PyFrameObject` up to 3.10, `_PyInterpreterFrame` from 3.11 on.
    pub frame: Frame,
    /// `PyCodeObject`.
    pub code: Code,
    /// The objects that names and values are made of.
    pub objects: Objects,
}
