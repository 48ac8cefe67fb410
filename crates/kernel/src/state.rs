//! The thread state of the thread that a tick is in: which one it is, and what is taken from it.

use py_spy_python::layout::{FrameSlot, Layout};

use crate::assembler::Reg::{R0, R1, R2, R3, R7, R8, R9, R10};
use crate::assembler::Width::{Double, Word};
use crate::assembler::{Assembler, Label};
use crate::record::field;
use crate::walker::{IDS, Maps, READ_USER, STATE, STATE_SPAN, Subject, address, look_up, read};

/// Thread states at the head of the list that are looked at for a thread that is not known yet.
const NEWEST: i32 = 64;

/// The fields that are read of a thread state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// The first one, and how many bytes there are to the end of the last.
    first: u32,
    span: u32,
    /// Whatever leads to the innermost frame.
    slot: u32,
}

impl Fields {
    /// Those of a layout; `None` when they lie too far apart.
    pub(crate) fn of(layout: &Layout) -> Option<Fields> {
        let thread = &layout.thread;
        let slot = match thread.frame {
            FrameSlot::Here(at) | FrameSlot::ThroughCFrame { slot: at, .. } => at,
        };
        let fields = [Some(thread.interp), Some(thread.id), thread.native_id, thread.base_frame, Some(slot)];
        let first = fields.iter().flatten().min().copied()?;
        let span = fields.iter().flatten().max()? + 8 - first;
        (span <= STATE_SPAN).then_some(Fields { first, span, slot })
    }
}

/// Step 4: register 8 is the thread's state, register 9 is 0. Where states have no native id, it is left in the record.
pub(crate) fn find_state(a: &mut Assembler, subject: &Subject<'_>, maps: Maps, output: Label) -> Option<()> {
    let (unknown, own) = (a.label(), a.label());
    a.set(R8, 0);
    a.set(R9, 0);
    look_up(a, maps.states, IDS);
    a.jump_if(R0, 0, unknown);
    a.load(Double, R8, R0, 0);
    // It may be another thread's by now.
    is_own(a, subject, own, (unknown, unknown));
    a.place(unknown);
    a.set_wide(R3, subject.interpreter.checked_add(subject.layout.interpreter.threads_head.into())?);
    newest_of_list(a, subject, own, output);

    a.place(own);
    if subject.layout.thread.native_id.is_none() {
        a.load(Word, R2, R10, IDS);
        a.store(Double, R7, field::NATIVE, R2);
    }
    a.set(R9, 0);
    Some(())
}

/// Step 5: register 8 is the innermost frame, or 0.
pub(crate) fn read_state(a: &mut Assembler, subject: &Subject<'_>, fields: Fields, output: Label) {
    let Fields { first, span, slot } = fields;
    let thread = &subject.layout.thread;
    a.store(Double, R7, field::STATE, R8);
    read(a, STATE, span, R8, first);
    a.jump_unless(R0, 0, output);
    let mut of_state = |at: u32, into: i16| {
        a.load(Double, R1, R10, STATE + (at - first) as i16);
        a.store(Double, R7, into, R1);
    };
    of_state(thread.interp, field::INTERPRETER);
    of_state(thread.id, field::THREAD);
    if let Some(at) = thread.native_id {
        of_state(at, field::NATIVE);
    }
    if let Some(at) = thread.base_frame {
        of_state(at, field::BASE);
    }
    a.load(Double, R8, R10, STATE + (slot - first) as i16);
    if let FrameSlot::ThroughCFrame { frame, .. } = thread.frame {
        a.store(Double, R7, field::CFRAME, R8);
        read(a, STATE, 8, R8, frame);
        a.jump_unless(R0, 0, output);
        a.load(Double, R8, R10, STATE);
    }
    a.store(Double, R7, field::INNERMOST, R8);
    if let Some(gil) = subject.gil {
        for (at, into, length) in [(gil.last_holder, field::HOLDER, 8), (gil.locked, field::LOCKED, 4)] {
            a.copy(R1, R7);
            a.add(R1, into.into());
            a.set(R2, length);
            a.set_wide(R3, at);
            a.call(READ_USER);
        }
    }
}

/// Goes through the newest states of the list whose head is at the address in register 3: the one with the thread's own id
/// is in register 8 then. Register 8 is 0 where there is none.
fn newest_of_list(a: &mut Assembler, subject: &Subject<'_>, own: Label, none: Label) {
    let thread = &subject.layout.thread;
    let (look, next, failed) = (a.label(), a.label(), a.label());
    address(a, R1, STATE);
    a.set(R2, 8);
    a.call(READ_USER);
    a.jump_unless(R0, 0, failed);
    a.load(Double, R8, R10, STATE);
    a.place(look);
    a.jump_if(R8, 0, none);
    is_own(a, subject, own, (failed, next));
    a.place(next);
    read(a, STATE, 8, R8, thread.next);
    a.jump_unless(R0, 0, failed);
    a.load(Double, R8, R10, STATE);
    a.add(R9, 1);
    a.jump_if_below(R9, NEWEST, look);
    a.place(failed);
    a.set(R8, 0);
    a.set(R9, 0);
    a.jump(none);
}

/// Goes on at the label if the state in register 8 is that of the thread that the tick is in, and at the next ones if it can not be
/// read, or what the C library keeps of its thread is gone, where states have no native id.
fn is_own(a: &mut Assembler, subject: &Subject<'_>, own: Label, (failed, gone): (Label, Label)) {
    let thread = &subject.layout.thread;
    read(a, STATE, 8, R8, thread.native_id.unwrap_or(thread.id));
    a.jump_unless(R0, 0, failed);
    if thread.native_id.is_none() {
        a.load(Double, R3, R10, STATE);
        a.store_constant(R10, STATE, 0);
        a.add(R3, subject.tid_at as i32);
        address(a, R1, STATE);
        a.set(R2, 4);
        a.call(READ_USER);
        a.jump_unless(R0, 0, gone);
    }
    a.load(Double, R1, R10, STATE);
    a.load(Word, R2, R10, IDS);
    a.jump_if_equal(R1, R2, own);
}
