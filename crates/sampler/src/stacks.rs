//! From raw frames to stack ids, with what was the same last time not looked up again.

pub(crate) mod mixed;

use py_spy_address_space::{Addr, Memory};
use py_spy_profile::{FrameId, StackId, Tables};
use py_spy_python::RawFrame;
use py_spy_python::layout::Layout;

use crate::codes::{Codes, Naming};
use crate::file_names::FileNames;

/// One thread's last stack, root first: each raw frame and the stack that it led to.
#[derive(Debug, Default)]
pub(crate) struct Path {
    root: Option<StackId>,
    /// [`Codes::replaced`] when it was made: a code object's address may mean another one since.
    replaced: u64,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    code: Addr,
    position: i64,
    /// After this frame; hidden frames do not change it.
    stack: Option<StackId>,
}

/// What naming needs.
pub(crate) struct Namer<'a> {
    pub(crate) codes: &'a mut Codes,
    pub(crate) files: &'a mut FileNames,
    pub(crate) memory: &'a dyn Memory,
    pub(crate) layout: &'a Layout,
    pub(crate) tables: &'a mut Tables,
    pub(crate) naming: Naming,
}

impl Namer<'_> {
    /// The frame's id; `None` for a hidden frame, `Err` for one whose code object has gone.
    fn frame(&mut self, frame: &RawFrame) -> Result<Option<FrameId>, ()> {
        self.codes
            .frame(frame, self.memory, self.layout, self.naming, self.files, self.tables)
            .map_err(|why| log::debug!("a frame without a name: {why}"))
    }
}

impl Path {
    /// The stack of these frames, given root first, on top of `root`. `Ok(None)` when there is none at all.
    ///
    /// # Errors
    /// When a frame can not be named any more.
    pub(crate) fn push<'f>(
        &mut self,
        root: Option<StackId>,
        frames: impl Iterator<Item = &'f RawFrame> + Clone,
        namer: &mut Namer<'_>,
    ) -> Result<Option<StackId>, ()> {
        if self.root != root || self.replaced != namer.codes.replaced {
            self.steps.clear();
        }
        (self.root, self.replaced) = (root, namer.codes.replaced);
        let mut depth = 0;
        let mut stack = root;
        for frame in frames.clone() {
            match self.steps.get(depth) {
                Some(step) if step.code == frame.code && step.position == frame.position => stack = step.stack,
                _ => {
                    self.steps.truncate(depth);
                    let id = namer.frame(frame).inspect_err(|()| self.steps.clear())?;
                    stack = id.map_or(stack, |id| Some(namer.tables.stack(stack, id)));
                    self.steps.push(Step { code: frame.code, position: frame.position, stack });
                }
            }
            depth += 1;
        }
        if stack != root || depth == 0 {
            return Ok((stack != root).then_some(stack).flatten());
        }
        // All that runs is hidden: better shown than lost.
        let naming = namer.naming;
        namer.naming.full_stack = true;
        let all = frames.filter(|frame| !frame.shim).try_fold(root, |stack, frame| {
            let id = namer.frame(frame)?;
            Ok(id.map_or(stack, |id| Some(namer.tables.stack(stack, id))))
        });
        namer.naming = naming;
        all.map(|stack| if stack == root { None } else { stack })
    }
}
