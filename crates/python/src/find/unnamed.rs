//! A CPython of which no symbol and no section is left, as in a stripped program that is linked with it and exports nothing.
//!
//! From 3.13 on the cookie of its offsets gives it away. Before, its list of interpreters does: in all of these versions a word
//! of the data leads to an interpreter's state, from there to a thread state, and from there back.

use std::collections::BTreeSet;

use py_spy_address_space::{Addr, Memory, read_u64};

use super::search::search_data;
use super::{Binary, Python, by_hex_version, head, unpublished};
use crate::layout::{Gil, GilFields, Layout, Version};
use crate::object::{add, word};

/// So many words that look like pointers are followed; a program's own data may be full of them.
const MAX_TRIES: usize = 1 << 18;

/// What follows `interpreters.head` in `_PyRuntime`: `interpreters.main`, a pointer too (3.7 to 3.12,
/// `Include/internal/pycore_runtime.h`, in 3.7 `Include/internal/pystate.h`).
const MAIN_AFTER_HEAD: u64 = 8;

/// Finds it, if the binary's data has it and `sys.hexversion` can be read through what was found.
pub(super) fn find(memory: &dyn Memory, binary: &Binary) -> Option<Python> {
    let rows: Vec<_> = unpublished().collect();
    let mut tries = 0;
    search_data(memory, binary, |at, block| {
        block.chunks_exact(8).enumerate().find_map(|(index, bytes)| {
            let interpreter = word(bytes, 0);
            if !may_be_pointer(interpreter) || tries >= MAX_TRIES {
                return None;
            }
            tries += 1;
            let at = at + 8 * index as Addr;
            let mut dead_ends = BTreeSet::new();
            rows.iter().find_map(|&row| {
                let ways = (row.1.interpreter.threads_head, row.1.thread.interp);
                // Many versions have them at the same place: what led nowhere once need not be read again.
                if dead_ends.contains(&ways) {
                    return None;
                }
                if !leads_back(memory, row.1, interpreter) {
                    dead_ends.insert(ways);
                    return None;
                }
                python(memory, binary, at, row)
            })
        })
    })
}

/// Objects and states are aligned, and a program's half of the addresses ends here (x86-64).
fn may_be_pointer(word: u64) -> bool {
    word != 0 && word.is_multiple_of(8) && word >> 47 == 0
}

fn leads_back(memory: &dyn Memory, layout: &Layout, interpreter: Addr) -> bool {
    let field = |at: Addr, offset| read_u64(memory, add(at, offset).ok()?).ok();
    let Some(state) = field(interpreter, layout.interpreter.threads_head) else { return false };
    may_be_pointer(state) && state != interpreter && field(state, layout.thread.interp) == Some(interpreter)
}

/// The CPython whose list of interpreters begins at a word, in one series' layout.
fn python(memory: &dyn Memory, binary: &Binary, at: Addr, row: (Version, &'static Layout)) -> Option<Python> {
    let layout = row.1;
    let runtime = if head::has_none(layout) {
        at
    } else {
        let main = read_u64(memory, at.checked_add(MAIN_AFTER_HEAD)?).ok()?;
        let runtime = at.checked_sub(layout.runtime.interpreters_head.into())?;
        // The word behind the right one names an interpreter too, but nothing that belongs to the right one fits there.
        if !leads_back(memory, layout, main) || !has_lock(memory, layout, runtime) {
            return None;
        }
        runtime
    };
    let (mut layout, version) = by_hex_version(memory, binary, runtime, std::iter::once(row)).ok()?;
    log::info!("{}: interpreters listed at {at:#x}, found by a search of its data", binary.path);
    if head::has_none(&layout) {
        log::warn!("the GIL was not found: each thread's stack is of a moment of its own");
        layout.interpreter.gil = Gil::Current(0);
    }
    Some(Python { layout, version, runtime, path: binary.path.clone(), free_threaded: false })
}

/// True when there is a lock where the layout has it, in `_PyRuntime`: it names nobody or a thread state.
fn has_lock(memory: &dyn Memory, layout: &Layout, runtime: Addr) -> bool {
    let Gil::Runtime(GilFields { last_holder, .. }) = layout.interpreter.gil else { return true };
    let field = |at: Addr, offset| read_u64(memory, add(at, offset).ok()?).ok();
    match field(runtime, last_holder) {
        Some(0) => true,
        Some(holder) => field(holder, layout.thread.interp).is_some_and(|back| leads_back(memory, layout, back)),
        None => false,
    }
}
