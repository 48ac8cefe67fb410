//! Native stacks of another process, from its registers, its memory and nothing else.
//!
//! A thread that stands still has registers and a stack. The unwind tables that say how a function restores its caller
//! (`.eh_frame`) are mapped into the process beside its code, so they are read there: no file need be found or be the
//! same as it was, in whatever namespace, and a core file or a recording does as well. Whatever these bytes say, a walk
//! ends: each step must rise in the stack, and there is a bound on how many there are.

mod cython;
mod debug_parts;
mod function;
mod merge;
mod registers;
mod symbols;
mod unwind;

pub use cython::{CythonLines, cython_name};
pub use debug_parts::DebugParts;
pub use function::{is_first, is_greenlet_start, is_loop, is_plumbing, plain};
pub use merge::{Kind, Link, Merged, Mismatch, merge};
pub use registers::{Machine, Registers};
pub use symbols::{Function, Symbols};
pub use unwind::{DebugFrames, End, MAX_FRAMES, NativeFrame, Source, Stack, Unwinder};
