//! A process that is dead: its memory, mappings and threads in a core file (ELF, `core(5)`), as the kernel and gdb's `gcore` write it.
//!
//! The file is read where it is asked for and never as a whole. What was not written into it, because a file has it too, is
//! read from that file, below another root if the file comes from another machine.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use py_spy_address_space::{Addr, Fault, Mapping, Memory};

/// Segments of a core file: a process has at most some 65,000 mappings (`vm.max_map_count`), unless that was raised.
const MAX_SEGMENTS: u64 = 1 << 20;

/// Bytes of notes that are read.
const MAX_NOTES: u64 = 256 << 20;

const HEADER: usize = 64;
const PROGRAM_HEADER: u64 = 56;

/// `PN_XNUM`: the count is in the first section header (`elf(5)`).
const MANY: u16 = 0xffff;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// Notes (`include/uapi/linux/elf.h`).
const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_FILE: u32 = 0x4649_4c45;

/// `fs_base` in a `struct elf_prstatus`: registers from byte 112 on, of which it is the 22nd (`struct user_regs_struct`, x86-64).
const FS_BASE: usize = 112 + 21 * 8;

/// Why a core file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// It can not be read.
    #[error("{0}: {1}")]
    Unreadable(String, io::Error),
    /// It is something else.
    #[error("{0} is no core file of a 64-bit Linux program: {1}")]
    NotCore(String, &'static str),
}

/// Memory that a core file has.
#[derive(Debug)]
struct Segment {
    range: Range<Addr>,
    offset: u64,
    /// How much of it is in the file.
    kept: u64,
    flags: u32,
}

/// A file that was mapped.
#[derive(Debug)]
struct Mapped {
    range: Range<Addr>,
    offset: u64,
    path: String,
}

/// A thread in a core file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreThread {
    /// The kernel's id.
    pub tid: u32,
    /// Where its thread-local memory is, which is its `pthread_self()` on x86-64 (`fs_base` of its registers); 0 when unknown.
    pub pthread: u64,
}

/// A core file.
#[derive(Debug)]
pub struct Core {
    file: File,
    segments: Vec<Segment>,
    mapped: Vec<Mapped>,
    files: HashMap<String, File>,
    /// Its threads; the one that was hit by the signal first.
    pub threads: Vec<CoreThread>,
    /// The signal that it died of; 0 for none.
    pub signal: u32,
    /// Its process id.
    pub pid: u32,
    /// The beginning of its command line, 80 bytes at most.
    pub command: String,
}

impl Core {
    /// Reads the heads of a core file, which messages call by this name; mapped files are looked for below `sysroot`.
    ///
    /// # Errors
    /// When it can not be read, or is no core file.
    pub fn of(file: File, name: &str, sysroot: Option<&Path>) -> Result<Core, CoreError> {
        let unreadable = |why| CoreError::Unreadable(name.to_owned(), why);
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
            file.read_exact_at(&mut section, long(&header, 40)).map_err(unreadable)?;
            count = u64::from(word(&section, 44));
        }
        if count > MAX_SEGMENTS {
            return Err(not("it has too many segments"));
        }
        if count * PROGRAM_HEADER > length {
            return Err(not("it is cut off"));
        }
        let mut headers = vec![0; (count * PROGRAM_HEADER) as usize];
        file.read_exact_at(&mut headers, first).map_err(unreadable)?;
        let mut core = Core {
            file,
            segments: Vec::new(),
            mapped: Vec::new(),
            files: HashMap::new(),
            threads: Vec::new(),
            signal: 0,
            pid: 0,
            command: String::new(),
        };
        for header in headers.chunks_exact(PROGRAM_HEADER as usize) {
            let (offset, start, kept, size) = (long(header, 8), long(header, 16), long(header, 32), long(header, 40));
            match word(header, 0) {
                PT_LOAD => core.segments.push(Segment {
                    range: start..start.saturating_add(size),
                    offset,
                    kept: kept.min(size),
                    flags: word(header, 4),
                }),
                PT_NOTE => {
                    // No more than there is in the file, whatever it says.
                    let mut notes = vec![0; kept.min(MAX_NOTES).min(length) as usize];
                    core.file.read_exact_at(&mut notes, offset).map_err(unreadable)?;
                    core.take_notes(&notes);
                }
                _ => {}
            }
        }
        core.segments.sort_by_key(|segment| segment.range.start);
        core.mapped.sort_by_key(|mapped| mapped.range.start);
        for mapped in &core.mapped {
            if let std::collections::hash_map::Entry::Vacant(place) = core.files.entry(mapped.path.clone())
                && let Ok(file) = File::open(below(sysroot, &mapped.path))
                && file.metadata().is_ok_and(|about| about.is_file())
            {
                place.insert(file);
            }
        }
        Ok(core)
    }

    /// Each note is the lengths of its name and contents, its type, and both, padded to 4 bytes.
    fn take_notes(&mut self, mut notes: &[u8]) {
        while notes.len() >= 12 {
            let (name, size, kind) = (word(notes, 0) as usize, word(notes, 4) as usize, word(notes, 8));
            let start = name.next_multiple_of(4).saturating_add(12);
            let Some(contents) = notes.get(start..).and_then(|rest| rest.get(..size)) else { break };
            match kind {
                NT_PRSTATUS if size >= 36 => {
                    if self.threads.is_empty() {
                        self.signal = u32::from(half(contents, 12));
                    }
                    self.threads.push(CoreThread { tid: word(contents, 32), pthread: long(contents, FS_BASE) });
                }
                NT_PRPSINFO if size >= 136 => {
                    self.pid = word(contents, 24);
                    let text = contents[56..136].split(|&byte| byte == 0).next().unwrap_or_default();
                    String::from_utf8_lossy(text).trim_end().clone_into(&mut self.command);
                }
                NT_FILE => self.take_files(contents),
                _ => {}
            }
            notes = notes.get(start + size.next_multiple_of(4)..).unwrap_or_default();
        }
    }

    /// A count, a page size, start, end and offset in pages of each, and then the names.
    fn take_files(&mut self, contents: &[u8]) {
        if contents.len() < 16 {
            return;
        }
        let (count, page) = (long(contents, 0), long(contents, 8));
        let Some(entries) = contents.get(16..).filter(|rest| (rest.len() / 24) as u64 >= count) else { return };
        let (entries, names) = entries.split_at(count as usize * 24);
        for (entry, name) in entries.chunks_exact(24).zip(names.split(|&byte| byte == 0)) {
            self.mapped.push(Mapped {
                range: long(entry, 0)..long(entry, 8),
                offset: long(entry, 16).saturating_mul(page),
                path: String::from_utf8_lossy(name).into_owned(),
            });
        }
    }

    /// The file that is mapped under this name, if it could be opened.
    pub fn file(&self, path: &str) -> Option<File> {
        self.files.get(path)?.try_clone().ok()
    }

    /// What was mapped, in the order of addresses.
    pub fn mappings(&self) -> Vec<Mapping> {
        let flags = |at: Addr| self.segment(at).map_or(0b100, |segment| segment.flags);
        let mut all: Vec<Mapping> = Vec::new();
        let mut numbers: HashMap<&str, u64> = HashMap::new();
        for mapped in &self.mapped {
            let next = numbers.len() as u64 + 1;
            let number = *numbers.entry(&mapped.path).or_insert(next);
            let flags = flags(mapped.range.start);
            all.push(Mapping {
                range: mapped.range.clone(),
                read: true,
                write: flags & 2 != 0,
                // A part that was left out of the file has no flags; modules are told by code, so it passes for that.
                execute: flags & 1 != 0 || self.segment(mapped.range.start).is_none(),
                offset: mapped.offset,
                file: (0, number),
                path: mapped.path.clone(),
            });
        }
        for segment in &self.segments {
            if self.mapped_at(segment.range.start).is_none() {
                all.push(Mapping {
                    range: segment.range.clone(),
                    read: segment.flags & 4 != 0,
                    write: segment.flags & 2 != 0,
                    execute: segment.flags & 1 != 0,
                    offset: 0,
                    file: (0, 0),
                    path: String::new(),
                });
            }
        }
        all.sort_by_key(|mapping| mapping.range.start);
        all
    }

    fn segment(&self, at: Addr) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.range.start <= at);
        self.segments.get(after.checked_sub(1)?).filter(|segment| segment.range.contains(&at))
    }

    fn mapped_at(&self, at: Addr) -> Option<&Mapped> {
        let after = self.mapped.partition_point(|mapped| mapped.range.start <= at);
        self.mapped.get(after.checked_sub(1)?).filter(|mapped| mapped.range.contains(&at))
    }

    /// As many of the bytes from `at` on as one place has.
    fn read_some(&self, at: Addr, into: &mut [u8]) -> Option<usize> {
        if let Some(segment) = self.segment(at) {
            let inside = at - segment.range.start;
            if inside < segment.kept {
                let count = (into.len() as u64).min(segment.kept - inside) as usize;
                self.file.read_exact_at(&mut into[..count], segment.offset.checked_add(inside)?).ok()?;
                return Some(count);
            }
        }
        let mapped = self.mapped_at(at)?;
        let count = (into.len() as u64).min(mapped.range.end - at) as usize;
        let offset = mapped.offset.checked_add(at - mapped.range.start)?;
        self.files.get(&mapped.path)?.read_exact_at(&mut into[..count], offset).ok()?;
        Some(count)
    }
}

impl Memory for Core {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let mut done = 0;
        while done < into.len() {
            let place = at.checked_add(done as u64);
            let count = place.and_then(|place| self.read_some(place, &mut into[done..])).filter(|&count| count > 0);
            done += count.ok_or(Fault::unmapped(at, into.len()))?;
        }
        Ok(())
    }
}

/// A path of the machine that the core file is from.
fn below(sysroot: Option<&Path>, path: &str) -> PathBuf {
    sysroot.map_or_else(|| PathBuf::from(path), |root| root.join(path.trim_start_matches('/')))
}

fn half(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).map_or(0, |chunk| u16::from_le_bytes(*chunk))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}
