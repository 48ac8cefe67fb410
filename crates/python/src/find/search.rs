//! Going through the data of a binary for what no symbol names.

use py_spy_address_space::{Addr, Memory};

use super::{Binary, COOKIE};

/// No more of a binary's data than this is searched.
const MAX_SEARCH: u64 = 64 << 20;

/// How much is read at once in a search.
const SEARCH_STEP: u64 = 1 << 20;

/// The cookie can be found without any symbol, in a stripped executable that exports nothing.
pub(super) fn search_cookie(memory: &dyn Memory, binary: &Binary) -> Option<Addr> {
    search_data(memory, binary, |at, block| {
        let place = block.chunks_exact(8).position(|word| word == COOKIE)?;
        Some(at + 8 * place as Addr)
    })
}

/// Goes through a binary's data, at most [`MAX_SEARCH`] of it, block by block and where each is, until something is found.
pub(super) fn search_data<R>(
    memory: &dyn Memory,
    binary: &Binary,
    mut look: impl FnMut(Addr, &[u8]) -> Option<R>,
) -> Option<R> {
    let mut left = MAX_SEARCH;
    let mut block = Vec::new();
    for range in &binary.data {
        let mut at = range.start;
        while at < range.end && left > 0 {
            let step = SEARCH_STEP.min(range.end - at).min(left);
            block.resize(step as usize, 0);
            left -= step;
            if memory.read(at, &mut block).is_ok()
                && let Some(found) = look(at, &block)
            {
                return Some(found);
            }
            at += step;
        }
    }
    None
}
