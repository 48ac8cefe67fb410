//! Code objects and their tables of lines.

use super::Offset;

/// `PyCodeObject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// How many bytes from its start hold all fields named here; at most [`Code::MAX_SIZE`].
    pub size: u32,
    /// `co_filename`.
    pub filename: Offset,
    /// `co_name`.
    pub name: Offset,
    /// `co_qualname` (3.11+).
    pub qualname: Option<Offset>,
    /// `co_firstlineno`, an `int`.
    pub first_line: Offset,
    /// The bytes object with the line table: `co_lnotab` or `co_linetable`.
    pub line_table: Offset,
    /// How that table is written.
    pub lines: Lines,
    /// `co_argcount`, an `int`: how many of the first local variables are positional arguments.
    pub argument_count: Offset,
    /// `co_nlocals`, an `int`: how many local variables there are, cells that are no arguments not counted.
    pub local_count: Offset,
    /// The tuple with the local variables' names: `co_varnames`, or `co_localsplusnames` (3.11+), which starts with them.
    pub local_names: Offset,
    /// `co_code_adaptive`: where the bytecode starts, inside the code object (3.11+; else 0).
    pub bytecode: Offset,
    /// `co_tlbc` (free-threaded 3.14+): pointer to a `_PyCodeArray`, a 64-bit count and then that many pointers to
    /// copies of the bytecode; the first is the one inside the code object.
    pub bytecode_copies: Option<Offset>,
}

impl Code {
    /// A code object's fields end before this many bytes in every version.
    pub const MAX_SIZE: u32 = 512;
}

/// How a line table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Pairs of an address step and a line step, both unsigned (`Python/compile.c`, `Objects/lnotab_notes.txt`; up to 3.5).
    Unsigned,
    /// Pairs of an unsigned address step and a signed line step (`Objects/lnotab_notes.txt`; 3.6 to 3.9).
    Lnotab,
    /// Pairs as above, each a range with its own line (PEP 626; 3.10).
    Ranges,
    /// Entries with columns (PEP 657, `Objects/locations.md`; 3.11+).
    Locations,
}
