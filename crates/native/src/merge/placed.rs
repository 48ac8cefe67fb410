//! Calls of the loop by where their shims lie (3.12 and later).

use super::{Call, Kind, Link, is_loop};
use crate::NativeFrame;

/// Which native frames are calls of the loop, and what each runs, innermost first. `None` when a shim lies in no native frame, or
/// a loop is in a place where none can be.
pub(super) fn calls(native: &[(NativeFrame, Kind)], whole: bool, python: &[Link]) -> Option<Vec<Call>> {
    let mut calls: Vec<Call> = Vec::new();
    let (mut from, mut first) = (0, 0);
    for (index, link) in python.iter().enumerate() {
        let Link::Shim(at) = *link else { continue };
        // Each frame goes up to where the next one begins.
        let lies_in = |&frame: &usize| {
            let end = native.get(frame + 1).map(|(next, _)| next.top);
            native[frame].0.top <= at && end.is_none_or(|end| at < end)
        };
        let Some(call) = (from..native.len()).find(lies_in) else {
            if whole {
                return None;
            }
            // It is beyond where the stack is cut.
            break;
        };
        if call + 1 == native.len() && !whole {
            // How far the last one goes is not known.
            break;
        }
        calls.push((call, first..index + 1));
        (from, first) = (call + 1, index + 1);
    }
    let rest = python[first..].iter().any(|link| matches!(link, Link::Function(_)));
    if whole && rest {
        return None;
    }
    // Between two calls there is no other one, but for what belongs to the outer one.
    let stray = calls.windows(2).any(|pair| {
        let between = pair[0].0 + 1..pair[1].0;
        between.clone().any(|index| is_loop(native[index].1) && !super::is_part(native, &calls, index))
    });
    (!stray).then_some(calls)
}
