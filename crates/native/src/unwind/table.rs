//! The unwind tables of one file as it is mapped: `.eh_frame`, and `.eh_frame_hdr`, an index of it by address (Linux
//! Standard Base, "DWARF Extensions").

use std::ops::Range;

use gimli::{
    BaseAddresses, CieOrFde, EhFrame, EhFrameHdr, EndianSlice, FrameDescriptionEntry, LittleEndian, Pointer,
    UnwindContext, UnwindSection, Vendor,
};
use py_spy_address_space::{Addr, Memory, PAGE, read_array};

use super::row::Row;
use crate::Machine;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// The bytes of an ELF file's header and those of its program headers that are read: what a loader maps has some ten.
const MAX_PROGRAM_HEADERS: usize = 64;
const PROGRAM_HEADER: usize = 56;

/// No section of unwind tables is larger. The largest known (machine-learning libraries) have some 100 MB.
const MAX_SECTION: u64 = 1 << 30;

/// No index is larger: 8 bytes a function.
const MAX_INDEX: u64 = 64 << 20;

/// No description of a function's frame is longer. Those of generated code have some KB.
const MAX_ENTRY: usize = 1 << 20;

/// `PT_LOAD` and `PT_GNU_EH_FRAME` of the ELF format.
const PT_LOAD: u32 = 1;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;

/// A file's unwind tables. Of the larger section only the pages are read that somebody asks for.
#[derive(Debug)]
pub(super) struct Table {
    index: Index,
    machine: Machine,
    frames_at: Addr,
    frames: Vec<u8>,
    /// Which pages of the frames have been read.
    read: Vec<bool>,
}

/// Where the entry for an address is.
#[derive(Debug)]
enum Index {
    /// `.eh_frame_hdr` as it is, and where.
    Mapped(Addr, Vec<u8>),
    /// Made by us, for a file that has none: addresses, and where in the section each one's entry is; sorted.
    Made(Vec<(Addr, usize)>),
}

impl Table {
    /// Of a file whose header is mapped at `base` and that has an index; `None` where there is none, or none that can be
    /// understood. `end` is where its mappings end.
    pub(super) fn indexed(memory: &dyn Memory, base: Addr, end: Addr) -> Option<Table> {
        let header: [u8; 64] = read_array(memory, base).ok()?;
        let machine = machine(&header)?;
        let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let count = usize::from(half(56)).min(MAX_PROGRAM_HEADERS);
        if usize::from(half(54)) != PROGRAM_HEADER {
            return None;
        }
        let at = base.checked_add(word(&header, 32)?)?;
        let mut bytes = vec![0; count * PROGRAM_HEADER];
        memory.read(at, &mut bytes).ok()?;
        let segments = || {
            bytes.chunks_exact(PROGRAM_HEADER).filter_map(|bytes| {
                let kind = u32::from_le_bytes(*bytes.first_chunk()?);
                Some((kind, word(bytes, 8)?, word(bytes, 16)?, word(bytes, 40)?))
            })
        };
        // The part of the file that begins at its first byte is mapped at `base`.
        let first =
            segments().filter(|&(kind, offset, ..)| kind == PT_LOAD && offset < PAGE as u64).min_by_key(|s| s.1)?;
        let bias = base.wrapping_sub(first.2.wrapping_sub(first.1));
        let (.., address, size) = segments().find(|segment| segment.0 == PT_GNU_EH_FRAME)?;
        let index_at = bias.wrapping_add(address);
        if size > MAX_INDEX || index_at < base || index_at >= end {
            return None;
        }
        let mut index = vec![0; size as usize];
        memory.read(index_at, &mut index).ok()?;
        let bases = BaseAddresses::default().set_eh_frame_hdr(index_at);
        let header = EhFrameHdr::new(&index, LittleEndian).parse(&bases, 8).ok()?;
        let Pointer::Direct(frames_at) = header.eh_frame_ptr() else { return None };
        // Behind it, up to the end of its segment, are other tables of constants: nothing points there.
        let segment = segments().find(|&(kind, _, address, size)| {
            let start = bias.wrapping_add(address);
            kind == PT_LOAD && start <= frames_at && frames_at - start < size
        })?;
        let frames_end = bias.wrapping_add(segment.2).wrapping_add(segment.3);
        Table::new(machine, Index::Mapped(index_at, index), frames_at, frames_end.checked_sub(frames_at)?)
    }

    /// Of a section that has no index: all of it is read to make one. (`ld` makes one only if it is told to, and the
    /// compilers of some systems, musl's for instance, do not tell it.)
    pub(super) fn without_index(memory: &dyn Memory, base: Addr, frames: Range<Addr>) -> Option<Table> {
        let machine = machine(&read_array(memory, base).ok()?)?;
        let length = frames.end.checked_sub(frames.start).filter(|&length| length <= MAX_INDEX)?;
        let mut table = Table::new(machine, Index::Made(Vec::new()), frames.start, length)?;
        table.fetch_bytes(memory, 0, table.frames.len())?;
        let section = EhFrame::from(EndianSlice::new(&table.frames, LittleEndian));
        let bases = BaseAddresses::default().set_eh_frame(frames.start);
        let mut made = Vec::new();
        let mut entries = section.entries(&bases);
        // Each takes some bytes of what was read, so their number is bounded.
        while let Ok(Some(entry)) = entries.next() {
            if let CieOrFde::Fde(entry) = entry
                && let Ok(entry) = entry.parse(EhFrame::cie_from_offset)
            {
                made.push((entry.initial_address(), entry.offset()));
            }
        }
        made.sort_unstable();
        table.index = Index::Made(made);
        Some(table)
    }

    fn new(machine: Machine, index: Index, frames_at: Addr, length: u64) -> Option<Table> {
        if length == 0 || length > MAX_SECTION {
            return None;
        }
        // Zeroed memory that nobody has touched takes no room.
        let (frames, read) = (vec![0; length as usize], vec![false; (length as usize).div_ceil(PAGE)]);
        Some(Table { index, machine, frames_at, frames, read })
    }

    /// Where in the section the entry is that is for an address, if there is one for it.
    fn entry(&self, at: Addr) -> Option<usize> {
        match &self.index {
            Index::Mapped(index_at, index) => {
                let bases = BaseAddresses::default().set_eh_frame_hdr(*index_at);
                let header = EhFrameHdr::new(index, LittleEndian).parse(&bases, 8).ok()?;
                let Pointer::Direct(entry) = header.table()?.lookup(at, &bases).ok()? else { return None };
                usize::try_from(entry.checked_sub(self.frames_at)?).ok()
            }
            Index::Made(made) => Some(made[..made.partition_point(|entry| entry.0 <= at)].last()?.1),
        }
    }

    /// Where the function begins that has an address.
    pub(super) fn function(&mut self, memory: &dyn Memory, at: Addr) -> Option<Addr> {
        self.described(memory, at, |entry, _| Some(entry.initial_address()))
    }

    /// How the frame at an address restores its caller.
    pub(super) fn row(&mut self, memory: &dyn Memory, at: Addr, context: &mut UnwindContext<usize>) -> Option<Row> {
        self.described(memory, at, |entry, (section, bases)| {
            let is_signal = entry.is_signal_trampoline();
            let back = entry.cie().return_address_register().0;
            let row = entry.unwind_info_for_address(section, bases, context, at).ok()?;
            Row::new(row, back, is_signal, section)
        })
    }

    /// What is said of an entry that is for an address.
    fn described<T>(
        &mut self,
        memory: &dyn Memory,
        at: Addr,
        say: impl FnOnce(&FrameDescriptionEntry<Bytes<'_>>, (&EhFrame<Bytes<'_>>, &BaseAddresses)) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(at)?;
        let fields = self.fetch(memory, entry)?;
        // The entry that is common to many is so far in front of the field that says so.
        let back = u32::from_le_bytes(*self.frames.get(fields..)?.first_chunk()?);
        self.fetch(memory, fields.checked_sub(back as usize)?)?;
        let bases = BaseAddresses::default().set_eh_frame(self.frames_at);
        let mut section = EhFrame::from(EndianSlice::new(&self.frames, LittleEndian));
        if self.machine == Machine::Aarch64 {
            section.set_vendor(Vendor::AArch64);
        }
        let offset = gimli::EhFrameOffset(entry);
        let entry = section.fde_from_offset(&bases, offset, EhFrame::cie_from_offset).ok()?;
        if !entry.contains(at) {
            return None;
        }
        say(&entry, (&section, &bases))
    }

    /// Sees to it that an entry has been read. Returns where its fields begin, behind its length.
    fn fetch(&mut self, memory: &dyn Memory, at: usize) -> Option<usize> {
        self.fetch_bytes(memory, at, 4)?;
        let length = u32::from_le_bytes(*self.frames.get(at..)?.first_chunk()?);
        // All ones: a length of 64 bits follows, which nobody writes.
        if length == 0 || length as usize > MAX_ENTRY {
            return None;
        }
        self.fetch_bytes(memory, at + 4, length as usize)?;
        Some(at + 4)
    }

    fn fetch_bytes(&mut self, memory: &dyn Memory, at: usize, length: usize) -> Option<()> {
        let end = at.checked_add(length).filter(|&end| end <= self.frames.len())?;
        for page in at / PAGE..=(end - 1) / PAGE {
            if self.read[page] {
                continue;
            }
            let (start, stop) = (page * PAGE, ((page + 1) * PAGE).min(self.frames.len()));
            memory.read(self.frames_at.checked_add(start as u64)?, &mut self.frames[start..stop]).ok()?;
            self.read[page] = true;
        }
        Some(())
    }
}

/// Whose code is in an ELF file with this header; `None` for one that is not of 64 bits and little-endian.
fn machine(header: &[u8; 64]) -> Option<Machine> {
    let number = u16::from_le_bytes([header[18], header[19]]);
    Machine::of_elf(number).filter(|_| header.starts_with(b"\x7fELF\x02\x01"))
}

/// A 64-bit word of these bytes.
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
