//! The interpreter's own native frames replaced by the Python frames that they run.
//!
//! Each call of the interpreter's loop runs the Python frames from one that was entered from C up to the innermost one
//! that it has called itself without leaving the loop; up to 3.10 that is always one. From 3.12 on each call has a frame of
//! its own, the shim, among its local variables: the native frame in which that lies is the call, whatever its name. Before
//! that the two stacks are laid side by side from the inside on, by number. A loop that has just been called, or is just
//! returning, has no Python frame linked; only the innermost one can be at that. So the stacks fit, or nothing is known of how
//! they belong together.

mod counted;
mod placed;

use std::ops::Range;

use py_spy_address_space::Addr;

use crate::NativeFrame;

/// What a native frame is for the merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The interpreter's loop, by its name.
    Loop,
    /// The same, in an interpreter of which each instruction is a function of its own, which the loop jumps to.
    SplitLoop,
    /// Code without a name: in a file whose symbols are gone, or made while the program ran.
    Nameless,
    /// Code that was made while the program ran, without a name: what an interpreter's JIT makes is part of its loop.
    Made,
    /// Where a stack begins that does not go on to the one below it (a greenlet).
    Start,
    /// Any other function.
    Other,
}

/// A Python frame, as far as merging is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// One of a function; `true` when it was entered from C, where that is known without a shim.
    Function(bool),
    /// The interpreter's own, which a call of the loop has among its variables, and where.
    Shim(Addr),
    /// The one under all others, in the thread's state.
    Base,
}

/// A frame of a merged stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// The native frame with this index.
    Native(usize),
    /// The Python frame with this index.
    Python(usize),
    /// Native frames between are not known: there the native stack is cut.
    Cut,
}

/// The stacks do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// Calls of the interpreter's loop on the native stack, by their names.
    pub loops: usize,
    /// Python frames that were entered from C.
    pub entries: usize,
}

/// A call of the loop consists of so many native frames at most: its own, the function of an instruction, that of a piece of compiled
/// code, and what that one jumps to and leaves a frame for.
const MAX_PARTS: usize = 8;

/// A call of the loop: which native frame it is, and the Python frames that it runs.
type Call = (usize, Range<usize>);

/// Merges a native and a Python stack of one moment, both innermost first. `whole` when the native stack reaches the thread's
/// start. Appends to `into`, innermost first; on a mismatch that is as it was.
///
/// # Errors
/// When the two do not fit.
pub fn merge(
    native: &[(NativeFrame, Kind)],
    whole: bool,
    python: &[Link],
    into: &mut Vec<Merged>,
) -> Result<(), Mismatch> {
    // What is below the start of a greenlet's stack is another one's.
    let start = native.iter().position(|(_, kind)| *kind == Kind::Start);
    let (native, whole) = start.map_or((native, whole), |start| (&native[..=start], true));
    let has_shims = python.iter().any(|link| matches!(link, Link::Shim(_)));
    let calls = if has_shims { placed::calls(native, whole, python) } else { counted::calls(native, whole, python) };
    let calls = calls.ok_or_else(|| Mismatch {
        loops: native.iter().filter(|(_, kind)| is_loop(*kind)).count(),
        entries: python.iter().filter(|link| matches!(link, Link::Function(true) | Link::Shim(_))).count(),
    })?;
    // Python makes code for each of its functions that does nothing but call the loop, if it is told to (`-X perf_jit`).
    let is_way = |index: usize| {
        native[index].1 == Kind::Made && index.checked_sub(1).is_some_and(|callee| is_call(&calls, callee))
    };
    let mut next_call = calls.iter().peekable();
    for index in 0..native.len() {
        match next_call.next_if(|call| call.0 == index) {
            Some((_, frames)) => into.extend(functions(python, frames.clone())),
            None if is_part(native, &calls, index) || is_way(index) => {}
            // A loop that belongs to no frame: what is outside is not this Python's stack.
            None if is_loop(native[index].1) && next_call.peek().is_none() && !calls.is_empty() => break,
            None if is_loop(native[index].1) => {}
            None => into.push(Merged::Native(index)),
        }
    }
    let rest = calls.last().map_or(0, |(_, frames)| frames.end)..python.len();
    if !whole {
        into.push(Merged::Cut);
        into.extend(functions(python, rest));
    }
    Ok(())
}

fn functions(python: &[Link], range: Range<usize>) -> impl Iterator<Item = Merged> {
    range.filter(|&index| matches!(python[index], Link::Function(_))).map(Merged::Python)
}

fn is_loop(kind: Kind) -> bool {
    matches!(kind, Kind::Loop | Kind::SplitLoop)
}

/// True for what a call of the loop has called to be the loop: the functions of its instructions, and what its JIT has made.
fn is_part(native: &[(NativeFrame, Kind)], calls: &[Call], index: usize) -> bool {
    for outer in index..native.len().saturating_sub(1).min(index + MAX_PARTS) {
        let split = native.get(outer + 1).is_some_and(|(_, kind)| *kind == Kind::SplitLoop);
        match native[outer].1 {
            Kind::Loop | Kind::SplitLoop | Kind::Made => {}
            Kind::Nameless if split => {}
            Kind::Nameless | Kind::Start | Kind::Other => return false,
        }
        if is_call(calls, outer + 1) {
            return true;
        }
    }
    false
}

/// True for a native frame that is a call of the loop.
fn is_call(calls: &[Call], index: usize) -> bool {
    calls.binary_search_by_key(&index, |call| call.0).is_ok()
}

#[cfg(test)]
mod tests;
