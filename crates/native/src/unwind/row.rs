//! What unwind tables say of one address: where its frame begins, and where its caller's registers are.

use gimli::{CfaRule, EndianSlice, LittleEndian, RegisterRule, UnwindExpression, UnwindSection, UnwindTableRow};

use super::Stack;
use super::expression::evaluate;
#[cfg(test)]
use crate::registers::RIP;
use crate::{Machine, Registers};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// How the frame at an address restores its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    frame: Frame,
    saved: Box<[(u16, Saved)]>,
    /// The register that has the return address in the caller.
    back: u16,
    is_signal: bool,
}

/// Where the frame begins: the "canonical frame address", mostly the caller's stack pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    Plus(u16, i64),
    Expression(Box<[u8]>),
}

/// Where a register of the caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Saved {
    /// In memory, so far from the frame's beginning.
    At(i64),
    /// It is the frame's beginning, and so much.
    Is(i64),
    In(u16),
    AtExpression(Box<[u8]>),
    IsExpression(Box<[u8]>),
    Constant(u64),
    Gone,
}

impl Row {
    pub(super) fn new<'a>(
        row: &UnwindTableRow<usize>,
        back: u16,
        is_signal: bool,
        section: &impl UnwindSection<Bytes<'a>>,
    ) -> Option<Row> {
        let code = |expression: &UnwindExpression<usize>| -> Option<Box<[u8]>> {
            Some(expression.get(section).ok()?.0.slice().into())
        };
        let frame = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => Frame::Plus(register.0, *offset),
            CfaRule::Expression(expression) => Frame::Expression(code(expression)?),
        };
        let mut saved = Vec::new();
        for (register, rule) in row.registers() {
            let rule = match rule {
                RegisterRule::Undefined => Saved::Gone,
                RegisterRule::SameValue => continue,
                RegisterRule::Offset(offset) => Saved::At(*offset),
                RegisterRule::ValOffset(offset) => Saved::Is(*offset),
                RegisterRule::Register(register) => Saved::In(register.0),
                RegisterRule::Expression(expression) => Saved::AtExpression(code(expression)?),
                RegisterRule::ValExpression(expression) => Saved::IsExpression(code(expression)?),
                RegisterRule::Constant(value) => Saved::Constant(*value),
                RegisterRule::Architectural => return None,
            };
            saved.push((register.0, rule));
        }
        Some(Row { frame, saved: saved.into(), back, is_signal })
    }

    /// Made by a test.
    #[cfg(test)]
    pub(super) fn made(frame: Frame, saved: Box<[(u16, Saved)]>) -> Row {
        Row { frame, saved, back: RIP, is_signal: false }
    }

    /// It has no caller: the tables say that its return address is nowhere (`_start`, `clone`).
    pub(super) fn is_root(&self) -> bool {
        self.saved.contains(&(self.back, Saved::Gone))
    }

    /// The kernel made it to call a signal's handler.
    pub(super) fn is_signal(&self) -> bool {
        self.is_signal
    }

    /// It says itself where the stack of its caller is, which may be another one.
    pub(super) fn switches_stacks(&self, machine: Machine) -> bool {
        let stack = machine.stack();
        matches!(self.frame, Frame::Expression(_)) || self.saved.iter().any(|&(register, _)| register == stack)
    }

    /// The registers as they were in the caller, right after the call.
    pub(super) fn step(&self, registers: &Registers, stack: &dyn Stack) -> Option<Registers> {
        let frame = match &self.frame {
            Frame::Plus(register, offset) => registers.get(*register)?.wrapping_add_signed(*offset),
            Frame::Expression(code) => evaluate(code, registers, stack, None)?,
        };
        let mut caller = *registers;
        caller.set_stack(Some(frame));
        // Unless a rule says where it is. What a call leaves in a register may be there still.
        caller.set_instruction(None);
        for (register, saved) in &self.saved {
            let value = match saved {
                Saved::At(offset) => stack.word(frame.wrapping_add_signed(*offset)),
                Saved::Is(offset) => Some(frame.wrapping_add_signed(*offset)),
                Saved::In(other) => registers.get(*other),
                Saved::AtExpression(code) => {
                    evaluate(code, registers, stack, Some(frame)).and_then(|at| stack.word(at))
                }
                Saved::IsExpression(code) => evaluate(code, registers, stack, Some(frame)),
                Saved::Constant(value) => Some(*value),
                Saved::Gone => None,
            };
            caller.set(*register, value);
        }
        // Without it there is nothing to go on with. (One that is zero ends the walk.)
        caller.set_instruction(Some(caller.get(self.back)?));
        Some(caller)
    }
}
