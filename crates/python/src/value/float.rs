//! `float` and `complex`.

use py_spy_address_space::{Addr, read_u64};

use super::printer::{Printer, Written};
use crate::object::add;

/// As `float_repr_style` "short" has it (`PyOS_double_to_string` with `r` in `Python/pystrtod.c`; 2.7, 3.1+): the fewest digits
/// that lead back to the same number, with an exponent below 1e-4 and from 1e16 on.
pub(super) fn short(value: f64, add_dot_zero: bool) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        // All digits, none in between can be missing: Rust has no other form.
        let plain = format!("{value}");
        return if plain.contains('.') || !add_dot_zero { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

impl Printer<'_> {
    fn double(&self, at: Addr) -> Result<f64, crate::Unreadable> {
        Ok(f64::from_bits(read_u64(self.memory, at)?))
    }

    pub(super) fn float_value(&self, at: Addr) -> Result<f64, crate::Unreadable> {
        self.double(add(at, self.layout.objects.float_value)?)
    }

    pub(super) fn float(&mut self, at: Addr) -> Written {
        let text = short(self.float_value(at)?, true);
        self.push(&text);
        Ok(())
    }

    /// `complex_repr` in `Objects/complexobject.c`.
    pub(super) fn complex(&mut self, at: Addr) -> Written {
        let real = self.double(self.place(at, 0)?)?;
        let imaginary = self.double(self.place(at, 8)?)?;
        let text = complex(real, imaginary);
        self.push(&text);
        Ok(())
    }
}

pub(super) fn complex(real: f64, imaginary: f64) -> String {
    if real == 0.0 && real.is_sign_positive() {
        return short(imaginary, false) + "j";
    }
    let sign = if imaginary.is_nan() || imaginary.is_sign_positive() { "+" } else { "" };
    format!("({}{sign}{}j)", short(real, false), short(imaginary, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_python_writes_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1e-4, "0.0001"),
            (1.5e-5, "1.5e-05"),
            (1e300, "1e+300"),
            (-2.5e-310, "-2.5e-310"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
            (123_456_789.125, "123456789.125"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(short(value, true), text);
        }
        assert_eq!(complex(0.0, 1.0), "1j");
        assert_eq!(complex(-0.0, 1.0), "(-0+1j)");
        assert_eq!(complex(1.5, -2.0), "(1.5-2j)");
        assert_eq!(complex(1.0, f64::NAN), "(1+nanj)");
    }
}
