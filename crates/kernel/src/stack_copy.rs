//! A tick's native stack: the registers that the program itself has, what lies on its stack, and where it was in the kernel, as a
//! record in front of the tick's own.
//!
//! The stack is copied page by page, for a read of which a part is missing has nothing at all; the first part is what is left of
//! the page with the stack pointer. A page that is missing is left out, for a function may have a buffer on the stack that it has
//! not used yet. User space says where each thread's stack begins, once it has followed it to there: a thread of which that is not
//! known has as much copied as there is room.

use crate::assembler::Reg::{R0, R1, R2, R3, R4, R6, R7, R8, R9, R10};
use crate::assembler::Width::Double;
use crate::assembler::{Assembler, Label};
use crate::record::{KERNEL_FRAMES, REGISTERS, STACK, STACK_HEADER, field, stack_field};
use crate::walker::{FRAME, IDS, KEY, Maps, NO_WAKEUP, READ_USER, RING_OUTPUT, look_up};

/// Functions of the kernel: where it is, the task, and the registers that its program has, also while it is within a system call.
const GET_STACK: i32 = 67;
const CURRENT_TASK: i32 = 158;
const TASK_REGISTERS: i32 = 175;

/// What a function may use below its stack pointer, bytes (System V ABI, 3.2.2).
const RED_ZONE: i32 = 128;

const PAGE: i32 = 4096;

/// In `struct pt_regs`, x86-64, where DWARF's registers 0 to 16 are: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip.
const PLACES: [i16; REGISTERS] = [80, 96, 88, 40, 104, 112, 32, 152, 72, 64, 56, 48, 24, 16, 8, 0, 128];
const STACK_POINTER: i16 = 152;

/// On the program's own stack, where nothing else is by then: how many parts were read, and how many bytes this part has.
const PARTS: i16 = FRAME;
const PART: i16 = FRAME + 8;

/// What copying one page takes at most, ns, and which part of a period it may take: interrupts are off meanwhile.
const PAGE_TAKES: u64 = 1_200;
const PART_OF_PERIOD: u64 = 20;

/// So many pages of a stack are copied at most, at the highest rates and otherwise.
const FEW_PAGES: u32 = 4;
const MANY_PAGES: u32 = 32;

/// How many pages of a stack are copied at most where a tick comes after each `period` ns.
pub(crate) fn pages_at(period: u64) -> u32 {
    let most = period / PART_OF_PERIOD / PAGE_TAKES;
    u32::try_from(most).unwrap_or(u32::MAX).clamp(FEW_PAGES, MANY_PAGES)
}

/// What is copied of stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stacks {
    /// The stack in the program.
    pub user: bool,
    /// Where the thread was in the kernel.
    pub kernel: bool,
    /// Those of threads that have no thread state too.
    pub of_all: bool,
}

impl Stacks {
    /// How many bytes of a record come before the stack.
    fn before(self) -> i32 {
        8 * (STACK_HEADER + if self.kernel { KERNEL_FRAMES } else { 0 }) as i32
    }

    /// How long a record is at most whose stack may have so many pages, bytes. The last part may end a page further.
    pub(crate) fn longest(self, pages: u32) -> u32 {
        self.before() as u32 + (pages + 1) * PAGE as u32
    }

    /// The record of the stack, of so many pages at most, in front of that in register 7. Goes on at the label if there is no room
    /// for it.
    pub(crate) fn output(self, a: &mut Assembler, pages: u32, maps: Maps, full: Label) {
        let (done, enough, bounded) = (a.label(), a.label(), a.label());
        if !self.of_all {
            a.load(Double, R1, R7, field::STATE);
            a.jump_if(R1, 0, done);
        }
        // The key is the CPU's number still.
        look_up(a, maps.stacks, KEY);
        a.jump_if(R0, 0, full);
        a.copy(R8, R0);
        a.load(Double, R1, R7, field::TID);
        a.set_wide(R2, STACK);
        a.add_register(R1, R2);
        a.store(Double, R8, stack_field::TID, R1);
        a.load(Double, R1, R7, field::TIME);
        a.store(Double, R8, stack_field::TIME, R1);
        for field in [stack_field::LENGTH, stack_field::READ, stack_field::KERNEL] {
            a.store_constant(R8, field, 0);
        }
        a.store_constant(R8, stack_field::PARTS, 0);
        a.store_constant(R8, stack_field::MISSING, 0);
        if self.kernel {
            self.copy_kernel(a, done);
        }
        if self.user {
            self.copy_user(a, pages, maps, enough);
        }
        a.place(enough);
        a.load(Double, R9, R8, stack_field::LENGTH);
        a.jump_if_below(R9, bytes(pages) + PAGE, bounded);
        a.jump(full);
        a.place(bounded);
        a.set_map(R1, maps.ring);
        a.copy(R2, R8);
        a.copy(R3, R9);
        a.add(R3, self.before());
        a.set(R4, NO_WAKEUP);
        a.call(RING_OUTPUT);
        a.jump_unless(R0, 0, full);
        a.place(done);
    }

    /// Where it is in the kernel into the record in register 8. Goes on at the label if it is not and nothing else is wanted.
    fn copy_kernel(self, a: &mut Assembler, done: Label) {
        let (inside, outside) = (a.label(), a.label());
        a.copy(R1, R6);
        a.copy(R2, R8);
        a.add(R2, 8 * STACK_HEADER as i32);
        a.set(R3, 8 * KERNEL_FRAMES as i32);
        a.set(R4, 0);
        a.call(GET_STACK);
        a.jump_if_below(R0, 8 * KERNEL_FRAMES as i32 + 1, inside);
        // A number below 0.
        a.set(R0, 0);
        a.place(inside);
        a.store(Double, R8, stack_field::KERNEL, R0);
        a.jump_if(R0, 0, if self.user { outside } else { done });
        a.place(outside);
    }

    /// The registers and the stack into the record in register 8. Goes on at the label when there is no more.
    fn copy_user(self, a: &mut Assembler, pages: u32, maps: Maps, enough: Label) {
        let most = bytes(pages);
        a.call(CURRENT_TASK);
        a.copy(R1, R0);
        a.call(TASK_REGISTERS);
        for (place, into) in PLACES.into_iter().zip((stack_field::FIRST_REGISTER..).step_by(8)) {
            a.load(Double, R1, R0, place);
            a.store(Double, R8, into, R1);
        }
        a.load(Double, R9, R0, STACK_POINTER);
        a.add(R9, -RED_ZONE);
        a.store(Double, R8, stack_field::FROM, R9);

        // To where it begins, if that is known and near enough.
        let (known, length) = (a.label(), a.label());
        look_up(a, maps.tops, IDS);
        a.jump_unless(R0, 0, known);
        a.set(R1, most);
        a.jump(length);
        a.place(known);
        a.load(Double, R1, R0, 0);
        a.subtract_register(R1, R9);
        a.jump_if_below(R1, most, length);
        a.set(R1, most);
        a.place(length);
        a.store(Double, R8, stack_field::WANTED, R1);
        a.store_constant(R10, PARTS, 0);

        // Register 9 is how much was read of it. Numbers that come from a map are the same to the verifier in each turn, whatever led
        // to them, so it follows each turn once.
        let (part, more, whole_part, read) = (a.label(), a.label(), a.label(), a.label());
        let (has, next) = (a.label(), a.label());
        a.place(part);
        a.load(Double, R9, R8, stack_field::READ);
        a.jump_if_below(R9, most, more);
        a.jump(enough);
        a.place(more);
        a.load(Double, R3, R8, stack_field::FROM);
        a.add_register(R3, R9);
        a.copy(R1, R3);
        a.mask(R1, PAGE - 1);
        a.set(R2, PAGE);
        a.subtract_register(R2, R1);
        a.load(Double, R1, R8, stack_field::WANTED);
        a.subtract_register(R1, R9);
        a.jump_unless_below(R1, R2, whole_part);
        a.copy(R2, R1);
        a.place(whole_part);
        a.jump_if(R2, 0, enough);
        a.jump_if_below(R2, PAGE + 1, read);
        a.jump(enough);
        a.place(read);
        a.store(Double, R10, PART, R2);
        a.copy(R1, R8);
        a.add(R1, self.before());
        a.add_register(R1, R9);
        a.call(READ_USER);
        a.load(Double, R1, R10, PART);
        a.add_register(R9, R1);
        a.store(Double, R8, stack_field::READ, R9);
        // The bits of what is missing, that of the last part lowest.
        a.load(Double, R2, R8, stack_field::MISSING);
        a.multiply(R2, 2);
        a.jump_if(R0, 0, has);
        a.add(R2, 1);
        a.jump(next);
        a.place(has);
        a.store(Double, R8, stack_field::LENGTH, R9);
        a.place(next);
        a.store(Double, R8, stack_field::MISSING, R2);
        a.load(Double, R1, R10, PARTS);
        a.add(R1, 1);
        a.store(Double, R10, PARTS, R1);
        a.store(Double, R8, stack_field::PARTS, R1);
        a.jump_if_below(R1, pages as i32 + 1, part);
    }
}

fn bytes(pages: u32) -> i32 {
    pages as i32 * PAGE
}
