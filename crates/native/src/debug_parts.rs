//! What an ELF file says of where its debugging information is: most programs are installed without it, and it is kept in
//! another file, or a part of it packed in a section.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use object::Endianness;
use object::read::elf::ElfFile64;
use object::read::{Object, ObjectSection, ReadCache};

/// Where systems keep such files.
const DEBUG: &str = "/usr/lib/debug";

/// No file is read further to see whether it is the one that belongs to another. The largest have some GB.
const MAX_CHECKED: u64 = 4 << 30;

/// No more comes out of a packed section. It has a table of names, some 100 KB for CPython.
const MAX_UNPACKED: u64 = 256 << 20;

/// No section that holds packed names is larger.
const MAX_PACKED: u64 = 64 << 20;

/// Memory that unpacking may use, KiB. Packers ask for 8 MiB, 64 at most.
const MAX_UNPACKER: u32 = 128 << 10;

/// A build id has 16 or 20 bytes (`ld --build-id`).
const MAX_BUILD_ID: usize = 64;

/// What a file says of its debugging information.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DebugParts {
    /// It has its own table of all functions.
    pub has_symbols: bool,
    /// It has its own lines.
    pub has_lines: bool,
    /// What tells it from all others (`.note.gnu.build-id`).
    build_id: Vec<u8>,
    /// A file's name and checksum (`.gnu_debuglink`).
    link: Option<(PathBuf, u32)>,
    /// Names that are packed (`.gnu_debugdata`).
    packed: Vec<u8>,
}

impl DebugParts {
    /// Of an ELF file; of anything else nothing is known.
    pub fn of(file: &File) -> DebugParts {
        let cache = ReadCache::new(file);
        let Ok(elf) = ElfFile64::<Endianness, _>::parse(&cache) else { return DebugParts::default() };
        let has = |name: &str| elf.section_by_name(name).is_some_and(|section| section.file_range().is_some());
        let build_id = elf.build_id().ok().flatten().filter(|id| id.len() <= MAX_BUILD_ID).unwrap_or_default();
        let link = elf.gnu_debuglink().ok().flatten().and_then(|(name, sum)| {
            let name = Path::new(std::str::from_utf8(name).ok()?);
            // A name and no way to somewhere.
            (name.file_name() == Some(name.as_os_str())).then(|| (name.to_owned(), sum))
        });
        let packed = elf.section_by_name(".gnu_debugdata").filter(|section| section.size() <= MAX_PACKED);
        let packed = packed.and_then(|section| section.data().ok()).unwrap_or_default();
        DebugParts {
            has_symbols: has(".symtab"),
            has_lines: has(".debug_info"),
            build_id: build_id.to_vec(),
            link,
            packed: packed.to_vec(),
        }
    }

    /// Where another file with what this one lacks may be, as the process sees it.
    pub fn candidates(&self, path: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        if let Some((first, rest)) = self.build_id.split_first().filter(|(_, rest)| !rest.is_empty()) {
            let rest: Vec<String> = rest.iter().map(|byte| format!("{byte:02x}")).collect();
            found.push(format!("{DEBUG}/.build-id/{first:02x}/{}.debug", rest.concat()).into());
        }
        if let (Some((name, _)), Some(folder)) = (&self.link, path.parent()) {
            found.push(folder.join(name));
            found.push(folder.join(".debug").join(name));
            let below = folder.strip_prefix("/").unwrap_or(folder);
            found.push(Path::new(DEBUG).join(below).join(name));
        }
        found
    }

    /// True when a file is the one that belongs to this: it has the same build id, or where there is none the checksum.
    pub fn belongs(&self, file: &File) -> bool {
        let other = DebugParts::of(file);
        if !other.has_symbols && !other.has_lines {
            return false;
        }
        match &self.link {
            _ if !self.build_id.is_empty() && !other.build_id.is_empty() => self.build_id == other.build_id,
            Some((_, sum)) => checksum(file).is_ok_and(|other| other == *sum),
            None => false,
        }
    }

    /// Writes the names that are packed in the file as an ELF file of their own. False when there are none.
    ///
    /// # Errors
    /// When they can not be unpacked.
    pub fn unpack(&self, into: &mut dyn Write) -> io::Result<bool> {
        if self.packed.is_empty() {
            return Ok(false);
        }
        let reader = lzma_rust2::XzReader::new_mem_limit(&self.packed[..], false, MAX_UNPACKER);
        let unpacked = io::copy(&mut reader.take(MAX_UNPACKED), into)?;
        Ok(unpacked > 0)
    }
}

/// The checksum that a debug link has: the CRC-32 of the whole file.
fn checksum(file: &File) -> io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    let mut bytes = vec![0; 1 << 16];
    let mut file = File::open(own_path(file))?.take(MAX_CHECKED);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&bytes[..read]),
        }
    }
}

/// A path that leads to an open file, whatever is at its old path by now.
pub(crate) fn own_path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_other_files_may_be() {
        let parts = DebugParts {
            build_id: vec![0xab, 0x01, 0xff],
            link: Some(("libx.so.1.debug".into(), 7)),
            ..DebugParts::default()
        };
        let paths = parts.candidates(Path::new("/usr/lib/libx.so.1"));
        let expected = [
            "/usr/lib/debug/.build-id/ab/01ff.debug",
            "/usr/lib/libx.so.1.debug",
            "/usr/lib/.debug/libx.so.1.debug",
            "/usr/lib/debug/usr/lib/libx.so.1.debug",
        ];
        assert_eq!(paths, expected.map(PathBuf::from));
        assert_eq!(DebugParts::default().candidates(Path::new("/")), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_file_belongs_to_itself_and_no_other() {
        let own = File::open("/proc/self/exe").expect("own executable");
        let parts = DebugParts::of(&own);
        assert!(parts.has_symbols && parts.has_lines && !parts.build_id.is_empty());
        assert!(parts.belongs(&own));
        let other = DebugParts { build_id: vec![1, 2, 3], ..parts };
        assert!(!other.belongs(&own));
        // Without build ids the checksum decides.
        let sum = checksum(&own).expect("it can be read");
        let linked = |sum| DebugParts { link: Some(("x".into(), sum)), ..DebugParts::default() };
        assert!(linked(sum).belongs(&own) && !linked(sum ^ 1).belongs(&own));
        assert!(!DebugParts::default().belongs(&own));
        assert_eq!(DebugParts::of(&File::open("/proc/self/maps").expect("own map")), DebugParts::default());
    }

    #[test]
    fn what_can_not_be_unpacked_is_an_error() {
        let mut out = Vec::new();
        assert!(!DebugParts::default().unpack(&mut out).expect("nothing to do"));
        for packed in [&b"nonsense"[..], b"\xfd7zXZ\0", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01"] {
            assert!(DebugParts { packed: packed.to_vec(), ..DebugParts::default() }.unpack(&mut out).is_err());
        }
        assert!(out.is_empty());
    }
}
