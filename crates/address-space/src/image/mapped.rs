//! An ELF image as it is in memory: for a file that was deleted or replaced while it is mapped, and can not be opened any more.
//!
//! What a loader needs is mapped: the program headers and, through the dynamic section, the exported symbols with a hash
//! table over their names (System V ABI, "Dynamic Linking"; the GNU table as in glibc's `elf/dl-lookup.c`). Sections and the
//! other symbols are not.

use super::{Image, ImageError, Segment, Symbol};
use crate::{Addr, Fault, Memory, Module, read_array, read_u32, read_vec};

/// Program headers that are looked at: a large program has some fifteen.
const MAX_HEADERS: u16 = 128;

/// Entries of the dynamic section that are looked at: a large library has some forty.
const MAX_ENTRIES: usize = 1024;

/// Symbols with one hash value, or in one bucket of the older table, that are looked at.
const MAX_CHAIN: u32 = 4096;

const HEADER_SIZE: u16 = 56;
const SYMBOL_SIZE: u64 = 24;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;

const DT_NULL: u64 = 0;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;

impl Image {
    /// The same as [`Image::read`] from the memory of a process that has the file mapped: of the symbols those that are
    /// exported, and no sections.
    ///
    /// # Errors
    /// When the file's first page is not mapped, or is not that of a 64-bit little-endian ELF file.
    pub fn from_memory(memory: &dyn Memory, module: &Module, wanted: &[&str]) -> Result<Image, ImageError> {
        let first = module.mappings.iter().find(|mapping| mapping.offset == 0 && mapping.file.1 != 0);
        let first = first.ok_or_else(|| ImageError("its first page is not mapped".to_owned()))?.range.start;
        let header: [u8; 64] = read_array(memory, first).map_err(unreadable)?;
        if header[..6] != *b"\x7fELF\x02\x01" || half(&header, 54) != HEADER_SIZE {
            return Err(ImageError("what is mapped does not begin with its header".to_owned()));
        }
        let count = half(&header, 56).min(MAX_HEADERS);
        let headers = first.wrapping_add(long(&header, 32));
        let headers = read_vec(memory, headers, usize::from(count) * usize::from(HEADER_SIZE)).map_err(unreadable)?;
        let mut image = Image::default();
        let mut dynamic = None;
        for header in headers.chunks_exact(HEADER_SIZE.into()) {
            let (offset, address, file_size) = (long(header, 8), long(header, 16), long(header, 32));
            match word(header, 0) {
                PT_LOAD => image.segments.push(Segment { address, offset, file_size }),
                PT_DYNAMIC => dynamic = Some((address, long(header, 40))),
                _ => {}
            }
        }
        let (Some((at, size)), Some(bias)) = (dynamic, image.load_bias(module)) else { return Ok(image) };
        let entries = usize::try_from(size / 16).unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES);
        let dynamic = read_vec(memory, at.wrapping_add(bias), 16 * entries).map_err(unreadable)?;
        if let Some(exported) = Exported::of(memory, module, bias, &dynamic) {
            for name in wanted {
                image.symbols.extend(exported.find(name).map_err(unreadable)?);
            }
        }
        Ok(image)
    }
}

fn unreadable(fault: Fault) -> ImageError {
    ImageError(fault.to_string())
}

/// The exported symbols.
struct Exported<'a> {
    memory: &'a dyn Memory,
    symbols: Addr,
    names: Addr,
    gnu_hash: Option<Addr>,
    hash: Option<Addr>,
}

impl<'a> Exported<'a> {
    fn of(memory: &'a dyn Memory, module: &Module, bias: u64, dynamic: &[u8]) -> Option<Exported<'a>> {
        let value = |tag| {
            let entries = dynamic.chunks_exact(16).take_while(|entry| long(entry, 0) != DT_NULL);
            let value = entries.into_iter().find(|entry| long(entry, 0) == tag).map(|entry| long(entry, 8))?;
            // glibc puts addresses in the place of what the file has; musl leaves it alone.
            let is_address = module.contains(value);
            Some(if is_address { value } else { value.wrapping_add(bias) })
        };
        let (gnu_hash, hash) = (value(DT_GNU_HASH), value(DT_HASH));
        Some(Exported { memory, symbols: value(DT_SYMTAB)?, names: value(DT_STRTAB)?, gnu_hash, hash })
    }

    fn find(&self, name: &str) -> Result<Option<Symbol>, Fault> {
        match (self.gnu_hash, self.hash) {
            (Some(table), _) => self.find_by_gnu_hash(table, name),
            (None, Some(table)) => self.find_by_hash(table, name),
            (None, None) => Ok(None),
        }
    }

    fn find_by_gnu_hash(&self, table: Addr, name: &str) -> Result<Option<Symbol>, Fault> {
        let header: [u8; 16] = read_array(self.memory, table)?;
        let [buckets, first, filter] = [0, 4, 8].map(|at| word(&header, at));
        if buckets == 0 {
            return Ok(None);
        }
        let hash = name.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(byte.into()));
        let heads = table.wrapping_add(16 + 8 * u64::from(filter));
        let chains = heads.wrapping_add(4 * u64::from(buckets));
        let head = read_u32(self.memory, heads.wrapping_add(4 * u64::from(hash % buckets)))?;
        let Some(place) = head.checked_sub(first) else { return Ok(None) };
        for step in 0..MAX_CHAIN {
            let of_symbol = read_u32(self.memory, chains.wrapping_add(4 * (u64::from(place) + u64::from(step))))?;
            // The lowest bit says where a chain ends.
            if of_symbol | 1 == hash | 1
                && let Some(symbol) = self.symbol(head.wrapping_add(step), name)?
            {
                return Ok(Some(symbol));
            }
            if of_symbol & 1 == 1 {
                break;
            }
        }
        Ok(None)
    }

    fn find_by_hash(&self, table: Addr, name: &str) -> Result<Option<Symbol>, Fault> {
        let buckets = read_u32(self.memory, table)?;
        if buckets == 0 {
            return Ok(None);
        }
        let hash = name.bytes().fold(0_u32, |hash, byte| {
            let hash = (hash << 4).wrapping_add(byte.into());
            let high = hash & 0xf000_0000;
            (hash ^ high >> 24) & !high
        });
        let heads = table.wrapping_add(8);
        let chains = heads.wrapping_add(4 * u64::from(buckets));
        let mut number = read_u32(self.memory, heads.wrapping_add(4 * u64::from(hash % buckets)))?;
        for _ in 0..MAX_CHAIN {
            if number == 0 {
                break;
            }
            if let Some(symbol) = self.symbol(number, name)? {
                return Ok(Some(symbol));
            }
            number = read_u32(self.memory, chains.wrapping_add(4 * u64::from(number)))?;
        }
        Ok(None)
    }

    /// The symbol with this number, if it has this name and is defined here.
    fn symbol(&self, number: u32, name: &str) -> Result<Option<Symbol>, Fault> {
        let symbol: [u8; SYMBOL_SIZE as usize] =
            read_array(self.memory, self.symbols.wrapping_add(SYMBOL_SIZE * u64::from(number)))?;
        let at = self.names.wrapping_add(word(&symbol, 0).into());
        let is_defined = half(&symbol, 6) != 0;
        if !is_defined || read_vec(self.memory, at, name.len() + 1)? != [name.as_bytes(), &[0]].concat() {
            return Ok(None);
        }
        Ok(Some(Symbol { name: name.to_owned(), address: long(&symbol, 8), size: long(&symbol, 16) }))
    }
}

fn bytes<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn half(from: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes(from, at))
}

fn word(from: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes(from, at))
}

fn long(from: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes(from, at))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::{Mapping, modules};

    /// Our own memory.
    struct Own(File);

    impl Memory for Own {
        fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
            self.0.read_exact_at(into, at).map_err(|_| Fault::unmapped(at, into.len()))
        }
    }

    fn own() -> (Own, Vec<Module>) {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("own maps");
        let mappings: Vec<_> = maps.lines().filter_map(Mapping::parse).collect();
        (Own(File::open("/proc/self/mem").expect("own memory")), modules(&mappings))
    }

    #[test]
    fn memory_has_what_the_file_has() {
        let (memory, modules) = own();
        let wanted = ["malloc", "getpid", "strtol", "no such symbol"];
        let mut compared = 0;
        for module in modules.iter().filter(|module| module.path.starts_with('/')) {
            let file = Image::read(File::open(&module.path).expect("it is there"), &wanted).expect("an ELF file");
            let mapped = Image::from_memory(&memory, module, &wanted).expect("an ELF file");
            assert_eq!(mapped.load_bias(module), file.load_bias(module), "{}", module.path);
            assert_eq!(mapped.segments, file.segments, "{}", module.path);
            for name in wanted {
                let (file, mapped) = (file.symbol(name), mapped.symbol(name));
                // The file may define others that it does not export, and several versions of one.
                if let Some(mapped) = mapped {
                    assert_eq!(file.map(|symbol| symbol.address), Some(mapped.address), "{}: {name}", module.path);
                    compared += 1;
                }
            }
        }
        // A program that is linked statically exports nothing.
        let dynamic = modules.iter().any(|module| module.path.contains("libc.so"));
        assert_eq!(dynamic, compared > 0);
    }

    /// Every 4 bytes say the same: each chain goes on for ever, and each count is enormous.
    struct Same(u32, Vec<u8>);

    impl Memory for Same {
        fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
            for (index, byte) in into.iter_mut().enumerate() {
                let at = at.wrapping_add(index as u64);
                let start = at.checked_sub(0x1000).and_then(|at| self.1.get(usize::try_from(at).ok()?));
                *byte = start.copied().unwrap_or(self.0.to_le_bytes()[(at % 4) as usize]);
            }
            Ok(())
        }
    }

    #[test]
    fn nonsense_has_an_end() {
        let line = "1000-9000 r-xp 00000000 fe:00 7 /x";
        let module = modules(&[Mapping::parse(line).expect("a line of maps")]).remove(0);
        let (memory, all) = own();
        let mut start = vec![0; 4096];
        memory.read(all[0].mappings[0].range.start, &mut start).expect("own memory");
        let mut plain = start[..64].to_vec();
        // Headers right behind the header, and as many as a file can have: they are all the same nonsense.
        plain[32..40].copy_from_slice(&64_u64.to_le_bytes());
        plain[56..58].copy_from_slice(&u16::MAX.to_le_bytes());
        for (tag, address) in [(DT_HASH, 0), (DT_GNU_HASH, 0), (DT_HASH, u64::MAX), (DT_GNU_HASH, u64::MAX)] {
            let mut made = plain.clone();
            for (kind, value) in [(PT_LOAD, 0), (PT_DYNAMIC, 0x800)] {
                let mut header = vec![0; HEADER_SIZE.into()];
                header[..4].copy_from_slice(&kind.to_le_bytes());
                header[16..24].copy_from_slice(&u64::to_le_bytes(value));
                header[32..40].copy_from_slice(&0x8000_u64.to_le_bytes());
                header[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
                made.extend(header);
            }
            made.resize(0x800, 0);
            for (tag, value) in [(tag, address), (DT_STRTAB, address), (DT_SYMTAB, address), (DT_NULL, 0)] {
                made.extend([tag.to_le_bytes(), u64::to_le_bytes(value)].concat());
            }
            for word in [0, 1, 2, u32::MAX, u32::MAX - 1, 0x7f7f_7f7e] {
                let image = Image::from_memory(&Same(word, made.clone()), &module, &["malloc"]);
                assert!(image.is_ok_and(|image| image.symbol("malloc").is_none()), "{tag} {word:x}");
            }
        }
        for cut in [0, 4, 54] {
            assert!(Image::from_memory(&Same(0, start[..cut].to_vec()), &module, &["malloc"]).is_err());
        }
    }
}
