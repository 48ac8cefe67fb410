//! What a thread computes with, by the numbers that DWARF gives to x86-64's registers (System V ABI, figure 3.36).

/// The stack pointer.
pub(crate) const RSP: u16 = 7;
/// The frame pointer, where a function has one.
pub(crate) const RBP: u16 = 6;
/// The return address, which stands for the instruction pointer.
pub(crate) const RIP: u16 = 16;

/// How many there are: 16 of them, and the instruction pointer.
const COUNT: usize = 17;

/// The registers of x86-64 that unwinding needs. Some may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Registers {
    values: [u64; COUNT],
    /// A bit for each one that is known.
    known: u32,
}

impl Registers {
    /// All of them, in DWARF's order: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip.
    pub fn all(values: [u64; COUNT]) -> Registers {
        Registers { values, known: (1 << COUNT) - 1 }
    }

    /// Of a thread of which only the instruction pointer and the stack pointer are known: one that sleeps, as
    /// `/proc/PID/task/TID/syscall` has it.
    pub fn asleep(instruction: u64, stack: u64) -> Registers {
        let mut registers = Registers::default();
        registers.set(RIP, Some(instruction));
        registers.set(RSP, Some(stack));
        registers
    }

    /// The address of the next instruction, or the return address.
    pub fn instruction(&self) -> Option<u64> {
        self.get(RIP)
    }

    /// The stack pointer.
    pub fn stack(&self) -> Option<u64> {
        self.get(RSP)
    }

    /// One register, `None` for one that is not known or that there is not.
    pub(crate) fn get(&self, number: u16) -> Option<u64> {
        let number = usize::from(number);
        (number < COUNT && self.known & 1 << number != 0).then(|| self.values[number])
    }

    /// Sets one, or says that it is not known. One that there is not is left out: vector registers restore no address.
    pub(crate) fn set(&mut self, number: u16, value: Option<u64>) {
        let at = usize::from(number);
        if at >= COUNT {
            return;
        }
        self.known &= !(1 << at);
        if let Some(value) = value {
            self.values[at] = value;
            self.known |= 1 << at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_nothing() {
        let mut registers = Registers::asleep(0x40, 0x1000);
        assert_eq!((registers.instruction(), registers.stack()), (Some(0x40), Some(0x1000)));
        assert_eq!((registers.get(RBP), registers.get(17), registers.get(u16::MAX)), (None, None, None));
        registers.set(RBP, Some(7));
        registers.set(RIP, None);
        registers.set(99, Some(1));
        assert_eq!((registers.get(RBP), registers.instruction()), (Some(7), None));
    }
}
