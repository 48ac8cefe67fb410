//! Samples taken by the kernel: at each tick of a thread's CPU clock a program of ours runs in that thread, which can not move
//! meanwhile, follows its Python frames and leaves a record. Nothing is stopped and nothing can be torn.
//!
//! The program is made here, from the numbers of a [`py_spy_python::layout::Layout`]: no compiler, no file, nothing that stays
//! loaded when its file descriptors are closed. What it reads is the program's own memory; it writes none of it.

mod assembler;
mod periods;
mod record;
mod stack_copy;
mod state;
mod ticks;
mod timers;
mod torn;
mod unavailable;
mod walker;

pub use record::{Chain, Missing, StackCopy, Tick};
pub use stack_copy::Stacks;
pub use ticks::{Left, Ticks};
pub use unavailable::Unavailable;
pub use walker::Subject;
