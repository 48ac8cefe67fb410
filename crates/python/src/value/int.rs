//! `int` of any size, `bool`, and the `int` and `long` of Python 2.

use std::fmt::Write;

use py_spy_address_space::{Addr, read_u64, read_vec};

use super::printer::{Printer, Written};
use crate::object::{self, Unreadable, add};

/// Digits (of 30 or 15 bits) of which the decimal ones are worked out: 4,515 of them, more than Python itself is willing to
/// write (`sys.int_info.default_max_str_digits`, 3.11+).
const MAX_DIGITS: u64 = 500;

/// A power of ten that has place in a word.
const BASE: u64 = 1_000_000_000;

/// An integer: negative or not, and its digits of so many bits, the lowest first.
pub(super) struct Integer {
    pub(super) negative: bool,
    pub(super) digits: Vec<u32>,
    pub(super) bits: u32,
    /// Digits that there are; `digits` is empty when those are too many.
    pub(super) count: u64,
}

impl Integer {
    /// Its value when it has place in 127 bits.
    pub(super) fn small(&self) -> Option<i128> {
        if self.count > 8 || self.count * u64::from(self.bits) > 126 {
            return None;
        }
        let value = self.digits.iter().rev().fold(0_i128, |value, &digit| value << self.bits | i128::from(digit));
        Some(if self.negative { -value } else { value })
    }

    fn decimal(&self) -> String {
        // Nine decimal digits each, the lowest first.
        let mut parts: Vec<u64> = Vec::new();
        for &digit in self.digits.iter().rev() {
            let mut carry = u64::from(digit);
            for part in &mut parts {
                carry += *part << self.bits;
                *part = carry % BASE;
                carry /= BASE;
            }
            while carry > 0 {
                parts.push(carry % BASE);
                carry /= BASE;
            }
        }
        let mut text = String::from(if self.negative { "-" } else { "" });
        text += &parts.last().copied().unwrap_or(0).to_string();
        for part in parts.iter().rev().skip(1) {
            // Writing to a string can not fail.
            let _ = write!(text, "{part:09}");
        }
        text
    }
}

impl Printer<'_> {
    pub(super) fn integer(&self, at: Addr) -> Result<Integer, Unreadable> {
        let long = &self.layout.objects.long;
        let size = object::size(self.memory, self.layout, add(at, long.size)?)?;
        // The low two bits of a tag are the sign: 0 positive, 1 zero, 2 negative (`Include/cpython/longintrepr.h`).
        let (count, negative) = if long.tagged {
            (if size & 3 == 1 { 0 } else { size >> 3 }, size & 3 == 2)
        } else {
            ((size as i64).unsigned_abs(), (size as i64) < 0)
        };
        if count > MAX_DIGITS {
            return Ok(Integer { negative, digits: Vec::new(), bits: long.digit_bits.into(), count });
        }
        let (width, mask) = if long.digit_bits == 30 { (4, 0x3fff_ffff) } else { (2, 0x7fff) };
        let bytes = read_vec(self.memory, add(at, long.digits)?, count as usize * width)?;
        let digit = |chunk: &[u8]| {
            let mut word = [0; 4];
            word[..width].copy_from_slice(chunk);
            u32::from_le_bytes(word) & mask
        };
        Ok(Integer {
            negative,
            digits: bytes.chunks_exact(width).map(digit).collect(),
            bits: long.digit_bits.into(),
            count,
        })
    }

    fn big(&mut self, at: Addr, suffix: &str) -> Written {
        let value = self.integer(at)?;
        if value.count > MAX_DIGITS {
            let sign = if value.negative { "negative " } else { "" };
            self.write(format_args!("<{sign}int of about {} bits>", value.count.saturating_mul(value.bits.into())));
        } else {
            let decimal = value.decimal();
            self.push(&decimal);
            self.push(suffix);
        }
        Ok(())
    }

    pub(super) fn int(&mut self, at: Addr) -> Written {
        let Some(value) = self.layout.objects.long.short else { return self.big(at, "") };
        let value = read_u64(self.memory, add(at, value)?)? as i64;
        self.write(format_args!("{value}"));
        Ok(())
    }

    /// Python 2.
    pub(super) fn long(&mut self, at: Addr) -> Written {
        self.big(at, "L")
    }

    pub(super) fn is_true(&self, at: Addr) -> Result<bool, Unreadable> {
        if let Some(value) = self.layout.objects.long.short {
            return Ok(read_u64(self.memory, add(at, value)?)? != 0);
        }
        Ok(self.integer(at)?.digits.iter().any(|&digit| digit != 0))
    }

    pub(super) fn bool(&mut self, at: Addr) -> Written {
        let text = if self.is_true(at)? { "True" } else { "False" };
        self.push(text);
        Ok(())
    }

    /// The value of an `int` or a `long` that is small enough.
    pub(super) fn number(&mut self, at: Addr) -> Result<Option<i128>, Unreadable> {
        let class = self.class_of(at)?;
        let short = self.layout.objects.long.short;
        if let Some(value) = short.filter(|_| matches!(&*class.repr, "int" | "bool")) {
            return Ok(Some(i128::from(read_u64(self.memory, add(at, value)?)? as i64)));
        }
        if class.flags >> 24 & 1 == 0 {
            return Ok(None);
        }
        Ok(self.integer(at)?.small())
    }
}
