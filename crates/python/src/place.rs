//! Where in a code object's bytecode a frame is, where each thread may have a copy of it.

use py_spy_address_space::{Addr, Memory, read_u64, read_vec};

use crate::layout::Layout;
use crate::object::{Unreadable, add, word};
use crate::stack::RawFrame;

/// Copies of one code object; there is one for each thread that ever ran at the same time as the others.
const MAX_COPIES: u64 = 1 << 17;

/// The byte offset of a frame's current instruction in its code object's bytecode; negative before the first one.
///
/// Free-threaded builds from 3.14 on have a copy for each thread (`co_tlbc`, `Include/cpython/code.h`), and the position that the
/// walk has found is counted from the first one, wherever it points. Which copy it is shows by where they lie: they are as
/// long as the first one, and none is in another. `None` when it is in none of them.
///
/// The copies are not freed while a frame runs them, but this may be called a little later.
pub fn place(memory: &dyn Memory, layout: &Layout, frame: &RawFrame) -> Option<i64> {
    match layout.code.bytecode_copies {
        Some(copies) => in_copies(memory, layout, frame, copies).ok()?,
        None => Some(frame.position),
    }
}

fn in_copies(memory: &dyn Memory, layout: &Layout, frame: &RawFrame, copies: u32) -> Result<Option<i64>, Unreadable> {
    // `ob_size` of a code object is its bytecode's length in units of 2 bytes (`_PyCode_NBYTES`).
    let length = read_u64(memory, add(frame.code, layout.objects.bytes_size)?)?.saturating_mul(2);
    // A frame that has not begun is one unit before its first instruction in some versions.
    let within = |position: i64| position >= -2 && position < i64::try_from(length).unwrap_or(i64::MAX);
    if within(frame.position) {
        return Ok(Some(frame.position));
    }
    let array = read_u64(memory, add(frame.code, copies)?)?;
    if array == 0 {
        return Ok(None);
    }
    let count = read_u64(memory, array)?;
    if count > MAX_COPIES {
        return Err(Unreadable::Nonsense("the copies of a code object", array));
    }
    let instruction = frame.code.wrapping_add(u64::from(layout.code.bytecode)).wrapping_add_signed(frame.position);
    let entries = read_vec(memory, add(array, 8)?, count as usize * 8)?;
    let starts = entries.chunks_exact(8).map(|entry| word(entry, 0)).filter(|&start| start != 0);
    let mut positions = starts.map(|start: Addr| instruction.wrapping_sub(start) as i64);
    Ok(positions.find(|&position| within(position)))
}
