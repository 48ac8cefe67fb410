//! Stacks of Python and native frames.

use py_spy_native::{Link, Merged, NativeFrame, merge};
use py_spy_profile::{Frame, StackId};
use py_spy_python::RawFrame;
use py_spy_target::Target;

use super::Namer;
use crate::moment::{Moment, NativeStack};
use crate::native::{Named, Native};

/// What stands in place of the native frames that are not known.
const CUT: &str = "(cut)";

/// What came of merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mixed {
    /// The stack; `None` when there is no frame at all. With `cut` some of its native frames are not known.
    Stack { stack: Option<StackId>, cut: bool },
    /// There is no native stack, or it does not fit: only the Python frames are known.
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
    let mut python: Vec<&RawFrame> = python.collect();
    python.reverse();
    let runs_python = python.iter().any(|frame| !frame.shim);
    if !runs_python && !native.all {
        return Mixed::Stack { stack: None, cut: false };
    }
    let links: Vec<Link> = python.iter().map(|frame| link(frame)).collect();
    let mut known = |frame: &NativeFrame| {
        let known = native.known(frame.at, target, namer.memory, namer.tables);
        (known.kind, known.is_first, known.may_be_start)
    };
    let mut frames = Vec::new();
    // The first function of the thread, and the first one after those that may be how it began.
    let (mut first, mut after) = (None, None);
    for (index, frame) in moment.native_frames[stack.first..stack.end].iter().enumerate() {
        let (kind, is_first, may_be_start) = known(frame);
        frames.push((*frame, kind));
        if is_first {
            first = Some(index);
        }
        if !may_be_start {
            after = Some(index);
        }
    }
    // Some C libraries can not be followed to where they begin a thread.
    let whole = stack.whole || first.is_some();
    if stack.whole {
        first = first.or(after);
    }
    let mut merged = Vec::new();
    if !runs_python {
        merged.extend((0..frames.len()).map(Merged::Native));
        merged.extend((!whole).then_some(Merged::Cut));
    } else if let Err(why) = merge(&frames, whole, &links, &mut merged) {
        log::debug!("thread {}: {} loops, {} entries do not fit", stack.tid, why.loops, why.entries);
        return Mixed::Unmerged;
    }
    let mut top = root;
    // The last frame, if it is native, and the stack below it.
    let mut last: Option<(Named, Option<StackId>)> = None;
    for frame in merged.into_iter().rev() {
        let outer = last.take();
        match frame {
            Merged::Python(index) => match namer.frame(python[index]) {
                Ok(Some(frame)) => top = Some(namer.tables.stack(top, frame)),
                Ok(None) => {}
                Err(()) => return Mixed::Unmerged,
            },
            Merged::Cut => {
                let text = namer.tables.string(CUT);
                let frame = namer.tables.frame(Frame::Note(text));
                top = Some(namer.tables.stack(top, frame));
            }
            // How a thread gets to its first function is the C library's business, and often has no names.
            Merged::Native(index) if first.is_some_and(|first| index > first) && !namer.naming.full_stack => {}
            Merged::Native(index) => {
                let known = native.known(frames[index].0.at, target, namer.memory, namer.tables);
                last = outer;
                if known.is_plumbing && !namer.naming.full_stack {
                    continue;
                }
                for &named in &known.frames {
                    if let Some((_, below)) = last.filter(|(outer, _)| outer.continues_in(named)) {
                        top = below;
                    }
                    last = Some((named, top));
                    top = Some(namer.tables.stack(top, named.id));
                }
            }
        }
    }
    Mixed::Stack { stack: (top != root).then_some(top).flatten(), cut: !whole }
}

/// What a Python frame is for merging.
fn link(frame: &RawFrame) -> Link {
    match frame.shim {
        // The one in the thread's state is not read, and has no code object for us.
        true if frame.code == 0 => Link::Base,
        true => Link::Shim(frame.at),
        false => Link::Function(frame.entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_what_frames_say() {
        let frame = RawFrame { at: 0x40, code: 0x80, position: 0, entry: true, shim: false, left: false };
        assert_eq!(link(&frame), Link::Function(true));
        assert_eq!(link(&RawFrame { shim: true, ..frame }), Link::Shim(0x40));
        assert_eq!(link(&RawFrame { shim: true, code: 0, ..frame }), Link::Base);
    }
}
