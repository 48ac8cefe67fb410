//! From registers and a stack to the addresses of all its frames.

mod ahead;
mod debug_frame;
mod expression;
mod row;
mod table;
mod tables;

use std::ops::Range;

use gimli::UnwindContext;
use py_spy_address_space::{Addr, Mapping, Memory, Module, read_array};
use rustc_hash::FxHashMap;

use crate::{Machine, Registers};
pub use debug_frame::DebugFrames;
use row::Row;
use tables::Tables;

/// No more frames of one stack are followed.
pub const MAX_FRAMES: usize = 100_000;

/// Rows are kept for so many addresses; beyond that all are forgotten and learnt again. A row takes some 100 bytes.
const MAX_ROWS: usize = 1 << 18;

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At the start of the thread.
    Root,
    /// A frame's caller can not be known: a register or a piece of the stack is missing, or there is no way to tell where
    /// the caller is. The address is of the instruction in that frame.
    Cut(Addr),
}

/// A frame of a native stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeFrame {
    /// Within the instruction that runs or that called: of a caller it is the return address less one.
    pub at: Addr,
    /// The stack pointer in this frame: its variables lie from here up to where its caller's begin.
    pub top: Addr,
}

/// Where the stack of the other process is read from: a copy that was made while its thread stood still.
pub trait Stack {
    /// The word at an address, if the copy has it.
    fn word(&self, at: Addr) -> Option<u64>;
}

impl<F: Fn(Addr) -> Option<u64>> Stack for F {
    fn word(&self, at: Addr) -> Option<u64> {
        self(at)
    }
}

/// Where unwind tables are read.
pub trait Source {
    /// The process's memory. It may be of a later moment than the stack: code and its tables do not change.
    fn memory(&self) -> &dyn Memory;

    /// Where the section `.eh_frame` of a file is mapped. Asked for only where the memory does not tell, of a file that
    /// was linked without an index.
    fn eh_frame(&self, module: &Module) -> Option<Range<Addr>>;

    /// The section `.debug_frame` of a file, and what the addresses of the process are more than the file's own. Asked for once a
    /// file, when code of it has no entry in the tables that are mapped.
    fn debug_frames(&self, _module: &Module) -> Option<(DebugFrames, Addr)> {
        None
    }
}

/// Walks the native stacks of one process.
pub struct Unwinder {
    tables: Tables,
    rows: FxHashMap<Addr, Option<Row>>,
    context: Box<UnwindContext<usize>>,
}

impl std::fmt::Debug for Unwinder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unwinder").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Unwinder {
    /// For a process with these mappings, in address order.
    pub fn new(mappings: &[Mapping]) -> Unwinder {
        Unwinder { tables: Tables::of(mappings), rows: FxHashMap::default(), context: Box::default() }
    }

    /// True when this address is in code that was mapped when the mappings were looked at.
    pub fn knows(&self, address: Addr) -> bool {
        self.tables.has(address)
    }

    /// Where the function begins that has an address, as the unwind tables have it.
    pub fn function(&mut self, source: &dyn Source, at: Addr) -> Option<Addr> {
        self.tables.function(source, at)
    }

    /// Appends a stack's frames, innermost first. Returns how the walk ended, and the stack pointer in the last frame.
    pub fn walk(
        &mut self,
        source: &dyn Source,
        mut registers: Registers,
        stack: &dyn Stack,
        into: &mut Vec<NativeFrame>,
    ) -> (End, Addr) {
        // Where the innermost one is; the others have gone on past a call.
        let mut is_exact = true;
        for _ in 0..MAX_FRAMES {
            let top = registers.stack().unwrap_or_default();
            let Some(next) = registers.instruction().filter(|&next| next != 0) else { return (End::Root, top) };
            let at = if is_exact { next } else { next - 1 };
            into.push(NativeFrame { at, top });
            let Unwinder { tables, rows, context } = self;
            let row = row(tables, rows, context, source, at);
            let caller = match row {
                Some(row) if row.is_root() => return (End::Root, top),
                Some(row) => row.step(&registers, stack),
                None => without_table(source, tables, context, &registers, stack),
            };
            // Each caller's frame lies above; where the stack changes (a signal on a stack of its own, a coroutine) that
            // may be anywhere, but never where we were: but for a function that has no frame, where a call is in a register.
            let is_leaf = is_exact && registers.machine() == Machine::Aarch64;
            let is_elsewhere = |caller: &Registers| caller.stack() != registers.stack() || is_leaf;
            let Some(caller) = caller.filter(is_elsewhere) else {
                return (End::Cut(at), top);
            };
            // Under the frame of a signal is one that was interrupted anywhere, not at a call.
            is_exact = row.is_some_and(Row::is_signal);
            let rises = caller.stack() > registers.stack() || is_leaf && caller.stack() == registers.stack();
            if !rises && !is_exact && !row.is_some_and(|row| row.switches_stacks(registers.machine())) {
                return (End::Cut(at), top);
            }
            registers = caller;
        }
        (End::Cut(registers.instruction().unwrap_or_default()), registers.stack().unwrap_or_default())
    }
}

/// How the frame at an address restores its caller; `None` where nothing says.
fn row<'r>(
    tables: &mut Tables,
    rows: &'r mut FxHashMap<Addr, Option<Row>>,
    context: &mut UnwindContext<usize>,
    source: &dyn Source,
    at: Addr,
) -> Option<&'r Row> {
    if rows.len() >= MAX_ROWS {
        rows.clear();
    }
    rows.entry(at).or_insert_with(|| tables.row(source, at, context)).as_ref()
}

/// The caller in code of which no table says how to find it.
fn without_table(
    source: &dyn Source,
    tables: &mut Tables,
    context: &mut UnwindContext<usize>,
    registers: &Registers,
    stack: &dyn Stack,
) -> Option<Registers> {
    let memory = source.memory();
    let followed = match registers.machine() {
        Machine::X86_64 => ahead::caller(memory, registers, stack, &mut |at| tables.row(source, at, context)),
        Machine::Aarch64 => None,
    };
    followed.or_else(|| by_frame_pointer(memory, registers, stack))
}

/// The caller by the chain of frame pointers, as code keeps it that has no tables (PEP 831's builds, most JITs).
fn by_frame_pointer(memory: &dyn Memory, registers: &Registers, stack: &dyn Stack) -> Option<Registers> {
    let frame = registers.frame()?;
    if frame < registers.stack()? || frame % 8 != 0 {
        return None;
    }
    let mut caller = *registers;
    caller.set_frame(Some(stack.word(frame)?));
    caller.set_instruction(Some(stack.word(frame.checked_add(8)?)?));
    caller.set_stack(Some(frame.checked_add(16)?));
    let back = caller.instruction()?;
    // The register may have any other use: a return address is behind a call.
    let is_behind_call = match registers.machine() {
        Machine::X86_64 => ahead::is_behind_call(memory, back),
        Machine::Aarch64 => is_behind_branch(memory, back),
    };
    is_behind_call.then_some(caller)
}

/// The same for `AArch64`: `bl` and `blr`, also with a signed address (Arm Architecture Reference Manual, C6.2).
fn is_behind_branch(memory: &dyn Memory, address: Addr) -> bool {
    let instruction = address.checked_sub(4).and_then(|at| read_array::<4>(memory, at).ok());
    instruction.map(u32::from_le_bytes).is_some_and(|code| {
        code & 0xfc00_0000 == 0x9400_0000 || code & 0xffff_fc1f == 0xd63f_0000 || code & 0xfeff_f800 == 0xd63f_0800
    })
}
