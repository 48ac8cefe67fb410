//! What is done at a tick in the middle of an update that cuts the chain of frames.
//!
//! When a generator is resumed or yields, the link to its caller and the thread's innermost frame are set one after the other
//! (`Python/bytecodes.c`: `SEND`, `YIELD_VALUE`), in an order that is the compiler's. In between the caller's frame is still in a register
//! of the interpreter's loop, in one that calls leave alone, because it is what runs next. So the chain is followed from each of
//! them, and each that reaches a root becomes a record. Which one is right is decided by who reads them: all must agree.
//!
//! Only in 3.11 and 3.12: before that links are set before frames are entered, and from 3.13 on no chain was seen torn. Each frame that may
//! be followed costs the verifier some 20 us when the program is loaded.

use py_spy_python::FrameWords;
use py_spy_python::layout::{FrameSlot, Layout, Root};

use crate::assembler::Reg::{R0, R1, R6, R7, R8, R9};
use crate::assembler::Width::Double;
use crate::assembler::{Assembler, Label};
use crate::record::{chain, field};
use crate::walker::{byte_of_frame, follow_frames, output_record};

/// No more frames than this are followed from a register: what is deeper stays torn.
const MOST: u32 = 64;

/// In the context (`struct pt_regs`, x86-64): the registers that a function leaves as they were: rbp, rbx, r12 to r15.
const KEPT: [i16; 6] = [32, 40, 24, 16, 8, 0];

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
        if !matches!(self.layout.thread.frame, FrameSlot::ThroughCFrame { .. }) {
            a.place(whole);
            a.place(unreadable);
            a.jump(self.output);
            return Some(());
        }
        a.place(whole);
        self.go_on_at_root(a, self.output)?;
        a.place(unreadable);
        a.load(Double, R1, R6, CODE_SEGMENT);
        a.mask(R1, USER);
        a.jump_unless(R1, USER, self.output);
        for register in KEPT {
            let (ends, reached, next) = (a.label(), a.label(), a.label());
            a.load(Double, R8, R6, register);
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
        }
        a.store_constant(R7, field::CHAIN, chain::TORN);
        a.set(R8, 0);
        a.set(R9, 0);
        a.jump(self.output);
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
