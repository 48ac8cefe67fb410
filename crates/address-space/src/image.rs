//! An ELF file: where its parts are loaded, and the few symbols that somebody wants.

mod budget;
mod mapped;

use std::io::{Read, Seek};

use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::read::{Object, ObjectSection, ObjectSymbol};
use object::{Endianness, elf};

use crate::{Addr, Module};
use budget::Budget;

/// More symbols than this in one table are not looked at.
const MAX_SYMBOLS: usize = 16 << 20;

/// Bytes of a file that are kept while it is read. Nearly all of it are its tables of symbols, some 60 bytes for each with its
/// name. A file may be made up to have more in it than there is memory.
const MAX_BYTES: u64 = 512 << 20;

/// A symbol that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Address in the file's own counting; add the load bias.
    pub address: u64,
    /// Bytes; 0 when the file does not say.
    pub size: u64,
}

/// A loadable segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    address: u64,
    offset: u64,
    file_size: u64,
}

/// What we keep of an ELF file.
#[derive(Debug, Clone, Default)]
pub struct Image {
    segments: Vec<Segment>,
    sections: Vec<(String, u64, u64)>,
    symbols: Vec<Symbol>,
}

/// A file that is no ELF file that we understand.
#[derive(Debug)]
pub struct ImageError(String);

impl std::fmt::Display for ImageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not a 64-bit ELF file that can be read: {}", self.0)
    }
}

impl std::error::Error for ImageError {}

impl From<object::read::Error> for ImageError {
    fn from(why: object::read::Error) -> ImageError {
        ImageError(why.to_string())
    }
}

impl Image {
    /// Reads an ELF file, little by little, and keeps the symbols in `wanted` that it defines.
    pub fn read(file: impl Read + Seek, wanted: &[&str]) -> Result<Image, ImageError> {
        let budget = Budget::new(file, MAX_BYTES);
        let elf = ElfFile64::<Endianness, _>::parse(&budget)?;
        let endian = elf.endian();
        let headers = elf.elf_header().program_headers(endian, &budget)?;
        let segments = headers
            .iter()
            .filter(|header| header.p_type(endian) == elf::PT_LOAD)
            .map(|header| Segment {
                address: header.p_vaddr(endian),
                offset: header.p_offset(endian),
                file_size: header.p_filesz(endian),
            })
            .collect();
        let sections = elf
            .sections()
            .filter(|section| section.address() != 0)
            .filter_map(|section| Some((section.name().ok()?.to_owned(), section.address(), section.size())))
            .collect();
        let mut symbols: Vec<Symbol> = Vec::new();
        // The dynamic table first: it is small, survives stripping and mostly has all that is wanted.
        for symbol in elf.dynamic_symbols().take(MAX_SYMBOLS).chain(elf.symbols().take(MAX_SYMBOLS)) {
            if symbols.len() == wanted.len() {
                break;
            }
            let Ok(name) = symbol.name() else { continue };
            let new = || symbols.iter().all(|known| known.name != name);
            if symbol.is_definition() && wanted.contains(&name) && new() {
                symbols.push(Symbol { name: name.to_owned(), address: symbol.address(), size: symbol.size() });
            }
        }
        Ok(Image { segments, sections, symbols })
    }

    /// What must be added to the file's addresses to get those in the process. `None` when the mappings and the file
    /// do not belong together.
    pub fn load_bias(&self, module: &Module) -> Option<u64> {
        module.mappings.iter().filter(|mapping| mapping.file.1 != 0).find_map(|mapping| {
            let page = |address: u64| address & !0xfff;
            let segment = self.segments.iter().find(|segment| {
                page(segment.offset) <= mapping.offset
                    && mapping.offset < segment.offset.saturating_add(segment.file_size.max(1))
            })?;
            let address = page(segment.address).wrapping_add(mapping.offset - page(segment.offset));
            Some(mapping.range.start.wrapping_sub(address))
        })
    }

    /// A wanted symbol, if the file defines it.
    pub fn symbol(&self, name: &str) -> Option<&Symbol> {
        self.symbols.iter().find(|symbol| symbol.name == name)
    }

    /// Address and size of a section that is loaded.
    pub fn section(&self, name: &str) -> Option<(Addr, u64)> {
        self.sections.iter().find(|section| section.0 == name).map(|section| (section.1, section.2))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::Mapping;

    #[test]
    fn our_own_main_is_in_the_text_that_is_loaded() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("own maps");
        let mappings: Vec<_> = maps.lines().filter_map(Mapping::parse).collect();
        let exe = std::fs::read_link("/proc/self/exe").expect("own executable");
        let module = crate::modules(&mappings).into_iter().find(|m| m.path == exe.to_string_lossy()).expect("module");
        let image = Image::read(std::fs::File::open(exe).expect("own executable"), &["main", "no such symbol"]);
        let image = image.expect("an ELF file");
        let bias = image.load_bias(&module).expect("loaded from this file");
        let main = image.symbol("main").expect("a program has it").address;
        let (text, size) = image.section(".text").expect("a program has it");
        assert!((text..text + size).contains(&main));
        let code = mappings.iter().find(|m| m.range.contains(&main.wrapping_add(bias)));
        assert!(code.is_some_and(|m| m.execute && m.path == module.path));
        assert_eq!(image.symbol("no such symbol"), None);
    }

    #[test]
    fn other_bytes_are_an_error() {
        let truncated = std::fs::read("/proc/self/exe").expect("own executable");
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &truncated[..64], &truncated[..1000]] {
            if let Ok(image) = Image::read(Cursor::new(bytes), &["main"]) {
                assert_eq!(image.symbol("main"), None);
            }
        }
    }
}
