//! What is done at a tick in the middle of an update that cuts the chain of frames.
//!
//! When a generator is resumed or yields, the link to its caller and the thread's innermost frame are set one after the other
//! (`Python/bytecodes.c`: `SEND`, `YIELD_VALUE`), in an order that is the compiler's. In between the caller's frame is still in a register
//! of the interpreter's loop, in one that calls leave alone, because it is what runs next. So the chain is followed from each of
//! them, and each that reaches a root becomes a record. Which one is right is decided by who reads them: all must agree.
//!
//! So it is when C calls Python: the loop first makes its own `_PyCFrame` the thread's and then sets what that leads to
//! (`_PyEval_EvalFrameDefault` in `Python/ceval.c`). In between the caller's `_PyCFrame` is in a register. It is known by where it
//! lies, further up on the stack than the thread's, and by where it leads, still further up or into the thread state; what it leads to is
//! followed if no other register may be one too.
//!
//! Only in 3.11 and 3.12: before that links are set before frames are entered, and from 3.13 on no chain was seen torn. Each frame that may
//! be followed costs the verifier some 20 us when the program is loaded.

use py_spy_python::FrameWords;
use py_spy_python::layout::{FrameSlot, Layout, Root};

use crate::assembler::Reg::{R0, R1, R2, R3, R6, R7, R8, R9, R10};
use crate::assembler::Width::Double;
use crate::assembler::{Assembler, Label, Reg};
use crate::record::{chain, field};
use crate::walker::{FRAME, STATE, byte_of_frame, follow_frames, output_record, read};

/// No more frames than this are followed from a register: what is deeper stays torn.
const MOST: u32 = 64;

/// In the context (`struct pt_regs`, x86-64): the registers that a function leaves as they were: rbp, rbx, r12 to r15.
const KEPT: [i16; 6] = [32, 40, 24, 16, 8, 0];

/// In the context: all registers but the stack pointer.
const ALL: [i16; 15] = [32, 40, 24, 16, 8, 0, 48, 56, 64, 72, 80, 88, 96, 104, 112];

/// The caller's `_PyCFrame` lies at most so far up on the stack, bytes, and its caller's so far again.
const NEAR: i32 = 1 << 20;

/// The last one lies in the thread state, within so many bytes.
const IN_STATE: i32 = 4096;

/// In `_PyCFrame` (`Include/cpython/pystate.h`): `previous` comes so many bytes after `current_frame`.
const PREVIOUS: i16 = 8;

/// On the program's own stack, where nothing else is by then: the caller's `_PyCFrame`, or 0, and what it leads to.
const CALLER: i16 = STATE;
const CURRENT: i16 = STATE + 8;

/// In the context: the code segment, whose two lowest bits are 3 in the program's own code. In the kernel's the registers are the
/// kernel's, and no update is under way.
const CODE_SEGMENT: i16 = 136;
const USER: i32 = 3;

/// The repair of a torn chain.
pub(crate) struct Repair<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) words: &'a FrameWords,
    pub(crate) ring: i32,
    /// Where the record is written as it is.
    pub(crate) output: Label,
    /// Where it is counted that there was no room.
    pub(crate) full: Label,
}

impl Repair<'_> {
    /// From a chain that ended, and from one of which a frame could not be read.
    pub(crate) fn assemble(&self, a: &mut Assembler, (whole, unreadable): (Label, Label)) -> Option<()> {
        let FrameSlot::ThroughCFrame { frame, .. } = self.layout.thread.frame else {
            a.place(whole);
            a.place(unreadable);
            a.jump(self.output);
            return Some(());
        };
        a.place(whole);
        self.go_on_at_root(a, self.output)?;
        a.place(unreadable);
        a.load(Double, R1, R6, CODE_SEGMENT);
        a.mask(R1, USER);
        a.jump_unless(R1, USER, self.output);
        for register in KEPT {
            a.load(Double, R8, R6, register);
            self.offer(a)?;
        }
        let none = a.label();
        callers_cframe(a, frame, none);
        self.offer(a)?;
        a.place(none);
        a.store_constant(R7, field::CHAIN, chain::TORN);
        a.set(R8, 0);
        a.set(R9, 0);
        a.jump(self.output);
        Some(())
    }

    /// A record of the chain from the frame in register 8 on, if it is one that reaches a root.
    fn offer(&self, a: &mut Assembler) -> Option<()> {
        let (ends, reached, next) = (a.label(), a.label(), a.label());
        a.jump_if(R8, 0, next);
        a.store(Double, R7, field::INNERMOST, R8);
        follow_frames(a, self.layout, self.words, MOST, (ends, next))?;
        a.jump(next);
        a.place(ends);
        self.go_on_at_root(a, reached)?;
        a.jump(next);
        a.place(reached);
        a.store_constant(R7, field::CHAIN, chain::OFFERED);
        output_record(a, self.words, self.ring);
        a.jump_unless(R0, 0, self.full);
        a.place(next);
        Some(())
    }

    /// Goes on at a label if the last frame may be the outermost one.
    fn go_on_at_root(&self, a: &mut Assembler, at: Label) -> Option<()> {
        match self.layout.frame.root {
            Root::NotOwnedBy { owner, generator } => {
                byte_of_frame(a, self.words, R1, owner)?;
                a.jump_unless(R1, generator.into(), at);
            }
            Root::Shim { owner, least } => {
                let below = a.label();
                byte_of_frame(a, self.words, R1, owner)?;
                a.jump_if_below(R1, least.into(), below);
                a.jump(at);
                a.place(below);
            }
            Root::Any | Root::NoGenerator { .. } => {}
        }
        Some(())
    }
}

/// Register 8 is the frame that the caller's `_PyCFrame` leads to, if just one may be that; else it goes on at the label.
fn callers_cframe(a: &mut Assembler, frame: u32, none: Label) {
    a.store_constant(R10, CALLER, 0);
    for register in ALL {
        let (leads, is_new, next) = (a.label(), a.label(), a.label());
        a.load(Double, R8, R6, register);
        a.load(Double, R1, R7, field::CFRAME);
        is_within(a, (R8, R1), NEAR, next);
        read(a, FRAME, 16, R8, frame);
        a.jump_unless(R0, 0, next);
        let above = a.label();
        a.load(Double, R1, R10, FRAME + PREVIOUS);
        is_within(a, (R1, R8), NEAR, above);
        a.jump(leads);
        a.place(above);
        a.load(Double, R2, R7, field::STATE);
        is_within(a, (R1, R2), IN_STATE, next);
        a.place(leads);
        a.load(Double, R1, R10, CALLER);
        a.jump_if(R1, 0, is_new);
        a.jump_if_equal(R1, R8, next);
        a.jump(none);
        a.place(is_new);
        a.store(Double, R10, CALLER, R8);
        a.load(Double, R1, R10, FRAME);
        a.store(Double, R10, CURRENT, R1);
        a.place(next);
    }
    a.load(Double, R1, R10, CALLER);
    a.jump_if(R1, 0, none);
    a.load(Double, R8, R10, CURRENT);
}

/// Goes on at the label unless the first register is more than the second one, by less than so many.
fn is_within(a: &mut Assembler, (register, base): (Reg, Reg), less_than: i32, otherwise: Label) {
    let near = a.label();
    a.copy(R3, register);
    a.subtract_register(R3, base);
    a.jump_if(R3, 0, otherwise);
    a.jump_if_below(R3, less_than, near);
    a.jump(otherwise);
    a.place(near);
}
