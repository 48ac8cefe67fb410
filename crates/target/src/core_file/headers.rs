//! The headers of a core file: which memory it has, and its notes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use py_spy_address_space::Addr;

use super::CoreError;
use super::bytes::{half, long, word};

/// Segments of a core file: a process has at most some 65,000 mappings (`vm.max_map_count`), unless that was raised.
const MAX_SEGMENTS: u64 = 1 << 20;

/// Bytes of notes that are read, of all segments together. A thread has some 4 kB of them.
const MAX_NOTES: u64 = 256 << 20;

const HEADER: usize = 64;
const PROGRAM_HEADER: u64 = 56;

/// `PN_XNUM`: the count is in the first section header (`elf(5)`).
const MANY: u16 = 0xffff;

/// Of x86-64 (`EM_X86_64`).
const X86_64: u16 = 62;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// Memory that a core file has.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) range: Range<Addr>,
    pub(super) offset: u64,
    /// How much of it is in the file.
    pub(super) kept: u64,
    pub(super) flags: u32,
}

/// What the headers say.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// By address.
    pub(super) segments: Vec<Segment>,
    /// The bytes of each segment of notes.
    pub(super) notes: Vec<Vec<u8>>,
    /// Registers are those of x86-64.
    pub(super) is_x86_64: bool,
}

impl Headers {
    pub(super) fn read(file: &File, name: &str) -> Result<Headers, CoreError> {
        let unreadable = |why: io::Error| CoreError::Unreadable(name.to_owned(), why);
        let not = |why| CoreError::NotCore(name.to_owned(), why);
        let length = file.metadata().map_err(unreadable)?.len();
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0).map_err(|_| not("it is too short"))?;
        // 64-bit, little-endian, ET_CORE.
        if header[..6] != *b"\x7fELF\x02\x01" || half(&header, 16) != 4 {
            return Err(not("it does not begin like one"));
        }
        let first = long(&header, 32);
        let mut count = u64::from(half(&header, 56));
        if half(&header, 56) == MANY {
            let mut section = [0; 64];
            file.read_exact_at(&mut section, long(&header, 40)).map_err(|_| not("it is cut off"))?;
            count = u64::from(word(&section, 44));
        }
        if count > MAX_SEGMENTS {
            return Err(not("it has too many segments"));
        }
        if count * PROGRAM_HEADER > length {
            return Err(not("it is cut off"));
        }
        let mut programs = vec![0; (count * PROGRAM_HEADER) as usize];
        file.read_exact_at(&mut programs, first).map_err(|_| not("it is cut off"))?;
        let mut headers = Headers { is_x86_64: half(&header, 18) == X86_64, ..Headers::default() };
        let mut left = MAX_NOTES.min(length);
        for program in programs.chunks_exact(PROGRAM_HEADER as usize) {
            let (offset, start, kept, size) =
                (long(program, 8), long(program, 16), long(program, 32), long(program, 40));
            match word(program, 0) {
                PT_LOAD => headers.segments.push(Segment {
                    range: start..start.saturating_add(size),
                    offset,
                    kept: kept.min(size),
                    flags: word(program, 4),
                }),
                PT_NOTE => {
                    // No more than there is in the file, whatever it says.
                    let mut notes = vec![0; kept.min(left) as usize];
                    left -= notes.len() as u64;
                    file.read_exact_at(&mut notes, offset).map_err(|_| not("it is cut off"))?;
                    headers.notes.push(notes);
                }
                _ => {}
            }
        }
        headers.segments.sort_by_key(|segment| segment.range.start);
        Ok(headers)
    }
}
