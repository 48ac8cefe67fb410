//! `.debug_frame`: unwind tables that a file has and the process has not, for code that was built with debugging information
//! and without `.eh_frame` (DWARF 5, 6.4).

use std::fs::File;

use gimli::{BaseAddresses, CieOrFde, DebugFrame, EndianSlice, LittleEndian, UnwindContext, UnwindSection, Vendor};
use object::Endianness;
use object::read::elf::ElfFile64;
use object::read::{Object, ObjectSection, ReadCache};
use py_spy_address_space::Addr;

use super::row::Row;
use crate::Machine;

/// No larger section is read, bytes. Those of programs with some 100,000 functions have some 10 MB.
const MAX_SECTION: u64 = 64 << 20;

/// Addresses have so many bytes in the files of all [`Machine`]s.
const ADDRESS_SIZE: u8 = 8;

/// A file's section `.debug_frame`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugFrames {
    machine: Machine,
    bytes: Vec<u8>,
}

impl DebugFrames {
    /// Of an ELF file; `None` when it has none, or one that can not be read.
    pub fn of(file: &File) -> Option<DebugFrames> {
        let cache = ReadCache::new(file);
        let elf = ElfFile64::<Endianness, _>::parse(&cache).ok()?;
        let machine = Machine::of_elf(elf.elf_header().e_machine.get(elf.endian()).0)?;
        let section = elf.section_by_name(".debug_frame")?;
        let size = section.compressed_file_range().ok()?.uncompressed_size;
        if elf.endian() != Endianness::Little || size > MAX_SECTION {
            return None;
        }
        Some(DebugFrames { machine, bytes: section.uncompressed_data().ok()?.into_owned() })
    }
}

/// The same with an index.
#[derive(Debug)]
pub(super) struct DebugTable {
    frames: DebugFrames,
    /// Where functions begin, as the file counts addresses, and where in the section each one's entry is; sorted.
    entries: Vec<(Addr, usize)>,
    /// What the addresses of the process are more than those of the file.
    bias: Addr,
}

impl DebugTable {
    /// Of a file that is loaded with this bias.
    pub(super) fn of(frames: DebugFrames, bias: Addr) -> DebugTable {
        let mut entries = Vec::new();
        let section = section(&frames);
        let bases = BaseAddresses::default();
        let mut all = section.entries(&bases);
        // Each takes some bytes of the section, so their number is bounded.
        while let Ok(Some(entry)) = all.next() {
            if let CieOrFde::Fde(entry) = entry
                && let Ok(entry) = entry.parse(DebugFrame::cie_from_offset)
            {
                entries.push((entry.initial_address(), entry.offset()));
            }
        }
        entries.sort_unstable();
        DebugTable { frames, entries, bias }
    }

    /// How the frame at an address restores its caller.
    pub(super) fn row(&self, at: Addr, context: &mut UnwindContext<usize>) -> Option<Row> {
        let at = at.wrapping_sub(self.bias);
        let place = self.entries[..self.entries.partition_point(|entry| entry.0 <= at)].last()?.1;
        let (section, bases) = (section(&self.frames), BaseAddresses::default());
        let entry =
            section.fde_from_offset(&bases, gimli::DebugFrameOffset(place), DebugFrame::cie_from_offset).ok()?;
        if !entry.contains(at) {
            return None;
        }
        let back = entry.cie().return_address_register().0;
        let row = entry.unwind_info_for_address(&section, &bases, context, at).ok()?;
        Row::new(row, back, entry.is_signal_trampoline(), &section)
    }
}

fn section(frames: &DebugFrames) -> DebugFrame<EndianSlice<'_, LittleEndian>> {
    let mut section = DebugFrame::from(EndianSlice::new(&frames.bytes, LittleEndian));
    section.set_address_size(ADDRESS_SIZE);
    if frames.machine == Machine::Aarch64 {
        section.set_vendor(Vendor::AArch64);
    }
    section
}

#[cfg(test)]
mod tests {
    use super::super::row::{Frame, Saved};
    use super::*;

    /// One CIE and one FDE for 0x1000 to 0x1010: first the return address is at the stack pointer, from 0x1004 on 8 above.
    const BYTES: [u8; 56] = [
        20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1, 0, 0, 0, 0, 0, 0, //
        28, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x44, 0x0e, 16, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn rows_are_found_by_the_process_s_addresses() {
        let table = DebugTable::of(DebugFrames { machine: Machine::X86_64, bytes: BYTES.to_vec() }, 0x7000_0000);
        let mut context = UnwindContext::new();
        let row = |at: Addr, context: &mut _| table.row(0x7000_0000 + at, context);
        let expected = |offset| Some(Row::made(Frame::Plus(7, offset), [(16, Saved::At(-8))].into()));
        assert_eq!(row(0x1000, &mut context), expected(8));
        assert_eq!(row(0x1003, &mut context), expected(8));
        assert_eq!(row(0x1004, &mut context), expected(16));
        assert_eq!(row(0x100f, &mut context), expected(16));
        assert_eq!((row(0xfff, &mut context), row(0x1010, &mut context)), (None, None));
    }

    #[test]
    fn no_byte_makes_it_fail_in_another_way() {
        for at in 0..BYTES.len() {
            for bit in 0..8 {
                let mut bytes = BYTES.to_vec();
                bytes[at] ^= 1 << bit;
                for end in [at, bytes.len()] {
                    let bytes = bytes[..end].to_vec();
                    let table = DebugTable::of(DebugFrames { machine: Machine::X86_64, bytes }, 0);
                    table.row(0x1004, &mut UnwindContext::new());
                }
            }
        }
    }
}
