//! Calls of the loop by their number (up to 3.11).

use super::{Call, Kind, Link, is_loop};
use crate::NativeFrame;

/// A loop that is just beginning or ending calls no more than a function that looks at its result, and that one asks for an
/// error (`_Py_CheckFunctionResult` and `PyErr_Occurred` at the end of `_PyEval_EvalFrameDefault` in `Python/ceval.c` of 3.8).
const INSIDE_OF_A_NEW_LOOP: usize = 2;

/// Which native frames are calls of the loop, and what each runs, innermost first. `None` when the numbers do not fit.
pub(super) fn calls(native: &[(NativeFrame, Kind)], whole: bool, python: &[Link]) -> Option<Vec<Call>> {
    let mut ends = (0..python.len()).filter(|&index| python[index] == Link::Function(true)).map(|index| index + 1);
    let entries = ends.clone().count();
    // The frames inside of the innermost one that was entered belong to it; those outside of the outermost one to nobody.
    if python.last() == Some(&Link::Function(false)) {
        return None;
    }
    let mut loops: Vec<usize> = (0..native.len()).filter(|&index| is_loop(native[index].1)).collect();
    let may_be_new = loops.first().is_some_and(|&first| first <= INSIDE_OF_A_NEW_LOOP);
    if whole {
        match loops.len().checked_sub(entries)? {
            0 => {}
            1 if may_be_new => drop(loops.remove(0)),
            _ => return None,
        }
    } else if may_be_new || loops.len() > entries {
        // Whether the innermost one has a frame shows in the number only.
        return None;
    }
    let mut first = 0;
    let mut call = |at: usize| {
        let end = ends.next()?;
        Some((at, std::mem::replace(&mut first, end)..end))
    };
    loops.into_iter().map(&mut call).collect()
}
