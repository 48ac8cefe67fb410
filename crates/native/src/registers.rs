//! What a thread computes with, by the numbers that DWARF gives to registers.

/// x86-64 (System V ABI, figure 3.36): the frame pointer, where a function has one.
pub(crate) const RBP: u16 = 6;
/// The stack pointer.
pub(crate) const RSP: u16 = 7;
/// The return address, which stands for the instruction pointer.
pub(crate) const RIP: u16 = 16;

/// Of x86-64: 16 registers and the instruction pointer.
const OF_X86_64: usize = 17;

/// Of `AArch64` ("DWARF for the Arm 64-bit Architecture"): x0 to x30, the stack pointer, and the instruction pointer, whose number is
/// DWARF's for `ELR_mode`, which is not met.
const OF_AARCH64: usize = 33;

/// The bits of an address in `AArch64`'s user space; in those above, a return address may be signed (PAC).
const ADDRESS: u64 = (1 << 48) - 1;

/// A processor's registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Machine {
    /// 64 bits of x86.
    #[default]
    X86_64,
    /// 64 bits of Arm. A call leaves its return address in a register.
    Aarch64,
}

impl Machine {
    /// By the number in an ELF file's header (`e_machine`).
    pub(crate) fn of_elf(number: u16) -> Option<Machine> {
        match number {
            62 => Some(Machine::X86_64),
            183 => Some(Machine::Aarch64),
            _ => None,
        }
    }

    /// The stack pointer's number.
    pub(crate) fn stack(self) -> u16 {
        match self {
            Machine::X86_64 => RSP,
            Machine::Aarch64 => 31,
        }
    }

    /// The frame pointer's.
    fn frame(self) -> u16 {
        match self {
            Machine::X86_64 => RBP,
            Machine::Aarch64 => 29,
        }
    }

    /// The instruction pointer's.
    fn instruction(self) -> u16 {
        match self {
            Machine::X86_64 => RIP,
            Machine::Aarch64 => 32,
        }
    }

    /// An address without what a processor has put into its upper bits.
    fn address(self, value: u64) -> u64 {
        match self {
            Machine::X86_64 => value,
            Machine::Aarch64 => value & ADDRESS,
        }
    }
}

/// The registers of a processor that unwinding needs. Some may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    machine: Machine,
    values: [u64; OF_AARCH64],
    /// A bit for each one that is known.
    known: u64,
}

impl Default for Registers {
    fn default() -> Registers {
        Registers { machine: Machine::default(), values: [0; OF_AARCH64], known: 0 }
    }
}

impl Registers {
    /// All of x86-64, in DWARF's order: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip.
    pub fn all(values: [u64; OF_X86_64]) -> Registers {
        Registers::of(Machine::X86_64, &values)
    }

    /// All of `AArch64`: x0 to x30, sp, pc.
    pub fn all_of_aarch64(values: [u64; OF_AARCH64]) -> Registers {
        Registers::of(Machine::Aarch64, &values)
    }

    fn of(machine: Machine, values: &[u64]) -> Registers {
        let mut all = Registers { machine, known: (1 << values.len()) - 1, ..Registers::default() };
        all.values[..values.len()].copy_from_slice(values);
        all
    }

    /// Of a thread of which only the instruction pointer and the stack pointer are known: one that sleeps, as
    /// `/proc/PID/task/TID/syscall` has it.
    pub fn asleep(instruction: u64, stack: u64) -> Registers {
        let mut registers = Registers::default();
        registers.set_instruction(Some(instruction));
        registers.set_stack(Some(stack));
        registers
    }

    /// Whose they are.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// The address of the next instruction, or the return address.
    pub fn instruction(&self) -> Option<u64> {
        self.get(self.machine.instruction())
    }

    /// The stack pointer.
    pub fn stack(&self) -> Option<u64> {
        self.get(self.machine.stack())
    }

    /// The frame pointer.
    pub(crate) fn frame(&self) -> Option<u64> {
        self.get(self.machine.frame())
    }

    pub(crate) fn set_instruction(&mut self, value: Option<u64>) {
        self.set(self.machine.instruction(), value.map(|value| self.machine.address(value)));
    }

    pub(crate) fn set_stack(&mut self, value: Option<u64>) {
        self.set(self.machine.stack(), value);
    }

    pub(crate) fn set_frame(&mut self, value: Option<u64>) {
        self.set(self.machine.frame(), value);
    }

    /// One register, `None` for one that is not known or that there is not.
    pub(crate) fn get(&self, number: u16) -> Option<u64> {
        let number = usize::from(number);
        (number < OF_AARCH64 && self.known & 1 << number != 0).then(|| self.values[number])
    }

    /// Sets one, or says that it is not known. One that there is not is left out: vector registers restore no address.
    pub(crate) fn set(&mut self, number: u16, value: Option<u64>) {
        let at = usize::from(number);
        let count = match self.machine {
            Machine::X86_64 => OF_X86_64,
            Machine::Aarch64 => OF_AARCH64,
        };
        if at >= count {
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
        registers.set(20, Some(1));
        assert_eq!((registers.frame(), registers.instruction(), registers.get(20)), (Some(7), None, None));
    }

    #[test]
    fn a_signed_address_is_the_address() {
        let mut registers = Registers::all_of_aarch64(std::array::from_fn(|number| number as u64));
        assert_eq!((registers.frame(), registers.stack(), registers.instruction()), (Some(29), Some(31), Some(32)));
        registers.set_instruction(Some(0x00d3_0000_0040_1234));
        assert_eq!(registers.instruction(), Some(0x40_1234));
    }
}
