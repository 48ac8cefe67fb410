//! Mappings of a process, and the files that they map.

use std::ops::Range;

use crate::Addr;

/// One line of a process's memory map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address and the address behind the last.
    pub range: Range<Addr>,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
    /// Where in the file it starts.
    pub offset: u64,
    /// Device and inode of the file; inode 0 for memory without a file.
    pub file: (u64, u64),
    /// The path, `[stack]` and the like, or empty.
    pub path: String,
}

impl Mapping {
    /// One line of `/proc/PID/maps` (`proc_pid_maps(5)`); `None` when it is not understood.
    pub fn parse(line: &str) -> Option<Mapping> {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let permissions = fields.next()?.as_bytes();
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        let (major, minor) = fields.next()?.split_once(':')?;
        let device = u64::from_str_radix(major, 16).ok()? << 32 | u64::from_str_radix(minor, 16).ok()?;
        let inode = fields.next()?.trim().parse().ok()?;
        let may = |at: usize, letter: u8| permissions.get(at) == Some(&letter);
        Some(Mapping {
            range: u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?,
            read: may(0, b'r'),
            write: may(1, b'w'),
            execute: may(2, b'x'),
            offset,
            file: (device, inode),
            path: fields.next().unwrap_or("").trim_start().to_owned(),
        })
    }
}

/// A file that is mapped: an executable or a library, once for each time it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The path as the map has it, without ` (deleted)`.
    pub path: String,
    /// True when the file is no longer at that path.
    pub deleted: bool,
    /// Its mappings in order, and the memory without a file that directly follows the last one (`.bss`).
    pub mappings: Vec<Mapping>,
}

impl Module {
    /// True when an address is in it.
    pub fn contains(&self, at: Addr) -> bool {
        self.mappings.iter().any(|mapping| mapping.range.contains(&at))
    }

    /// Device and inode of the file.
    pub fn file(&self) -> (u64, u64) {
        self.mappings.first().map_or((0, 0), |mapping| mapping.file)
    }
}

/// What the kernel adds to the path of a file that is gone.
const DELETED: &str = " (deleted)";

/// The files that are mapped with code in them, in address order.
pub fn modules(mappings: &[Mapping]) -> Vec<Module> {
    let mut found: Vec<Module> = Vec::new();
    for mapping in mappings {
        let last = found.last_mut();
        let follows = |module: &Module| module.mappings.last().is_some_and(|m| m.range.end == mapping.range.start);
        if mapping.file.1 == 0 {
            // The part of .bss behind the file's last page belongs to the module in front of it.
            if let Some(module) = last.filter(|module| mapping.path.is_empty() && mapping.write && follows(module)) {
                module.mappings.push(mapping.clone());
            }
            continue;
        }
        match last {
            // A loader maps one file in rising order; offset 0 again is another load of it.
            Some(module) if module.mappings[0].file == mapping.file && mapping.offset > 0 => {
                module.mappings.push(mapping.clone());
            }
            _ => {
                let deleted = mapping.path.ends_with(DELETED);
                let path = mapping.path.strip_suffix(DELETED).unwrap_or(&mapping.path).to_owned();
                found.push(Module { path, deleted, mappings: vec![mapping.clone()] });
            }
        }
    }
    found.retain(|module| module.mappings.iter().any(|mapping| mapping.execute));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55d0c0000000-55d0c0001000 r--p 00000000 fe:00 123                        /usr/bin/py thon
55d0c0001000-55d0c0002000 r-xp 00001000 fe:00 123                        /usr/bin/py thon
55d0c0002000-55d0c0003000 rw-p 00002000 fe:00 123                        /usr/bin/py thon
55d0c0003000-55d0c0008000 rw-p 00000000 00:00 0 
55d0c1000000-55d0c1008000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 r--s 00000000 fe:00 77                         /usr/share/locale
7f0000100000-7f0000101000 r-xp 00000000 fe:00 99                         /lib/libx.so (deleted)
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

    #[test]
    fn modules_have_their_bss_and_data_files_are_left_out() {
        let mappings: Vec<_> = MAPS.lines().map(|line| Mapping::parse(line).expect("a line of maps")).collect();
        assert_eq!(mappings.len(), 9);
        assert_eq!(mappings[7].path, "[stack]");
        let modules = modules(&mappings);
        let short: Vec<_> = modules.iter().map(|m| (m.path.as_str(), m.deleted, m.mappings.len())).collect();
        assert_eq!(short, [("/usr/bin/py thon", false, 4), ("/lib/libx.so", true, 1)]);
    }

    #[test]
    fn nonsense_is_no_mapping() {
        for line in ["", "x", "1-2", "1-2 rw-p", "zz-1 rw-p 0 0:0 0", "1-2 rw-p 0 00 0", "1-2 rw-p 0 0:0 -"] {
            assert_eq!(Mapping::parse(line), None, "{line:?}");
        }
    }
}
