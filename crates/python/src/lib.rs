//! CPython seen from outside: find it, lay it out, walk it.
//!
//! Knows no operating system: everything is read through [`py_spy_address_space::Memory`], so a live process, a core
//! file and a recording in a test are the same. All that is read is hostile: any bytes give an answer or an
//! [`Unreadable`], in bounded time and memory.

mod circle;
mod code;
mod find;
mod interpreters;
pub mod layout;
mod lines;
mod names;
mod object;
mod place;
mod stack;
pub mod value;

pub use code::{CodeObject, Fingerprint};
pub use find::{Binary, Missed, NotPython, Python, find, find_all};
pub use interpreters::{Gil, Interpreter, ThreadState, gil, interpreters, is_collecting, thread_state, threads};
pub use lines::{Span, line_of, span_of};
pub use names::thread_names;
pub use object::Unreadable;
pub use place::place;
pub use stack::{FrameWords, MAX_WORDS, RawFrame, Reader, Runs, Stack, stands, walk, walk_again};
