//! MOJO, the binary format of Austin: events one after another, a byte each and what belongs to it.
//!
//! Strings and frames are defined once under a key, and a stack is a list of keys, root first. See Austin's wiki, "The MOJO
//! file format".

use std::collections::HashMap;

use super::Stack;

/// How a file begins.
pub(crate) const MAGIC: &[u8] = b"MOJ";

const METADATA: u8 = 1;
const STACK: u8 = 2;
const FRAME: u8 = 3;
const FRAME_INVALID: u8 = 4;
const FRAME_REF: u8 = 5;
const FRAME_KERNEL: u8 = 6;
const GC: u8 = 7;
const IDLE: u8 = 8;
const TIME: u8 = 9;
const MEMORY: u8 = 10;
const STRING: u8 = 11;
const STRING_REF: u8 = 12;

/// What was in a file.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) samples: u64,
    /// Stacks that it marked as broken itself, or that were empty.
    pub(crate) failed: u64,
    pub(crate) stacks: Vec<(Stack, u64)>,
}

/// The stack that is being read.
#[derive(Debug, Default)]
struct Open {
    frames: Vec<u64>,
    broken: bool,
}

/// Reads as much as there is: the end may have been cut off.
pub(crate) fn read(bytes: &[u8]) -> Found {
    let mut reader = Reader { rest: &bytes[MAGIC.len()..], strings: HashMap::new(), frames: HashMap::new() };
    let mut counts: HashMap<Vec<u64>, u64> = HashMap::new();
    let mut found = Found::default();
    let mut open: Option<Open> = None;
    reader.integer();
    loop {
        let event = reader.event(&mut open);
        if matches!(event, None | Some(STACK))
            && let Some(stack) = open.take()
        {
            if stack.broken || stack.frames.is_empty() {
                found.failed += 1;
            } else {
                found.samples += 1;
                *counts.entry(stack.frames).or_default() += 1;
            }
        }
        match event {
            Some(STACK) => open = Some(Open::default()),
            Some(_) => {}
            None => break,
        }
    }
    found.stacks = counts.into_iter().map(|(keys, count)| (reader.named(&keys), count)).collect();
    found
}

struct Reader<'a> {
    rest: &'a [u8],
    strings: HashMap<u64, String>,
    /// Function and line.
    frames: HashMap<u64, (u64, u32)>,
}

impl Reader<'_> {
    /// Reads one event; none at the end.
    fn event(&mut self, open: &mut Option<Open>) -> Option<u8> {
        let event = self.byte()?;
        match event {
            METADATA => {
                self.string()?;
                self.string()?;
            }
            STACK => {
                // Process, interpreter, thread.
                self.integer()?;
                self.integer()?;
                self.string()?;
            }
            FRAME => self.frame()?,
            FRAME_INVALID => open.as_mut()?.broken = true,
            FRAME_REF => {
                let key = self.integer()?;
                open.as_mut()?.frames.push(key);
            }
            FRAME_KERNEL => drop(self.string()?),
            GC | IDLE => {}
            TIME | MEMORY | STRING_REF => drop(self.integer()?),
            STRING => {
                let key = self.integer()?;
                let text = self.string()?;
                self.strings.insert(key, text);
            }
            _ => return None,
        }
        Some(event)
    }

    /// Key, file, function, first and last line, first and last column.
    fn frame(&mut self) -> Option<()> {
        let (key, _file, function, line) = (self.integer()?, self.integer()?, self.integer()?, self.integer()?);
        for _ in 0..3 {
            self.integer()?;
        }
        self.frames.insert(key, (function, line as u32));
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Six bits, then seven each; the second highest bit of the first byte is the sign, which we do not need.
    fn integer(&mut self) -> Option<u64> {
        let first = self.byte()?;
        let (mut value, mut shift, mut more) = (u64::from(first & 0x3f), 6, first & 0x80 != 0);
        while more {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            (shift, more) = (shift + 7, byte & 0x80 != 0);
        }
        Some(value)
    }

    fn string(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|&byte| byte == 0)?;
        let text = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest = &self.rest[end + 1..];
        Some(text)
    }

    fn named(&self, keys: &[u64]) -> Stack {
        let frame = |key| {
            let (function, line) = self.frames.get(key).copied().unwrap_or((u64::MAX, 0));
            (self.strings.get(&function).cloned().unwrap_or_else(|| "(unknown)".to_owned()), line)
        };
        keys.iter().map(frame).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_read_root_first() {
        let mut bytes = b"MOJ\x03\x01mode\0wall\0".to_vec();
        // A key of two bytes, 0x12 + (1 << 6), and one of one byte.
        bytes.extend(b"\x0b\x92\x01<module>\0\x0b\x05leaf\0\x02\x07\x000\0");
        bytes.extend(b"\x03\x01\x05\x92\x01\x09\x09\x01\x02\x03\x02\x05\x05\x03\x03\x01\x02");
        bytes.extend(b"\x05\x01\x05\x02\x09\x10\x02\x07\x000\0\x05\x01\x04\x09\x10\x02\x07\x000\0\x05\x01\x05\x02\x05");
        let found = read(&bytes);
        let stack = vec![("<module>".to_owned(), 9), ("leaf".to_owned(), 3)];
        assert_eq!((found.samples, found.failed), (2, 1));
        assert_eq!(found.stacks, [(stack, 2)]);
    }
}
