//! Thread states.

use super::Offset;

/// `PyThreadState`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// How many bytes from its start hold all fields named here.
    pub size: u32,
    /// `next`: the thread state made before this one.
    pub next: Offset,
    /// `interp`: the interpreter it belongs to.
    pub interp: Offset,
    /// `thread_id`: `pthread_self()`, 64 bits.
    pub id: Offset,
    /// `native_thread_id`, the kernel's id (3.11+); a `long`.
    pub native_id: Option<Offset>,
    /// The innermost frame.
    pub frame: FrameSlot,
    /// `base_frame`: address that the outermost frame must have (3.15+). The pointer's offset.
    pub base_frame: Option<Offset>,
    /// What becomes of the other threads' states in a forked child.
    pub after_fork: AfterFork,
}

/// What becomes of the thread states of a process's other threads in a child that it forks, which has only one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFork {
    /// They are freed (`_PyThreadState_DeleteExcept` and its successors, 3.4+).
    Freed,
    /// They stay in the list for ever, frames and all, and a new thread may get the id of one (up to 3.3).
    Kept,
}

impl Thread {
    /// A thread state's fields end before this many bytes in every version.
    pub const MAX_SIZE: u32 = 4096;
}

/// How a thread state leads to its innermost frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameSlot {
    /// A pointer in the thread state.
    Here(Offset),
    /// A pointer to a `_PyCFrame`, which has the pointer (3.11, 3.12).
    ThroughCFrame {
        /// `cframe` in the thread state.
        slot: Offset,
        /// `current_frame` in the `_PyCFrame`.
        frame: Offset,
    },
}
