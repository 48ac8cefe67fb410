//! A sample on its way to the sink.

use py_spy_profile::{Frame, Nanos, Sample, Sink, StackId, Tables, ThreadId};

use super::add;
use crate::{Control, End};

/// What moved while it was read.
const MOVING: &str = "(moving)";

/// A stack that is to be written.
pub(super) struct Written {
    pub(super) at: Nanos,
    pub(super) weight: Nanos,
    pub(super) thread: ThreadId,
    /// What is under it.
    pub(super) root: Option<StackId>,
    /// Frames inside of the innermost one are not known.
    pub(super) moving: bool,
}

impl Written {
    /// Gives it to the sink and counts it. The stack is `Err` when it could not be named, and `None` when there is none.
    pub(super) fn give(
        &self,
        stack: Result<Option<StackId>, ()>,
        control: &Control,
        tables: &mut Tables,
        sink: &mut dyn Sink,
    ) -> Option<End> {
        let Written { at, weight, thread, root, moving } = *self;
        let stack = match stack {
            Ok(stack) if moving => with_moving(tables, stack.or(root)),
            Ok(Some(stack)) => stack,
            // It runs no Python.
            Ok(None) => return None,
            Err(()) => {
                add(&control.dropped, 1);
                return None;
            }
        };
        add(&control.samples, 1);
        add(&control.moving, usize::from(moving));
        sink.sample(&Sample { at, weight, thread, stack }, tables).is_err().then_some(End::Sink)
    }
}

fn with_moving(tables: &mut Tables, stack: Option<StackId>) -> StackId {
    let text = tables.string(MOVING);
    let frame = tables.frame(Frame::Note(text));
    tables.stack(stack, frame)
}
