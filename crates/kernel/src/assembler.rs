//! Instructions of eBPF as 64-bit words (RFC 9669).

/// A register. 0 has what calls return, 1 to 5 are a call's arguments and lost in it, 6 to 9 stay, 10 is the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reg {
    R0,
    R1,
    R2,
    R3,
    R4,
    R6 = 6,
    R7,
    R8,
    R9,
    R10,
}

/// How much a load or store moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// 1 byte.
    Byte,
    /// 4 bytes.
    Word,
    /// 8 bytes.
    Double,
}

/// A place to jump to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// In the source field of a 64-bit constant: it is a map's file descriptor.
const MAP_DESCRIPTOR: u8 = 1;

/// A program that is being written.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    code: Vec<u64>,
    /// Where each label is, once it is known.
    labels: Vec<Option<usize>>,
    /// Jumps and where they go.
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    fn put(&mut self, opcode: u8, to: Reg, from: u8, offset: i16, constant: i32) {
        let registers = to as u8 | from << 4;
        let low = u64::from(opcode) | u64::from(registers) << 8 | u64::from(offset as u16) << 16;
        self.code.push(low | u64::from(constant as u32) << 32);
    }

    /// `to = from`.
    pub(crate) fn copy(&mut self, to: Reg, from: Reg) {
        self.put(0xbf, to, from as u8, 0, 0);
    }

    /// `to = value`.
    pub(crate) fn set(&mut self, to: Reg, value: i32) {
        self.put(0xb7, to, 0, 0, value);
    }

    /// `to = value`, of 64 bits: two words.
    pub(crate) fn set_wide(&mut self, to: Reg, value: u64) {
        self.put(0x18, to, 0, 0, value as i32);
        self.code.push(value >> 32 << 32);
    }

    /// `to =` a map, by its file descriptor: two words.
    pub(crate) fn set_map(&mut self, to: Reg, descriptor: i32) {
        self.put(0x18, to, MAP_DESCRIPTOR, 0, descriptor);
        self.code.push(0);
    }

    /// `to += value`.
    pub(crate) fn add(&mut self, to: Reg, value: i32) {
        self.put(0x07, to, 0, 0, value);
    }

    /// `to += from`.
    pub(crate) fn add_register(&mut self, to: Reg, from: Reg) {
        self.put(0x0f, to, from as u8, 0, 0);
    }

    /// `to -= from`.
    pub(crate) fn subtract_register(&mut self, to: Reg, from: Reg) {
        self.put(0x1f, to, from as u8, 0, 0);
    }

    /// `to *= value`.
    pub(crate) fn multiply(&mut self, to: Reg, value: i32) {
        self.put(0x27, to, 0, 0, value);
    }

    /// `to *= from`.
    pub(crate) fn multiply_register(&mut self, to: Reg, from: Reg) {
        self.put(0x2f, to, from as u8, 0, 0);
    }

    /// `to &= value`; a negative value has its upper 32 bits set.
    pub(crate) fn mask(&mut self, to: Reg, value: i32) {
        self.put(0x57, to, 0, 0, value);
    }

    /// `to >>= bits`, without a sign.
    pub(crate) fn shift_right(&mut self, to: Reg, bits: i32) {
        self.put(0x77, to, 0, 0, bits);
    }

    /// `to =` what is at `base + offset`.
    pub(crate) fn load(&mut self, width: Width, to: Reg, base: Reg, offset: i16) {
        let opcode = match width {
            Width::Byte => 0x71,
            Width::Word => 0x61,
            Width::Double => 0x79,
        };
        self.put(opcode, to, base as u8, offset, 0);
    }

    /// What is at `base + offset` becomes `from`.
    pub(crate) fn store(&mut self, width: Width, base: Reg, offset: i16, from: Reg) {
        let opcode = match width {
            Width::Byte => 0x73,
            Width::Word => 0x63,
            Width::Double => 0x7b,
        };
        self.put(opcode, base, from as u8, offset, 0);
    }

    /// The 8 bytes at `base + offset` become `value`.
    pub(crate) fn store_constant(&mut self, base: Reg, offset: i16, value: i32) {
        self.put(0x7a, base, 0, offset, value);
    }

    /// The 8 bytes at `base + offset` grow by `from`, whoever else adds to them.
    pub(crate) fn add_atomically(&mut self, base: Reg, offset: i16, from: Reg) {
        self.put(0xdb, base, from as u8, offset, 0);
    }

    /// A function of the kernel's, by its number (`include/uapi/linux/bpf.h`).
    pub(crate) fn call(&mut self, function: i32) {
        self.put(0x85, Reg::R0, 0, 0, function);
    }

    /// The end; the result is in register 0.
    pub(crate) fn exit(&mut self) {
        self.put(0x95, Reg::R0, 0, 0, 0);
    }

    /// A place that is not known yet.
    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label's place is here.
    pub(crate) fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.code.len());
    }

    /// Goes on at a label.
    pub(crate) fn jump(&mut self, label: Label) {
        self.jump_by(0x05, Reg::R0, 0, 0, label);
    }

    /// Goes on at a label if `register == value`.
    pub(crate) fn jump_if(&mut self, register: Reg, value: i32, label: Label) {
        self.jump_by(0x15, register, 0, value, label);
    }

    /// Goes on at a label if `register != value`.
    pub(crate) fn jump_unless(&mut self, register: Reg, value: i32, label: Label) {
        self.jump_by(0x55, register, 0, value, label);
    }

    /// Goes on at a label if both registers are equal.
    pub(crate) fn jump_if_equal(&mut self, register: Reg, other: Reg, label: Label) {
        self.jump_by(0x1d, register, other as u8, 0, label);
    }

    /// Goes on at a label if `register < value`, without a sign.
    pub(crate) fn jump_if_below(&mut self, register: Reg, value: i32, label: Label) {
        self.jump_by(0xa5, register, 0, value, label);
    }

    /// Goes on at a label if `register >= other`, without a sign.
    pub(crate) fn jump_unless_below(&mut self, register: Reg, other: Reg, label: Label) {
        self.jump_by(0x3d, register, other as u8, 0, label);
    }

    fn jump_by(&mut self, opcode: u8, register: Reg, other: u8, value: i32, label: Label) {
        self.jumps.push((self.code.len(), label));
        self.put(opcode, register, other, 0, value);
    }

    /// The program; `None` when a jump goes nowhere or too far.
    pub(crate) fn finish(mut self) -> Option<Vec<u64>> {
        for &(at, label) in &self.jumps {
            let to = self.labels[label.0]?;
            // Counted from the next instruction.
            let offset = i16::try_from(to as i64 - at as i64 - 1).ok()?;
            self.code[at] |= u64::from(offset as u16) << 16;
        }
        Some(self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_what_the_kernel_expects() {
        let mut a = Assembler::default();
        let (back, end) = (a.label(), a.label());
        a.set(Reg::R0, -1);
        a.place(back);
        a.copy(Reg::R6, Reg::R1);
        a.set_wide(Reg::R2, 0x1122_3344_5566_7788);
        a.load(Width::Double, Reg::R3, Reg::R10, -8);
        a.jump_if(Reg::R3, 7, end);
        a.jump(back);
        a.mask(Reg::R0, 15);
        a.multiply_register(Reg::R0, Reg::R1);
        a.shift_right(Reg::R0, 4);
        a.jump_unless_below(Reg::R0, Reg::R9, end);
        a.place(end);
        a.store(Width::Word, Reg::R7, 16, Reg::R9);
        a.call(112);
        a.exit();
        // As `struct bpf_insn` lies in memory: opcode, registers, offset, constant.
        let expected: [[u8; 8]; 14] = [
            [0xb7, 0x00, 0, 0, 0xff, 0xff, 0xff, 0xff],
            [0xbf, 0x16, 0, 0, 0, 0, 0, 0],
            [0x18, 0x02, 0, 0, 0x88, 0x77, 0x66, 0x55],
            [0x00, 0x00, 0, 0, 0x44, 0x33, 0x22, 0x11],
            [0x79, 0xa3, 0xf8, 0xff, 0, 0, 0, 0],
            [0x15, 0x03, 5, 0, 7, 0, 0, 0],
            [0x05, 0x00, 0xfa, 0xff, 0, 0, 0, 0],
            [0x57, 0x00, 0, 0, 15, 0, 0, 0],
            [0x2f, 0x10, 0, 0, 0, 0, 0, 0],
            [0x77, 0x00, 0, 0, 4, 0, 0, 0],
            [0x3d, 0x90, 0, 0, 0, 0, 0, 0],
            [0x63, 0x97, 16, 0, 0, 0, 0, 0],
            [0x85, 0x00, 0, 0, 112, 0, 0, 0],
            [0x95, 0x00, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(a.finish().expect("short jumps"), expected.map(u64::from_le_bytes));
    }

    #[test]
    fn jumps_that_lead_nowhere_or_too_far_are_no_program() {
        let mut a = Assembler::default();
        let nowhere = a.label();
        a.jump(nowhere);
        assert_eq!(a.finish(), None);
        let mut a = Assembler::default();
        let far = a.label();
        a.jump(far);
        (0..40_000).for_each(|_| a.exit());
        a.place(far);
        a.exit();
        assert_eq!(a.finish(), None);
    }
}
