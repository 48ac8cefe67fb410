//! `str`, and the `unicode` of Python 2.

use std::fmt::Write;

use py_spy_address_space::{Addr, read_u32, read_u64, read_vec};

use super::printer::{Printer, Written};
use crate::layout::Names;
use crate::object::{self, Unreadable, add};

/// Characters that are read of a string to see which quotes it is in; more are read when more are shown.
const SCANNED: u64 = 1 << 16;

/// True for what `str.isprintable` accepts. The standard library writes the same categories out (`Cc`, `Cf`, `Cs`, `Co`, `Cn`, `Zl`,
/// `Zp`, and `Zs` but for the space), and behind another character no others.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let mut text = String::from("a");
    text.push(character);
    text.escape_debug().nth(1) == Some(character)
}

/// Writes one character as `repr` does (`unicode_repr` in `Objects/unicodeobject.c`).
pub(super) fn escaped(out: &mut String, code: u32, quote: char, ascii_only: bool) {
    let character = char::from_u32(code);
    // Writing to a string can not fail.
    let _ = match character {
        Some('\\') => out.write_str("\\\\"),
        Some('\t') => out.write_str("\\t"),
        Some('\n') => out.write_str("\\n"),
        Some('\r') => out.write_str("\\r"),
        Some(c) if c == quote => write!(out, "\\{c}"),
        Some(c) if is_printable(c) && (c.is_ascii() || !ascii_only) => out.write_char(c),
        _ if code < 0x100 => write!(out, "\\x{code:02x}"),
        _ if code < 0x1_0000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

impl Printer<'_> {
    /// The characters of a string, no more than so many.
    pub(super) fn characters(&self, at: Addr, most: u64) -> Result<Vec<u32>, Unreadable> {
        let nonsense = Unreadable::Nonsense("a string", at);
        let unicode = &self.layout.objects.unicode;
        let units = |data: Addr, count: u64, width: usize| -> Result<Vec<u32>, Unreadable> {
            let bytes = read_vec(self.memory, data, count.min(most) as usize * width)?;
            Ok(bytes
                .chunks_exact(width)
                .map(|chunk| {
                    let mut word = [0; 4];
                    word[..width].copy_from_slice(chunk);
                    u32::from_le_bytes(word)
                })
                .collect())
        };
        match self.layout.objects.names {
            Names::Compact => {
                let length = read_u64(self.memory, add(at, unicode.length)?)?;
                let state = read_u32(self.memory, add(at, unicode.state)?)? >> unicode.kind_shift;
                let (kind, compact, ascii) = (state as usize & 7, state >> 3 & 1 == 1, state >> 4 & 1 == 1);
                if !matches!(kind, 1 | 2 | 4) {
                    return Err(nonsense);
                }
                let data = match (compact, ascii) {
                    (true, true) => add(at, unicode.ascii_data)?,
                    (true, false) => add(at, unicode.compact_data)?,
                    // Those of classes that derive from `str` are elsewhere.
                    (false, _) => read_u64(self.memory, add(at, unicode.compact_data)?)?,
                };
                units(data, length, kind)
            }
            // `PyUnicodeObject` of 2.x: length and pointer after the header. How wide a unit is is not told.
            Names::Bytes => {
                let (length, data) = (self.field(at, 0)?, self.field(at, 8)?);
                let wide = units(data, length, 4);
                match wide {
                    Ok(wide) if wide.iter().all(|&code| code < 0x11_0000) => Ok(wide),
                    _ => Ok(joined(&units(data, length, 2)?)),
                }
            }
            Names::Units { data, width } => {
                let length = object::size(self.memory, self.layout, add(at, unicode.length)?)?;
                let data = read_u64(self.memory, add(at, data)?)?;
                let units = units(data, length, usize::from(width.clamp(2, 4)))?;
                Ok(if width == 2 { joined(&units) } else { units })
            }
        }
    }

    pub(super) fn text(&mut self, at: Addr) -> Written {
        let characters = self.characters(at, SCANNED.max(self.limits.characters as u64 + 1))?;
        let two = self.values.style.two;
        let has = |character: char| characters.contains(&u32::from(character));
        let quote = if has('\'') && !has('"') { '"' } else { '\'' };
        if two {
            self.out.push('u');
        }
        self.out.push(quote);
        for (count, &code) in characters.iter().enumerate() {
            if count % 64 == 63 && self.is_full() {
                break;
            }
            escaped(&mut self.out, code, quote, two);
        }
        self.out.push(quote);
        Ok(())
    }

    /// What a string or bytes say, for comparison with names.
    pub(super) fn plain_text(&mut self, at: Addr) -> String {
        let class = self.class_of(at).map(|class| class.repr.clone()).unwrap_or_default();
        let text = match (&*class, self.values.style.two) {
            ("str", true) => self.text_of(at).ok(),
            ("bytes", _) => self.bytes_of(at).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            _ => self
                .characters(at, SCANNED)
                .ok()
                .map(|characters| characters.iter().filter_map(|&code| char::from_u32(code)).collect()),
        };
        text.unwrap_or_default()
    }

    /// The plain text of a string that may be of a class that derives from `str`.
    pub(super) fn string(&self, at: Addr) -> Result<String, Unreadable> {
        if self.values.style.two {
            return self.text_of(at);
        }
        let characters = self.characters(at, SCANNED)?;
        Ok(characters.iter().map(|&code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }
}

/// Surrogate pairs as one character.
fn joined(units: &[u32]) -> Vec<u32> {
    char::decode_utf16(units.iter().map(|&unit| unit as u16))
        .map(|decoded| decoded.map_or_else(|lone| u32::from(lone.unpaired_surrogate()), u32::from))
        .collect()
}
