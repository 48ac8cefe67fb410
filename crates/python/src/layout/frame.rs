//! Frames, and how one finds where a stack of them ends.

use super::Offset;

/// `PyFrameObject` up to 3.10, `_PyInterpreterFrame` from 3.11 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// How many bytes from its start hold all fields named here but the local variables; at most [`Frame::MAX_SIZE`].
    pub size: u32,
    /// `f_back` or `previous`: the caller's frame.
    pub previous: Offset,
    /// `f_code` or `f_executable`: the code object, or something else in frames that are no Python function.
    pub code: Offset,
    /// Bits to clear from the value at `code` before it is an address (3.14+).
    pub code_tag: u64,
    /// `f_lasti`, `prev_instr` or `instr_ptr`.
    pub position_at: Offset,
    /// What is at `position_at`.
    pub position: Position,
    /// How the outermost frame is told from one whose caller was just cut off.
    pub root: Root,
    /// Which frames were entered from C.
    pub entry: Entry,
    /// How a frame that runs is told from one that was left.
    pub running: Running,
    /// First of the local variables; below [`Frame::MAX_LOCALS`]. Pointers tagged as that at `code` is: with
    /// `code_tag` bits, 1 or less is NULL, and both bits set are an `int` itself, from bit 2 on (`_PyStackRef`).
    pub locals: Offset,
}

impl Frame {
    /// A frame's fields end before this many bytes in every version.
    pub const MAX_SIZE: u32 = 256;
    /// The local variables start before this many bytes in every version (behind the block stack up to 3.10).
    pub const MAX_LOCALS: u32 = 1024;
}

/// What a frame says of the instruction it is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// An `int`, index in bytes (up to 3.9).
    ByteIndex,
    /// An `int`, index in 2-byte instructions (3.10).
    WordIndex,
    /// A pointer into the code object's bytecode (3.11+).
    Pointer,
}

/// What must be true of a chain's outermost frame. A thread can be stopped in the middle of an update that cuts a
/// generator's frame from its caller; the end of a chain is its root only if this holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// Nothing: frames do not say whose they are (up to 3.3).
    Any,
    /// Not a generator's frame: the pointer `f_gen` is NULL (3.4 to 3.10).
    NoGenerator {
        /// `f_gen`.
        generator: Offset,
    },
    /// Not owned by a generator: the byte `owner` is not this value (3.11).
    NotOwnedBy {
        /// `owner`.
        owner: Offset,
        /// `FRAME_OWNED_BY_GENERATOR`.
        generator: u8,
    },
    /// A frame of the interpreter itself: the byte `owner` is at least this value (3.12+).
    Shim {
        /// `owner`.
        owner: Offset,
        /// The first value of `enum _frameowner` that means so.
        least: u8,
    },
}

/// Which frames were entered from C, not from Python code in the same run of the interpreter loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// All of them (up to 3.10).
    Always,
    /// Those whose `is_entry` byte is not 0 (3.11).
    Flag(Offset),
    /// Those called by a shim frame: `owner` is at least this value in the frame that is no Python code (3.12+).
    BelowShim {
        /// `owner`.
        owner: Offset,
        /// The first value of `enum _frameowner` that means so.
        least: u8,
    },
}

/// How a frame that is on a stack is told from one that was left: its memory stays as it was, link to its caller included,
/// until the function is called again (`co_zombieframe`, `Objects/frameobject.c`). `Python/ceval.c` marks a frame as running after it has
/// put it on the stack and as left before it takes it off: only an innermost one can be on the stack without the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// Not at all (3.11+).
    Unknown,
    /// By what it can not have: its `ob_refcnt` is 0 once it is freed and kept for its function's next call
    /// (`frame_dealloc`), and its `f_stacktop` is NULL from its start until it yields (`PyEval_EvalFrameEx`, up to 3.3).
    Counted {
        /// The low 32 bits of `ob_refcnt`.
        references: Offset,
        /// `f_stacktop`: a pointer.
        stack_top: Offset,
    },
    /// A byte has one of these values while it runs: `f_executing` (3.4 to 3.9), `f_state` (3.10).
    Byte {
        /// `f_executing` or `f_state`.
        at: Offset,
        /// A bit for each value below 8.
        values: u8,
    },
}
