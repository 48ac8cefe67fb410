//! Names of code that was made while the program ran, in the form that `perf inject --jit` reads (the kernel's
//! `tools/perf/Documentation/jitdump-specification.txt`; Python writes it with `-X perf_jit`). Whoever writes such a file has its first page
//! mapped, which says where it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use py_spy_address_space::Addr;
use py_spy_target::{RootFolder, Target};

/// `JiTD`, as this processor writes it.
const MAGIC: u32 = 0x4a69_5444;

/// The kind of a record that says where code is.
const CODE_LOAD: u32 = 0;

/// The fields in front of every record, and those of [`CODE_LOAD`] behind them, up to the name.
const RECORD: usize = 16;
const LOAD: usize = 40;

/// Records that are looked at, all in all: some MB of code a second for hours.
const MAX_RECORDS: usize = 1 << 22;

/// No name is longer.
const MAX_NAME: usize = 4096;

/// Pieces of code that are known.
const MAX_CODE: usize = 1 << 20;

/// What one process has written so far.
#[derive(Debug, Default)]
pub(super) struct JitDump {
    code: BTreeMap<Addr, (u64, String)>,
    /// The file was read up to here.
    read: u64,
    records: usize,
}

impl JitDump {
    /// Reads what has been written since the last time.
    pub(super) fn refresh(&mut self, target: &Target) {
        let file = format!("jit-{}.dump", target.own_pid());
        let Ok(mappings) = target.mappings() else { return };
        let path = mappings.into_iter().map(|mapping| mapping.path).find(|path| path.rsplit('/').next() == Some(&file));
        let Some(path) = path else { return };
        let opened = RootFolder::of(target.pid).and_then(|root| root.open(Path::new(&path)));
        if let Ok(file) = opened
            && self.read_on(&mut BufReader::new(file)).is_none()
        {
            log::debug!("{path} is not what it should be at {}", self.read);
        }
    }

    /// The name of the code at an address.
    pub(super) fn name(&self, at: Addr) -> Option<&str> {
        let (start, (size, name)) = self.code.range(..=at).next_back()?;
        (at - start < *size).then_some(name)
    }

    /// Up to the last record that is whole. `None` when the file makes no sense.
    fn read_on(&mut self, file: &mut BufReader<File>) -> Option<()> {
        if self.read == 0 {
            let mut header = [0; 12];
            file.read_exact(&mut header).ok()?;
            if half(&header, 0)? != MAGIC {
                return None;
            }
            self.read = u64::from(half(&header, 8)?);
        }
        let end = file.get_ref().metadata().ok()?.len();
        while self.records < MAX_RECORDS {
            file.seek(SeekFrom::Start(self.read)).ok()?;
            let mut record = [0; RECORD + LOAD];
            if file.read_exact(&mut record[..RECORD]).is_err() {
                break;
            }
            let size = u64::from(half(&record, 4)?);
            let next = self.read.checked_add(size.max(RECORD as u64))?;
            if next > end {
                // It is just being written.
                break;
            }
            self.records += 1;
            if half(&record, 0)? == CODE_LOAD && size >= (RECORD + LOAD) as u64 {
                file.read_exact(&mut record[RECORD..]).ok()?;
                let longest = (size as usize - RECORD - LOAD).min(MAX_NAME);
                let mut name = vec![0; longest];
                file.read_exact(&mut name).ok()?;
                let length = name.iter().position(|&byte| byte == 0).unwrap_or(longest);
                let name = String::from_utf8_lossy(&name[..length]).into_owned();
                self.put(word(&record, RECORD + 16)?, word(&record, RECORD + 24)?, name);
            }
            self.read = next;
        }
        Some(())
    }

    /// Code may be where other code was.
    fn put(&mut self, at: Addr, size: u64, name: String) {
        if self.code.len() < MAX_CODE || self.code.contains_key(&at) {
            self.code.insert(at, (size, name));
        }
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn record(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut record = kind.to_le_bytes().to_vec();
        record.extend((16 + body.len() as u32).to_le_bytes());
        record.extend([0; 8]);
        record.extend(body);
        record
    }

    fn load(at: u64, size: u64, name: &str) -> Vec<u8> {
        let mut body = vec![0; 8];
        for field in [at, at, size, 1] {
            body.extend(field.to_le_bytes());
        }
        body.extend(name.as_bytes());
        body.push(0);
        body.extend(vec![0xcc; size as usize]);
        record(CODE_LOAD, &body)
    }

    fn header() -> Vec<u8> {
        let mut header = MAGIC.to_le_bytes().to_vec();
        header.extend([1, 0, 0, 0, 40, 0, 0, 0]);
        header.extend([0; 28]);
        header
    }

    /// Names after the file had these pieces, one after the other.
    fn names(pieces: &[&[u8]], at: &[Addr]) -> Vec<Option<String>> {
        let mut file = tempfile::tempfile().expect("a file");
        let mut dump = JitDump::default();
        for piece in pieces {
            file.seek(SeekFrom::End(0)).expect("its end");
            file.write_all(piece).expect("written");
            file.seek(SeekFrom::Start(0)).expect("its start");
            dump.read_on(&mut BufReader::new(file.try_clone().expect("the file")));
        }
        at.iter().map(|&at| dump.name(at).map(str::to_owned)).collect()
    }

    #[test]
    fn code_is_known_as_it_is_written() {
        let second = load(0x2000, 0x10, "py::g");
        let (begun, rest) = second.split_at(30);
        let pieces = [&[header(), load(0x1000, 0x20, "first"), record(4, &[0; 24])].concat(), begun, rest];
        let at = [0xfff, 0x1000, 0x101f, 0x1020, 0x2005];
        assert_eq!(names(&pieces[..2], &at), [None, Some("first".into()), Some("first".into()), None, None]);
        assert_eq!(names(&pieces, &at)[4], Some("py::g".into()));
        let other = load(0x1000, 0x10, "other");
        assert_eq!(names(&[pieces[0], &other], &[0x1000, 0x1015]), [Some("other".into()), None]);
    }

    #[test]
    fn any_bytes_end() {
        let whole = [header(), load(0x1000, 0x20, "first"), load(u64::MAX, u64::MAX >> 60, "last")].concat();
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                names(&[&damaged, &whole], &[0x1000, u64::MAX]);
            }
            names(&[&whole[..at]], &[0x1000]);
        }
    }
}
