//! Code without tables that is about to return: what it will do is read from its next instructions.
//!
//! A trampoline calls one function and returns. From the place that the callee returns to there is nothing left but to take
//! the frame down, and these instructions say exactly how. (Python's own, `Python/asm_trampoline.S`, are made anew for each
//! function under `-X perf`, and have neither tables nor, before 3.15, frame pointers.)

use super::row::{Frame, Row, Saved};
use crate::registers::{RBP, RIP, RSP};

/// So much of the code is looked at.
pub(super) const MAX_CODE: usize = 32;

/// The registers as `pop` numbers them, in the numbers of DWARF.
const POPPED: [u16; 8] = [0, 2, 1, 3, RSP, RBP, 4, 5];

/// How the frame is taken down by this code; `None` when it does anything else before it returns.
pub(super) fn row(mut code: &[u8]) -> Option<Row> {
    let (mut base, mut top, mut saved) = (RSP, 0_i64, Vec::new());
    loop {
        code = match code {
            // endbr64
            [0xf3, 0x0f, 0x1e, 0xfa, rest @ ..] => rest,
            // add $imm8, %rsp
            [0x48, 0x83, 0xc4, by, rest @ ..] => {
                top += i64::from(*by as i8);
                rest
            }
            // add $imm32, %rsp
            [0x48, 0x81, 0xc4, a, b, c, d, rest @ ..] => {
                top += i64::from(i32::from_le_bytes([*a, *b, *c, *d]));
                rest
            }
            // leave
            [0xc9, rest @ ..] => {
                (base, top) = (RBP, 8);
                saved.retain(|&(register, _)| register != RBP);
                saved.push((RBP, 0));
                rest
            }
            // pop %r8 to %r15
            [0x41, register @ 0x58..=0x5f, rest @ ..] => {
                saved.push((u16::from(register - 0x58) + 8, top));
                top += 8;
                rest
            }
            // pop
            [register @ 0x58..=0x5f, rest @ ..] => {
                let register = POPPED[usize::from(register - 0x58)];
                // Who pops the stack pointer goes anywhere; after one of the frame pointer `leave` does.
                if register == RSP {
                    return None;
                }
                saved.push((register, top));
                top += 8;
                rest
            }
            // ret
            [0xc3, ..] | [0xf3, 0xc3, ..] => break,
            _ => return None,
        };
    }
    let popped = saved.iter().any(|&(register, _)| register == RBP);
    if top < 0 || base == RBP && !popped {
        return None;
    }
    let end = top + 8;
    saved.push((RIP, top));
    let saved = saved.into_iter().map(|(register, at)| (register, Saved::At(at - end))).collect();
    Some(Row::made(Frame::Plus(base, end), saved))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registers;

    /// The stack pointer, the frame pointer, rbx and the instruction pointer after this code has returned.
    fn after(code: &[u8]) -> Option<[Option<u64>; 4]> {
        let mut registers = Registers::default();
        registers.set(RSP, Some(0x1000));
        registers.set(RBP, Some(0x2000));
        registers.set(3, Some(3));
        let stack = |at: u64| Some(at * 16);
        let caller = row(code)?.step(&registers, &stack)?;
        Some([RSP, RBP, 3, RIP].map(|register| caller.get(register)))
    }

    #[test]
    fn what_takes_a_frame_down_is_followed() {
        let known = |stack: u64, frame: u64, rbx: u64, next: u64| Some([stack, frame, rbx, next].map(Some));
        assert_eq!(after(&[0xc3]), known(0x1008, 0x2000, 3, 0x10000));
        assert_eq!(after(&[0x48, 0x83, 0xc4, 8, 0xc3]), known(0x1010, 0x2000, 3, 0x10080));
        assert_eq!(after(&[0x5b, 0x5d, 0xf3, 0xc3]), known(0x1018, 0x10080, 0x10000, 0x10100));
        assert_eq!(after(&[0x48, 0x81, 0xc4, 0, 1, 0, 0, 0x41, 0x5c, 0xc3]), known(0x1110, 0x2000, 3, 0x11080));
        assert_eq!(after(&[0xc9, 0xc3]), known(0x2010, 0x20000, 3, 0x20080));
        for code in [&[][..], &[0x90, 0xc3], &[0x5c, 0xc3], &[0x48, 0x83, 0xc4, 0xf8, 0xc3], &[0x5b; 40]] {
            assert_eq!(after(code), None, "{code:x?}");
        }
    }
}
