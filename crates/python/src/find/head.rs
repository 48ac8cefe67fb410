//! Where the list of interpreters begins in a CPython that has no `_PyRuntime`: up to 3.6.
//!
//! The variable is `interp_head` (`Python/pystate.c`), which is not exported: a stripped binary does not name it. What it does
//! name is `PyInterpreterState_Head`, a function that does nothing but return it; and if that can not be understood, the
//! variable is a word of the binary's data that leads to an interpreter and from there to a thread state and back.

use py_spy_address_space::{Addr, Memory, read_array, read_u64};

use super::Binary;
use super::search::search_data;
use crate::layout::{self, Layout};
use crate::object::{add, word};

/// A place where the variable may be, and how it was found.
pub(super) type Head = (Addr, &'static str);

/// Words of the data that lead there and back are tried up to this many. There are two that are right, `interp_head` and
/// `autoInterpreterState`, which is the same while there is one interpreter, and some that belong to other lists.
const MAX_HEADS: usize = 64;

/// All places where the variable may be, the most certain ones.
pub(super) fn heads(memory: &dyn Memory, binary: &Binary) -> Vec<Head> {
    if let Some(at) = binary.interpreters {
        return vec![(at, "the symbol interp_head")];
    }
    let returned = binary.interpreters_getter.and_then(|function| returned_by(memory, function));
    if let Some(at) = returned {
        return vec![(at, "what PyInterpreterState_Head returns")];
    }
    let found = search(memory, binary).into_iter();
    // A list of interpreters has an end. With several of them only the newest, which is the first, leads to them all.
    let mut found: Vec<_> = found.filter_map(|(at, next)| Some((length(memory, at, next)?, at))).collect();
    found.sort_by_key(|&(length, at)| (std::cmp::Reverse(length), at));
    found.into_iter().map(|(_, at)| (at, "a search of the data")).collect()
}

/// The address that a function on x86-64 loads the value from that it returns, if it does nothing else:
/// `mov disp32(%rip),%rax`, perhaps behind `endbr64` or the start of a frame.
fn returned_by(memory: &dyn Memory, function: Addr) -> Option<Addr> {
    const STARTS: [&[u8]; 4] =
        [&[], &[0xf3, 0x0f, 0x1e, 0xfa], &[0x55, 0x48, 0x89, 0xe5], &[0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5]];
    let code: [u8; 16] = read_array(memory, function).ok()?;
    STARTS.into_iter().find_map(|start| {
        let rest = code.strip_prefix(start)?.strip_prefix(&[0x48, 0x8b, 0x05])?;
        let displacement = i32::from_le_bytes(*rest.first_chunk()?);
        let end = start.len() as Addr + 7;
        Some(function.wrapping_add(end).wrapping_add_signed(displacement.into()))
    })
}

/// Words of the data that lead to an interpreter whose newest thread state leads back, and where its `next` is.
fn search(memory: &dyn Memory, binary: &Binary) -> Vec<(Addr, u32)> {
    let mut found = Vec::new();
    search_data(memory, binary, |at, block| {
        for (index, bytes) in block.chunks_exact(8).enumerate() {
            // An interpreter's state is from `malloc`.
            let interpreter = word(bytes, 0);
            if binary.data.iter().any(|range| range.contains(&interpreter)) {
                continue;
            }
            let next = without_runtime().find_map(|layout| leads_back(memory, layout, interpreter));
            found.extend(next.map(|next| (at + 8 * index as Addr, next)));
            if found.len() >= MAX_HEADS {
                return Some(());
            }
        }
        None
    });
    found
}

/// The layouts that begin with the variable.
fn without_runtime() -> impl Iterator<Item = &'static Layout> {
    layout::known().map(|(_, layout)| layout).filter(|layout| has_none(layout))
}

/// True when CPython has no `_PyRuntime` in this layout.
pub(super) fn has_none(layout: &Layout) -> bool {
    matches!(layout.interpreter.gil, layout::Gil::Current(_))
}

fn leads_back(memory: &dyn Memory, layout: &Layout, interpreter: Addr) -> Option<u32> {
    // What comes from `malloc` is aligned; most words of the data are no such pointers.
    if interpreter == 0 || !interpreter.is_multiple_of(8) || interpreter >> 47 != 0 {
        return None;
    }
    let state = read_u64(memory, add(interpreter, layout.interpreter.threads_head).ok()?).ok()?;
    let back = read_u64(memory, add(state, layout.thread.interp).ok()?).ok()?;
    (back == interpreter && state != interpreter).then_some(layout.interpreter.next)
}

/// How many interpreters are in a list; `None` when it does not end, or can not be read.
fn length(memory: &dyn Memory, head: Addr, next: u32) -> Option<usize> {
    const TOO_MANY: usize = 1 << 12;
    let mut at = read_u64(memory, head).ok()?;
    let mut count = 0;
    while at != 0 {
        count += 1;
        if count >= TOO_MANY {
            return None;
        }
        at = read_u64(memory, add(at, next).ok()?).ok()?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use py_spy_address_space::Recording;

    use super::*;

    #[test]
    fn functions_that_return_a_variable_say_where_it_is() {
        let load = [0x48, 0x8b, 0x05, 0xf0, 0xff, 0xff, 0xff, 0xc3];
        for (start, expected) in [
            (&[][..], Some(0x1000 + 7 - 16)),
            (&[0xf3, 0x0f, 0x1e, 0xfa], Some(0x1000 + 11 - 16)),
            (&[0x55, 0x48, 0x89, 0xe5], Some(0x1000 + 11 - 16)),
            (&[0x48, 0x8d, 0x05], None),
        ] {
            let mut memory = Recording::default();
            memory.put(0x1000, &[start, &load, &[0x90; 16]].concat());
            assert_eq!(returned_by(&memory, 0x1000), expected, "{start:x?}");
        }
        assert_eq!(returned_by(&Recording::default(), 0x1000), None);
    }
}
