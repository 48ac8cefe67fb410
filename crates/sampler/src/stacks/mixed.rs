//! Stacks of Python and native frames.

use py_spy_native::{Merged, merge};
use py_spy_profile::{FrameId, StackId};
use py_spy_python::RawFrame;
use py_spy_target::Target;

use super::Namer;
use crate::moment::{Moment, NativeStack};
use crate::native::Native;

/// What came of merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mixed {
    /// The stack; `None` when there is no frame at all.
    Stack(Option<StackId>),
    /// There is no native stack, it is cut, or it does not fit: only the Python frames are known.
    Unmerged,
}

/// One thread's frames, those of Python given root first, with the native ones between them.
pub(crate) fn mixed_stack<'f>(
    (native, target): (&mut Native, Option<&Target>),
    moment: &Moment,
    stack: Option<&NativeStack>,
    root: Option<StackId>,
    python: impl Iterator<Item = &'f RawFrame>,
    namer: &mut Namer<'_>,
) -> Mixed {
    let Some(stack) = stack else { return Mixed::Unmerged };
    let addresses = &moment.addresses[stack.first..stack.end];
    // Some C libraries can not be followed to where they begin a thread.
    let is_whole = stack.whole
        || addresses.len().checked_sub(2).is_some_and(|at| native.known(addresses[at], target, namer.tables).is_first);
    if !is_whole {
        return Mixed::Unmerged;
    }
    // The interpreter's own frames stand for calls of its loop, which the native stack has.
    let mut python: Vec<&RawFrame> = python.filter(|frame| !frame.shim).collect();
    python.reverse();
    if python.is_empty() {
        // A thread that runs no Python.
        return Mixed::Stack(None);
    }
    let entries: Vec<bool> = python.iter().map(|frame| frame.entry).collect();
    let loops: Vec<bool> = addresses.iter().map(|&at| native.known(at, target, namer.tables).is_loop).collect();
    // How a thread gets to its first function is the C library's business, and often has no names.
    let first = addresses.iter().rposition(|&at| native.known(at, target, namer.tables).is_first);
    let mut merged = Vec::new();
    if let Err(why) = merge(loops.into_iter(), &entries, &mut merged) {
        log::debug!("thread {}: {} loops, {} entries do not fit", stack.tid, why.loops, why.entries);
        return Mixed::Unmerged;
    }
    let mut top = root;
    let mut push = |frame: FrameId, namer: &mut Namer<'_>| top = Some(namer.tables.stack(top, frame));
    for frame in merged.into_iter().rev() {
        match frame {
            Merged::Python(index) => match namer.frame(python[index]) {
                Ok(Some(frame)) => push(frame, namer),
                Ok(None) => {}
                Err(()) => return Mixed::Unmerged,
            },
            Merged::Native(index) if first.is_some_and(|first| index > first) && !namer.naming.full_stack => {}
            Merged::Native(index) => {
                let known = native.known(addresses[index], target, namer.tables);
                if known.is_plumbing && !namer.naming.full_stack {
                    continue;
                }
                for &frame in &known.frames {
                    push(frame, namer);
                }
            }
        }
    }
    Mixed::Stack((top != root).then_some(top).flatten())
}
