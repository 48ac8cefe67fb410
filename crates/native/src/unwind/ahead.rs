//! Code without unwind tables: what it will do until it returns is read from its instructions.
//!
//! Hand-written assembly, what a JIT makes and trampolines have no tables, and often no frame pointers. But a function must
//! find its own way back: whatever way through it is taken, at its `ret` the stack pointer is at the return address and the
//! registers that belong to the caller are restored. So the instructions are followed from the one that comes next, with
//! the registers and the stack that there are, until one returns. Which way a branch goes is not known; the first way that
//! leads to a place behind a call is taken.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind,
    Register,
};
use py_spy_address_space::{Addr, Memory, PAGE, read_u64};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Stack;
use super::row::Row;
use crate::Registers;
use crate::registers::{RBP, RIP, RSP};

/// No instruction is longer.
const MAX_INSTRUCTION: usize = 15;

/// So many instructions are followed, all ways together: a kernel that multiplies matrices has some thousand before its end.
const MAX_STEPS: usize = 1 << 14;

/// So many ways are kept to be tried later.
const MAX_WAYS: usize = 1 << 10;

/// So many pages of code are read for it.
const MAX_PAGES: usize = 64;

/// What a function that is called may change (System V ABI, 3.2.1), in the numbers of DWARF: rax, rdx, rcx, rsi, rdi, r8 to r11.
const NOT_KEPT: [u16; 9] = [0, 1, 2, 4, 5, 8, 9, 10, 11];

/// The registers of a thread's caller, whose next instruction is at `registers`' instruction pointer, in code without tables.
/// `None` when no way to a return is found.
///
/// `row` says how the frame of code with tables restores its caller: whoever jumps there (a trampoline) has no frame any more.
pub(super) fn caller(
    memory: &dyn Memory,
    registers: &Registers,
    stack: &dyn Stack,
    row: &mut dyn FnMut(Addr) -> Option<Row>,
) -> Option<Registers> {
    let mut code = PagesOfCode { memory, pages: FxHashMap::default() };
    let mut info = InstructionInfoFactory::new();
    let mut seen = FxHashSet::default();
    let mut ways = vec![Way { registers: *registers, stores: FxHashMap::default() }];
    let mut steps = 0;
    while let Some(mut way) = ways.pop() {
        while steps < MAX_STEPS {
            steps += 1;
            let Some(at) = way.registers.instruction().filter(|&at| seen.insert(at)) else { break };
            let Some(instruction) = code.instruction(at) else { break };
            way.registers.set(RIP, Some(instruction.next_ip()));
            match instruction.flow_control() {
                FlowControl::Next => way.step(&instruction, (stack, memory), &mut info),
                FlowControl::Call | FlowControl::IndirectCall => {
                    for register in NOT_KEPT {
                        way.registers.set(register, None);
                    }
                    // It may be one that nothing comes back from (`abort`), with other code behind it: tried last.
                    if ways.len() < MAX_WAYS {
                        ways.insert(0, way);
                    }
                    break;
                }
                FlowControl::ConditionalBranch => {
                    // Ends are ahead: what goes forward skips code, and what goes back is a loop.
                    let (mut first, mut other) = (instruction.next_ip(), instruction.near_branch_target());
                    if other > first {
                        std::mem::swap(&mut first, &mut other);
                    }
                    if ways.len() < MAX_WAYS {
                        let mut later = way.clone();
                        later.registers.set(RIP, Some(other));
                        ways.push(later);
                    }
                    way.registers.set(RIP, Some(first));
                }
                FlowControl::UnconditionalBranch | FlowControl::IndirectBranch => {
                    let Some(target) = way.target(&instruction, (stack, memory)) else { break };
                    way.registers.set(RIP, Some(target));
                    if let Some(row) = row(target) {
                        let caller = row.step(&way.registers, &|at| way.word(at, stack));
                        match caller.filter(|caller| caller.instruction().is_some_and(|back| code.is_behind_call(back)))
                        {
                            Some(caller) => return Some(caller),
                            None => break,
                        }
                    }
                }
                FlowControl::Return => {
                    let popped = 8 + u64::from(if instruction.op_count() == 1 { instruction.immediate16() } else { 0 });
                    let Some(top) = way.registers.stack() else { break };
                    let back = way.word(top, stack);
                    way.registers.set(RIP, back);
                    way.registers.set(RSP, top.checked_add(popped));
                    match back {
                        Some(back) if code.is_behind_call(back) => return Some(way.registers),
                        _ => break,
                    }
                }
                // Nothing comes back from there.
                FlowControl::Interrupt | FlowControl::XbeginXabortXend | FlowControl::Exception => break,
            }
        }
    }
    None
}

/// True when what is in front of this address is a call: a place that something can return to.
pub(super) fn is_behind_call(memory: &dyn Memory, address: Addr) -> bool {
    PagesOfCode { memory, pages: FxHashMap::default() }.is_behind_call(address)
}

/// The process's code, page by page.
struct PagesOfCode<'a> {
    memory: &'a dyn Memory,
    pages: FxHashMap<Addr, Option<Box<[u8; PAGE]>>>,
}

impl PagesOfCode<'_> {
    /// The instruction at an address, if there is one.
    fn instruction(&mut self, at: Addr) -> Option<Instruction> {
        let mut bytes = [0; MAX_INSTRUCTION];
        let mut length = 0;
        for (offset, byte) in (0..).zip(&mut bytes) {
            let at = at.checked_add(offset)?;
            let Some(page) = self.page(at - at % PAGE as u64) else { break };
            *byte = page[(at % PAGE as u64) as usize];
            length += 1;
        }
        let mut decoder = Decoder::with_ip(64, &bytes[..length], at, DecoderOptions::NONE);
        let instruction = decoder.decode();
        (instruction.code() != Code::INVALID).then_some(instruction)
    }

    fn page(&mut self, start: Addr) -> Option<&[u8; PAGE]> {
        if self.pages.len() >= MAX_PAGES && !self.pages.contains_key(&start) {
            return None;
        }
        let memory = self.memory;
        let page = self.pages.entry(start).or_insert_with(|| {
            let mut page = Box::new([0; PAGE]);
            memory.read(start, &mut page[..]).is_ok().then_some(page)
        });
        page.as_deref()
    }

    /// Calls are two to seven bytes long.
    fn is_behind_call(&mut self, address: Addr) -> bool {
        (2..=7).any(|length| {
            let instruction = address.checked_sub(length).and_then(|at| self.instruction(at));
            instruction.is_some_and(|instruction| {
                let calls = matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall);
                calls && instruction.len() as u64 == length
            })
        })
    }
}

/// One way through the code, as far as it has been followed.
#[derive(Clone)]
struct Way {
    registers: Registers,
    /// What it has written to the stack, by address; `None` where that is not known.
    stores: FxHashMap<Addr, Option<u64>>,
}

impl Way {
    fn word(&self, at: Addr, stack: &dyn Stack) -> Option<u64> {
        match self.stores.get(&at) {
            Some(stored) => *stored,
            None => stack.word(at),
        }
    }

    fn get(&self, register: Register) -> Option<u64> {
        self.registers.get(number(register)?)
    }

    fn set(&mut self, register: Register, value: Option<u64>) {
        if let Some(number) = number(register) {
            self.registers.set(number, value);
        }
    }

    /// Where the memory is that the instruction works with.
    fn address(&self, instruction: &Instruction) -> Option<Addr> {
        let operand = (0..instruction.op_count()).find(|&index| instruction.op_kind(index) == OpKind::Memory)?;
        instruction.virtual_address(operand, 0, |register, _, _| match register {
            Register::ES | Register::CS | Register::SS | Register::DS => Some(0),
            register => self.get(register),
        })
    }

    /// A word of memory that an instruction reads: the code's own constants, or the stack.
    fn load(&self, instruction: &Instruction, (stack, memory): (&dyn Stack, &dyn Memory)) -> Option<u64> {
        if instruction.is_ip_rel_memory_operand() {
            return read_u64(memory, instruction.ip_rel_memory_address()).ok();
        }
        self.word(self.address(instruction)?, stack)
    }

    /// Where a jump goes.
    fn target(&self, instruction: &Instruction, from: (&dyn Stack, &dyn Memory)) -> Option<Addr> {
        match instruction.op0_kind() {
            OpKind::NearBranch64 => Some(instruction.near_branch_target()),
            OpKind::Register => self.get(instruction.op0_register()),
            OpKind::Memory => self.load(instruction, from),
            _ => None,
        }
    }

    /// The value of the second operand, of 64 bits.
    fn source(&self, instruction: &Instruction, from: (&dyn Stack, &dyn Memory)) -> Option<u64> {
        match instruction.op1_kind() {
            OpKind::Register => self.get(instruction.op1_register()),
            OpKind::Memory => self.load(instruction, from),
            OpKind::Immediate8to64 | OpKind::Immediate32to64 | OpKind::Immediate64 => Some(instruction.immediate(1)),
            _ => None,
        }
    }

    /// What an instruction does to the registers and the stack.
    fn step(&mut self, instruction: &Instruction, from: (&dyn Stack, &dyn Memory), info: &mut InstructionInfoFactory) {
        let (top, stack) = (self.registers.stack(), from.0);
        let to = instruction.op0_register();
        let whole = instruction.op0_kind() == OpKind::Register && to.is_gpr64();
        match instruction.mnemonic() {
            Mnemonic::Push if instruction.stack_pointer_increment() == -8 => {
                let value = match instruction.op0_kind() {
                    OpKind::Register => self.get(to),
                    OpKind::Memory => self.load(instruction, from),
                    _ => Some(instruction.immediate(0)),
                };
                let top = top.map(|top| top.wrapping_sub(8));
                if let Some(top) = top {
                    self.stores.insert(top, value);
                }
                self.registers.set(RSP, top);
            }
            Mnemonic::Pop if whole => {
                let value = top.and_then(|top| self.word(top, stack));
                self.registers.set(RSP, top.map(|top| top.wrapping_add(8)));
                self.set(to, value);
            }
            Mnemonic::Leave => {
                let frame = self.registers.get(RBP);
                let saved = frame.and_then(|frame| self.word(frame, stack));
                self.registers.set(RSP, frame.map(|frame| frame.wrapping_add(8)));
                self.registers.set(RBP, saved);
            }
            Mnemonic::Mov if whole => {
                let value = self.source(instruction, from);
                self.set(to, value);
            }
            Mnemonic::Lea if whole => {
                let value = self.address(instruction);
                self.set(to, value);
            }
            Mnemonic::Add | Mnemonic::Sub | Mnemonic::And if whole => {
                let both = self.get(to).zip(self.source(instruction, from));
                let value = both.map(|(left, right)| match instruction.mnemonic() {
                    Mnemonic::Add => left.wrapping_add(right),
                    Mnemonic::Sub => left.wrapping_sub(right),
                    _ => left & right,
                });
                self.set(to, value);
            }
            Mnemonic::Mov if instruction.op0_kind() == OpKind::Memory && instruction.op1_register().is_gpr64() => {
                if let Some(at) = self.address(instruction) {
                    self.stores.insert(at, self.get(instruction.op1_register()));
                }
            }
            _ => self.forget(instruction, info),
        }
    }

    /// Of any other instruction only what it changes is known.
    fn forget(&mut self, instruction: &Instruction, info: &mut InstructionInfoFactory) {
        let info = info.info(instruction);
        let writes =
            |access| !matches!(access, OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
        for used in info.used_registers().iter().filter(|used| writes(used.access())) {
            self.set(used.register(), None);
        }
        // Through an address that is not known nobody writes what restores registers.
        if let (Some(first), true) =
            (self.address(instruction), info.used_memory().iter().any(|used| writes(used.access())))
        {
            let end = first.saturating_add(instruction.memory_size().size().max(1) as u64);
            let mut word = first - first % 8;
            while word < end {
                self.stores.insert(word, None);
                word += 8;
            }
        }
    }
}

/// The number that DWARF gives to a register or the one that it is a part of.
fn number(register: Register) -> Option<u16> {
    Some(match register.full_register() {
        Register::RAX => 0,
        Register::RDX => 1,
        Register::RCX => 2,
        Register::RBX => 3,
        Register::RSI => 4,
        Register::RDI => 5,
        Register::RBP => RBP,
        Register::RSP => RSP,
        Register::R8 => 8,
        Register::R9 => 9,
        Register::R10 => 10,
        Register::R11 => 11,
        Register::R12 => 12,
        Register::R13 => 13,
        Register::R14 => 14,
        Register::R15 => 15,
        Register::RIP => RIP,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
