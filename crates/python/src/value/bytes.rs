//! `bytes`, `bytearray`, and the `str` of Python 2.

use std::fmt::Write;

use py_spy_address_space::{Addr, read_vec};

use super::class::Class;
use super::printer::{Printer, Written};
use crate::object::{self, add};

/// Bytes that are read to see which quotes they are in; more are read when more are shown.
const SCANNED: usize = 1 << 16;

/// As `PyBytes_Repr` writes them (`Objects/bytesobject.c`).
pub(super) fn quoted(out: &mut String, bytes: &[u8], most: usize) {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    out.push(char::from(quote));
    for &byte in bytes.iter().take(most) {
        // Writing to a string can not fail.
        let _ = match byte {
            b'\\' => out.write_str("\\\\"),
            b'\t' => out.write_str("\\t"),
            b'\n' => out.write_str("\\n"),
            b'\r' => out.write_str("\\r"),
            _ if byte == quote => write!(out, "\\{}", char::from(byte)),
            b' '..=b'~' => out.write_char(char::from(byte)),
            _ => write!(out, "\\x{byte:02x}"),
        };
    }
    out.push(char::from(quote));
}

impl Printer<'_> {
    fn raw(&self, start: Addr, length: u64) -> Result<Vec<u8>, crate::Unreadable> {
        Ok(read_vec(self.memory, start, length.min(SCANNED.max(self.limits.characters + 1) as u64) as usize)?)
    }

    /// What is in a `bytes`, as far as it may be shown.
    pub(super) fn bytes_of(&self, at: Addr) -> Result<Vec<u8>, crate::Unreadable> {
        let length = object::size(self.memory, self.layout, add(at, self.layout.objects.bytes_size)?)?;
        self.raw(add(at, self.layout.objects.bytes_data)?, length)
    }

    pub(super) fn bytes(&mut self, at: Addr, prefix: &str) -> Written {
        let bytes = self.bytes_of(at)?;
        self.push(prefix);
        quoted(&mut self.out, &bytes, self.limits.characters + 1);
        Ok(())
    }

    pub(super) fn bytearray(&mut self, at: Addr, class: &Class) -> Written {
        let length = object::size(self.memory, self.layout, self.place(at, 0)?)?;
        // `ob_start` (3.4+) and `ob_bytes` (before) are at the same place.
        let bytes = if length == 0 { Vec::new() } else { self.raw(self.field(at, 24)?, length)? };
        let name = class.name();
        self.write(format_args!("{name}(b"));
        let mark = self.out.len();
        quoted(&mut self.out, &bytes, self.limits.characters + 1);
        if self.values.style.mutable_quotes && self.out[mark..].starts_with('"') {
            // It writes out a single quote in any quotes (`bytearray_repr` in `Objects/bytearrayobject.c`).
            let escaped = self.out[mark..].replace('\'', "\\'");
            self.truncate(mark);
            self.push(&escaped);
        }
        self.push(")");
        Ok(())
    }
}
