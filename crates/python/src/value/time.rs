//! The classes of `datetime` (`Include/datetime.h`).

use py_spy_address_space::{Addr, read_array, read_u32};

use super::class::Class;
use super::printer::{Printer, Written};
use crate::object::Unreadable;

impl Printer<'_> {
    /// `datetime.date` of the class itself, the bare name of one that derives from it.
    fn time_name(&mut self, class: &Class) {
        let name = class.tp_name.clone();
        self.push(&name);
    }

    fn packed<const N: usize>(&self, at: Addr, offset: u32) -> Result<[u8; N], Unreadable> {
        Ok(read_array(self.memory, self.place(at, offset)?)?)
    }

    pub(super) fn date(&mut self, at: Addr, class: &Class) -> Written {
        let [high, low, month, day] = self.packed(at, 9)?;
        self.time_name(class);
        self.write(format_args!("({}, {month}, {day})", u16::from_be_bytes([high, low])));
        Ok(())
    }

    pub(super) fn datetime(&mut self, at: Addr, class: &Class) -> Written {
        let [aware, high, low, month, day, hour, minute, rest @ ..] = self.packed::<12>(at, 8)?;
        let [second, a, b, c, fold] = rest;
        self.time_name(class);
        self.write(format_args!("({}, {month}, {day}, {hour}, {minute}", u16::from_be_bytes([high, low])));
        self.end_of_time(second, [a, b, c]);
        self.zone(at, aware, 24, fold)
    }

    pub(super) fn time(&mut self, at: Addr, class: &Class) -> Written {
        let [aware, hour, minute, second, a, b, c, fold] = self.packed::<8>(at, 8)?;
        self.time_name(class);
        self.write(format_args!("({hour}, {minute}"));
        self.end_of_time(second, [a, b, c]);
        self.zone(at, aware, 16, fold)
    }

    fn end_of_time(&mut self, second: u8, [a, b, c]: [u8; 3]) {
        let micro = u32::from_be_bytes([0, a, b, c]);
        match (second, micro) {
            (0, 0) => {}
            (_, 0) => self.write(format_args!(", {second}")),
            _ => self.write(format_args!(", {second}, {micro}")),
        }
    }

    fn zone(&mut self, at: Addr, aware: u8, offset: u32, fold: u8) -> Written {
        // Python 2 has no fold, and the byte may be anything.
        if fold == 1 && !self.values.style.two {
            self.push(", fold=1");
        }
        if aware != 0 {
            let zone = self.field(at, offset)?;
            self.push(", tzinfo=");
            self.value(zone);
        }
        self.push(")");
        Ok(())
    }

    fn delta(&self, at: Addr) -> Result<[i32; 3], Unreadable> {
        let part = |offset| Ok::<_, Unreadable>(read_u32(self.memory, self.place(at, offset)?)? as i32);
        Ok([part(8)?, part(12)?, part(16)?])
    }

    pub(super) fn timedelta(&mut self, at: Addr, class: &Class) -> Written {
        let parts = self.delta(at)?;
        self.time_name(class);
        self.push("(");
        if self.values.style.named_deltas {
            let named = ["days", "seconds", "microseconds"].into_iter().zip(parts).filter(|(_, part)| *part != 0);
            let text: Vec<_> = named.map(|(name, part)| format!("{name}={part}")).collect();
            let text = if text.is_empty() { "0".to_owned() } else { text.join(", ") };
            self.push(&text);
        } else {
            let shown = 1 + parts.iter().rposition(|&part| part != 0).unwrap_or(0);
            let text: Vec<_> = parts[..shown].iter().map(i32::to_string).collect();
            self.push(&text.join(", "));
        }
        self.push(")");
        Ok(())
    }

    pub(super) fn timezone(&mut self, at: Addr, class: &Class) -> Written {
        let (offset, name) = (self.field(at, 0)?, self.field(at, 8)?);
        self.time_name(class);
        if name == 0 && self.delta(offset)? == [0; 3] {
            self.push(".utc");
            return Ok(());
        }
        self.push("(");
        self.value(offset);
        if name != 0 {
            self.push(", ");
            self.value(name);
        }
        self.push(")");
        Ok(())
    }
}
