//! A process that is dead: its memory, mappings and threads in a core file (ELF, `core(5)`), as the kernel and gdb's `gcore` write it.
//!
//! The file is read where it is asked for and never as a whole. What was not written into it, because a file has it too, is
//! read from that file, below another root if the file comes from another machine.

mod bytes;
mod files;
mod headers;
mod notes;
mod signal;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use py_spy_address_space::{Addr, Fault, Mapping, Memory};

use crate::linux::RootFolder;
use files::{Files, LEAST_PROOF};
use headers::{Headers, Segment};
pub use notes::CoreThread;
use notes::{Mapped, Notes};
pub use signal::signal_name;

/// What a map calls the library that the kernel maps into each process itself.
const VDSO: &str = "[vdso]";

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

/// A core file.
#[derive(Debug)]
pub struct Core {
    file: File,
    /// By address, as are the mapped files.
    segments: Vec<Segment>,
    mapped: Vec<Mapped>,
    files: Files,
    vdso: Addr,
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
        let headers = Headers::read(&file, name)?;
        let mut notes = Notes::default();
        headers.notes.iter().for_each(|bytes| notes.take(bytes, headers.is_x86_64));
        let Notes { threads, signal, pid, command, vdso, mut mapped } = notes;
        mapped.sort_by_key(|mapped| mapped.range.start);
        let segments = headers.segments;
        let kept = |at, into: &mut [u8]| {
            // What may be written may have been: the loader writes behind the headers that `patchelf` has moved there.
            let writable = segment(&segments, at).is_some_and(|segment| segment.flags & 2 != 0);
            let most = if writable { into.len().min(LEAST_PROOF) } else { into.len() };
            read_kept(&file, &segments, at, &mut into[..most]).unwrap_or(0)
        };
        let files = Files::of(&mapped, sysroot, kept)
            .map_err(|why| CoreError::Unreadable(sysroot.unwrap_or(Path::new("/")).display().to_string(), why))?;
        Ok(Core { file, segments, mapped, files, vdso, threads, signal, pid, command })
    }

    /// The file that was mapped under this name, if it is there and is the same.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path).ok()
    }

    /// Where its files are looked for.
    pub fn root(&self) -> &RootFolder {
        self.files.root()
    }

    /// Paths of mapped files that were asked for, at which other files are now.
    pub fn strangers(&self) -> Vec<&str> {
        self.files.strangers()
    }

    /// What was mapped, in the order of addresses.
    pub fn mappings(&self) -> Vec<Mapping> {
        let mut all: Vec<Mapping> = Vec::new();
        let mut numbers: HashMap<&str, u64> = HashMap::new();
        for mapped in &self.mapped {
            let next = numbers.len() as u64 + 1;
            let number = *numbers.entry(&mapped.path).or_insert(next);
            let segment = segment(&self.segments, mapped.range.start);
            // A part that was left out of the file has no flags; modules are told by code, so it passes for that.
            let flags = segment.map_or(0b101, |segment| segment.flags);
            all.push(Mapping {
                range: mapped.range.clone(),
                read: true,
                write: flags & 2 != 0,
                execute: flags & 1 != 0,
                offset: mapped.offset,
                file: (0, number),
                path: mapped.path.clone(),
            });
        }
        for segment in &self.segments {
            if self.mapped_at(segment.range.start).is_none() {
                let is_vdso = self.vdso != 0 && segment.range.start == self.vdso;
                all.push(Mapping {
                    range: segment.range.clone(),
                    read: segment.flags & 4 != 0,
                    write: segment.flags & 2 != 0,
                    execute: segment.flags & 1 != 0,
                    offset: 0,
                    file: (0, 0),
                    path: if is_vdso { VDSO.to_owned() } else { String::new() },
                });
            }
        }
        all.sort_by_key(|mapping| mapping.range.start);
        all
    }

    fn mapped_at(&self, at: Addr) -> Option<&Mapped> {
        let after = self.mapped.partition_point(|mapped| mapped.range.start <= at);
        self.mapped.get(after.checked_sub(1)?).filter(|mapped| mapped.range.contains(&at))
    }

    /// As many of the bytes from `at` on as one place has.
    fn read_some(&self, at: Addr, into: &mut [u8]) -> Option<usize> {
        if let Some(count) = read_kept(&self.file, &self.segments, at, into) {
            return Some(count);
        }
        let mapped = self.mapped_at(at)?;
        let count = (into.len() as u64).min(mapped.range.end - at) as usize;
        let offset = mapped.offset.checked_add(at - mapped.range.start)?;
        self.files.get(&mapped.path).ok()?.read_exact_at(&mut into[..count], offset).ok()?;
        Some(count)
    }
}

fn segment(all: &[Segment], at: Addr) -> Option<&Segment> {
    let after = all.partition_point(|segment| segment.range.start <= at);
    all.get(after.checked_sub(1)?).filter(|segment| segment.range.contains(&at))
}

/// As many of the bytes from `at` on as the segment there has in the file itself.
fn read_kept(file: &File, segments: &[Segment], at: Addr, into: &mut [u8]) -> Option<usize> {
    let segment = segment(segments, at)?;
    let inside = at - segment.range.start;
    if inside >= segment.kept {
        return None;
    }
    let count = (into.len() as u64).min(segment.kept - inside) as usize;
    file.read_exact_at(&mut into[..count], segment.offset.checked_add(inside)?).ok()?;
    Some(count)
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
