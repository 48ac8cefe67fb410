//! The files that the program of a core file had mapped, as they are found here.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use super::notes::Mapped;
use crate::linux::RootFolder;

/// So much of a file's start is compared with what the core file has of it: the ELF header, the program headers, and mostly
/// the build id.
const START: usize = 4096;

/// Less than that, which is the ELF header, is no proof that a file is the one.
pub(super) const LEAST_PROOF: usize = 64;

/// Files by path, each opened when it is asked for.
#[derive(Debug)]
pub(super) struct Files {
    root: RootFolder,
    by_path: HashMap<String, Held>,
}

#[derive(Debug)]
struct Held {
    /// How it begins, as far as the core file has that.
    start: Vec<u8>,
    deleted: bool,
    opened: OnceLock<Result<File, String>>,
}

impl Files {
    /// Those that are mapped, below another root if one is given. `kept` reads what the core file itself has at an address.
    pub(super) fn of(
        mapped: &[Mapped],
        sysroot: Option<&Path>,
        kept: impl Fn(u64, &mut [u8]) -> usize,
    ) -> io::Result<Files> {
        let mut by_path: HashMap<String, Held> = HashMap::new();
        for mapped in mapped {
            let held = by_path.entry(mapped.path.clone()).or_insert_with(|| Held {
                start: Vec::new(),
                deleted: mapped.deleted,
                opened: OnceLock::new(),
            });
            if mapped.offset == 0 && held.start.is_empty() {
                let mut start = vec![0; START.min((mapped.range.end - mapped.range.start) as usize)];
                let got = kept(mapped.range.start, &mut start);
                start.truncate(got);
                held.start = start;
            }
        }
        Ok(Files { root: RootFolder::at(sysroot.unwrap_or(Path::new("/")))?, by_path })
    }

    pub(super) fn root(&self) -> &RootFolder {
        &self.root
    }

    /// One of them.
    pub(super) fn get(&self, path: &str) -> Result<&File, &str> {
        let held = self.by_path.get(path).ok_or("it was not mapped")?;
        held.opened.get_or_init(|| held.open(&self.root, path)).as_ref().map_err(String::as_str)
    }

    /// Those that were asked for and are other files than were mapped.
    pub(super) fn strangers(&self) -> Vec<&str> {
        let is_strange = |held: &Held| matches!(held.opened.get(), Some(Err(why)) if why == STRANGE);
        let mut all: Vec<&str> =
            self.by_path.iter().filter(|(_, held)| is_strange(held)).map(|(path, _)| path.as_str()).collect();
        all.sort_unstable();
        all
    }
}

/// Why a file that is there is not taken.
const STRANGE: &str = "what is at its path is another file than was mapped";

impl Held {
    fn open(&self, root: &RootFolder, path: &str) -> Result<File, String> {
        let file = root.open(Path::new(path)).map_err(|why| why.to_string())?;
        let mut start = vec![0; self.start.len()];
        let same = file.read_exact_at(&mut start, 0).is_ok() && start == self.start;
        let proven = self.start.len() >= LEAST_PROOF;
        if !same || self.deleted && !proven {
            log::warn!("{path}: {STRANGE}");
            return Err(STRANGE.to_owned());
        }
        Ok(file)
    }
}
