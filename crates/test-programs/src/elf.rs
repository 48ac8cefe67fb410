//! What an executable's file says of how it was linked.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use object::read::elf::{ElfFile64, FileHeader};
use object::{Object, ObjectSection, elf};

const LIBRARY: &[u8] = b"libpython";

/// An executable.
#[derive(Debug, Default)]
pub(crate) struct Elf {
    /// It lies where it says, not anywhere.
    pub(crate) is_fixed: bool,
    /// It has no table of all symbols.
    pub(crate) is_stripped: bool,
    /// The interpreter is in a library beside it.
    pub(crate) is_shared: bool,
}

impl Elf {
    /// Of one that can not be read nothing is known to be unusual.
    pub(crate) fn of(path: &Path) -> Elf {
        let Ok(bytes) = std::fs::read(path) else { return Elf::default() };
        let Ok(file) = ElfFile64::<object::Endianness>::parse(&*bytes) else { return Elf::default() };
        let kind = file.elf_header().e_type(file.endian());
        // The names of the libraries that it needs are in there, with those of its dynamic symbols.
        let names = file.section_by_name(".dynstr").and_then(|section| section.data().ok()).unwrap_or_default();
        Elf {
            is_fixed: kind == elf::ET_EXEC,
            is_stripped: file.symbol_table().is_none(),
            is_shared: names.windows(LIBRARY.len()).any(|name| name == LIBRARY),
        }
    }
}

/// An ELF file.
pub(crate) fn is_executable(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && &magic == b"\x7fELF"
}
