//! Stacks of Python and native frames.

use py_spy_address_space::Memory;
use py_spy_native::{Kind, Link, Merged, NativeFrame, merge};
use py_spy_profile::{Frame, FrameId, StackId, Tables};
use py_spy_python::RawFrame;
use py_spy_target::Target;

use super::Namer;
use crate::moment::NativeStack;
use crate::native::{Known, Native};

/// What stands in place of the native frames that are not known.
const CUT: &str = "(cut)";

/// What came of merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mixed {
    /// The stack; `None` when there is no frame at all. With `cut` some of its native frames are not known.
    Stack { stack: Option<StackId>, cut: bool },
    /// They do not fit: only the Python frames are known.
    Unmerged,
}

/// Both stacks of a thread at one moment, innermost first. The Python frames have their names, for what they run may be gone soon;
/// those of native code may be found later.
#[derive(Debug, Clone)]
pub(crate) struct Both {
    tid: u32,
    /// `None` for one that is hidden.
    python: Vec<(Link, Option<FrameId>)>,
    native: Vec<NativeFrame>,
    whole: bool,
}

impl Both {
    /// Of a thread whose stack is some of the native frames, with its Python frames given root first.
    ///
    /// # Errors
    /// When a Python frame can not be named any more.
    pub(crate) fn of<'f>(
        native_frames: &[NativeFrame],
        stack: &NativeStack,
        python: impl Iterator<Item = &'f RawFrame>,
        namer: &mut Namer<'_>,
    ) -> Result<Both, ()> {
        let with_names = python.map(|frame| Ok((link(frame), if frame.shim { None } else { namer.frame(frame)? })));
        let mut python = with_names.collect::<Result<Vec<_>, ()>>()?;
        python.reverse();
        let native = native_frames[stack.first..stack.end].to_vec();
        Ok(Both { tid: stack.tid, python, native, whole: stack.whole })
    }

    /// Of a thread that runs no Python.
    pub(crate) fn stranger(native_frames: &[NativeFrame], stack: &NativeStack) -> Both {
        let native = native_frames[stack.first..stack.end].to_vec();
        Both { tid: stack.tid, python: Vec::new(), native, whole: stack.whole }
    }

    /// True when the names of all native frames are known; else those that are not have been asked for. With `wait` they are waited
    /// for.
    pub(crate) fn is_known(
        &self,
        native: &mut Native,
        process: (Option<&Target>, &dyn Memory),
        tables: &mut Tables,
        wait: bool,
    ) -> bool {
        let mut all = true;
        for frame in &self.native {
            all &= native.learn(frame.at, process, tables);
        }
        if wait && !all {
            for frame in &self.native {
                native.learn(frame.at, process, tables);
                native.await_answer(frame.at, tables);
            }
        }
        all || wait
    }

    /// The two in one, on top of `root`, when all names are known.
    pub(crate) fn mix(&self, native: &Native, root: Option<StackId>, full: bool, tables: &mut Tables) -> Mixed {
        let runs_python = self.python.iter().any(|(link, _)| matches!(link, Link::Function(_)));
        if !runs_python && !native.all {
            return Mixed::Stack { stack: None, cut: false };
        }
        let known: Vec<Option<&Known>> = self.native.iter().map(|frame| native.known(frame.at)).collect();
        let kind = |known: Option<&Known>| known.map_or(Kind::Nameless, |known| known.kind);
        let frames: Vec<_> = self.native.iter().zip(&known).map(|(frame, known)| (*frame, kind(*known))).collect();
        let first = known.iter().rposition(|known| known.is_some_and(|known| known.is_first));
        // Some C libraries can not be followed to where they begin a thread.
        let whole = self.whole || first.is_some();
        // How a thread gets to its first function is the C library's business, and often has no names.
        let first = first.or_else(|| {
            let after = known.iter().rposition(|known| known.is_none_or(|known| !known.may_be_start));
            after.filter(|_| self.whole)
        });
        let links: Vec<Link> = self.python.iter().map(|(link, _)| *link).collect();
        let mut merged = Vec::new();
        if !runs_python {
            merged.extend((0..frames.len()).map(Merged::Native));
            merged.extend((!whole).then_some(Merged::Cut));
        } else if let Err(why) = merge(&frames, whole, &links, &mut merged) {
            log::debug!("thread {}: {} loops, {} entries do not fit", self.tid, why.loops, why.entries);
            return Mixed::Unmerged;
        }
        let mut top = root;
        // The last frame, if it is native, and the stack below it.
        let mut last = None;
        for frame in merged.into_iter().rev() {
            let outer = last.take();
            match frame {
                Merged::Python(index) => {
                    top = self.python[index].1.map_or(top, |frame| Some(tables.stack(top, frame)));
                }
                Merged::Cut => {
                    let text = tables.string(CUT);
                    let frame = tables.frame(Frame::Note(text));
                    top = Some(tables.stack(top, frame));
                }
                Merged::Native(index) if first.is_some_and(|first| index > first) && !full => {}
                Merged::Native(index) => {
                    last = outer;
                    let Some(known) = known[index].filter(|known| full || !known.is_plumbing) else { continue };
                    for &named in &known.frames {
                        if let Some((_, below)) = last.filter(|(outer, _): &(_, _)| named.continues(*outer)) {
                            top = below;
                        }
                        last = Some((named, top));
                        top = Some(tables.stack(top, named.id));
                    }
                }
            }
        }
        Mixed::Stack { stack: (top != root).then_some(top).flatten(), cut: !whole }
    }
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
