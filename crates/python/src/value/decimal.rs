//! `decimal.Decimal`.

use std::fmt::Write;

use py_spy_address_space::{Addr, read_array, read_vec};

use super::printer::{Printer, Written};
use crate::object::{Unreadable, word};

/// Words (of 19 decimal digits) that are read; longer numbers are not.
const MAX_WORDS: u64 = 4096;

/// `mpd_t` (`Modules/_decimal/libmpdec/mpdecimal.h`) after the hash: flags, exponent, count of digits, of words, room, words.
const FLAGS: u32 = 8;

impl Printer<'_> {
    pub(super) fn decimal(&mut self, at: Addr) -> Written {
        let text = if self.values.style.two { self.python_decimal(at)? } else { self.c_decimal(at)? };
        self.write(format_args!("Decimal('{text}')"));
        Ok(())
    }

    fn c_decimal(&self, at: Addr) -> Result<String, Unreadable> {
        let [flags] = read_array(self.memory, self.place(at, FLAGS)?)?;
        let exponent = self.field(at, 16)? as i64;
        let (count, words, data) = (self.field(at, 24)?, self.field(at, 32)?, self.field(at, 48)?);
        let sign = if flags & 1 != 0 { "-" } else { "" };
        if flags & 2 != 0 {
            return Ok(format!("{sign}Infinity"));
        }
        if words > MAX_WORDS {
            return Err(Unreadable::Nonsense("a Decimal", at));
        }
        let bytes = read_vec(self.memory, data, words as usize * 8)?;
        let mut digits = String::new();
        for chunk in bytes.chunks_exact(8).rev() {
            // Writing to a string can not fail.
            let _ = write!(digits, "{:019}", word(chunk, 0));
        }
        let digits = digits.trim_start_matches('0');
        let digits = if digits.is_empty() && count > 0 { "0" } else { digits };
        if flags & (4 | 8) != 0 {
            let signaling = if flags & 8 != 0 { "s" } else { "" };
            return Ok(format!("{sign}{signaling}NaN{}", digits.trim_start_matches('0')));
        }
        Ok(format!("{sign}{}", scientific(digits, exponent).ok_or(Unreadable::Nonsense("a Decimal", at))?))
    }

    /// Python 2: sign, digits as a string, exponent in slots (`Lib/decimal.py`).
    fn python_decimal(&mut self, at: Addr) -> Result<String, Unreadable> {
        let part = |printer: &mut Self, name| printer.attribute(at, name);
        let (sign, digits, exponent) = (part(self, "_sign")?, part(self, "_int")?, part(self, "_exp")?);
        let sign = if self.number(sign)? == Some(1) { "-" } else { "" };
        let digits = self.text_of(digits)?;
        let Some(number) = self.number(exponent)? else {
            return Ok(match &*self.text_of(exponent)? {
                "F" => format!("{sign}Infinity"),
                "n" => format!("{sign}NaN{digits}"),
                _ => format!("{sign}sNaN{digits}"),
            });
        };
        let number = i64::try_from(number).map_err(|_| Unreadable::Nonsense("a Decimal", at))?;
        Ok(format!("{sign}{}", scientific(&digits, number).ok_or(Unreadable::Nonsense("a Decimal", at))?))
    }
}

/// `to-scientific-string` of the General Decimal Arithmetic Specification; `None` of what are no digits.
fn scientific(digits: &str, exponent: i64) -> Option<String> {
    // They are cut into parts, which not every text can be everywhere.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count = digits.len() as i64;
    let left = exponent.saturating_add(count);
    if exponent <= 0 && left > -6 {
        return Some(if exponent == 0 {
            digits.to_owned()
        } else if left > 0 {
            let (whole, part) = digits.split_at(left as usize);
            format!("{whole}.{part}")
        } else {
            format!("0.{}{digits}", "0".repeat(-left as usize))
        });
    }
    let point = if count > 1 { format!("{}.{}", &digits[..1], &digits[1..]) } else { digits.to_owned() };
    Some(format!("{point}E{:+}", left.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::scientific;

    #[test]
    fn as_the_specification_has_it() {
        for (digits, exponent, text) in [
            ("123", 0, "123"),
            ("123", 1, "1.23E+3"),
            ("123", -1, "12.3"),
            ("123", -5, "0.00123"),
            ("123", -10, "1.23E-8"),
            ("0", -7, "0E-7"),
            ("0", 0, "0"),
            ("1", 5, "1E+5"),
        ] {
            assert_eq!(scientific(digits, exponent).as_deref(), Some(text));
        }
        for exponent in [i64::MIN, -3, -1, 0, 1, i64::MAX] {
            assert_eq!(scientific("\u{e9}\u{e9}", exponent), None);
        }
    }
}
