//! The files that a process has mapped: opened as they are mapped, whatever is at their paths by now.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};
use py_spy_address_space::{Memory, Module, read_vec};

use super::process::Target;
use super::root_folder::{RootFolder, open_regular};

/// So much of a file's start is compared with what is mapped: the ELF header, the program headers, and mostly the build id.
const START: u64 = 4096;

/// What the kernel adds to the path of a file that is gone.
const DELETED: &str = " (deleted)";

/// Which file a process runs.
#[derive(Debug, Clone, Default)]
pub struct Executable {
    path: Option<PathBuf>,
    file: Option<(u64, u64)>,
}

impl Executable {
    /// That of a process. Of one that we may not look at it is none.
    pub fn of(target: &Target) -> Executable {
        let file = std::fs::metadata(format!("/proc/{}/exe", target.pid)).ok();
        Executable { path: target.executable().ok(), file: file.map(|about| identity(&about)) }
    }

    /// True when a module is this file.
    pub fn is(&self, module: &Module) -> bool {
        // On overlays and btrfs the map has another device than the file.
        self.file == Some(module.file()) || self.path.as_deref().is_some_and(|path| path.as_os_str() == &*full(module))
    }
}

/// A file that is mapped, opened.
#[derive(Debug)]
pub struct MappedFile {
    /// It.
    pub file: File,
    /// The kernel or its identity says that it is the one that is mapped. If not, it is what is at that path now.
    certain: bool,
}

impl MappedFile {
    /// Opens the very file that is mapped if the kernel lets us, else the one that has its path now, as the process sees it.
    ///
    /// # Errors
    /// When it can not be opened, or is known to be another one than is mapped.
    pub fn open(target: &Target, executable: &Executable, module: &Module) -> io::Result<MappedFile> {
        let pid = target.pid;
        let certain = |file| MappedFile { file, certain: true };
        if executable.is(module) {
            return open_regular(&format!("/proc/{pid}/exe")).map(certain);
        }
        let range = &module.mappings[0].range;
        // Only with CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE.
        open_regular(&format!("/proc/{pid}/map_files/{:x}-{:x}", range.start, range.end))
            .map(certain)
            .or_else(|_| MappedFile::by_path(target, module))
    }

    fn by_path(target: &Target, module: &Module) -> io::Result<MappedFile> {
        let file = RootFolder::of(target.pid)?.open(&target.inside(Path::new(&module.path)))?;
        let about = file.metadata()?;
        let certain = identity(&about) == module.file();
        if module.deleted && !certain {
            let message = "it was deleted or replaced, and what is at its path now is another file";
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        Ok(MappedFile { file, certain })
    }

    /// True when this is the file that is mapped: known, or because it begins as what is mapped does.
    pub fn is_what_is_mapped(&self, memory: &dyn Memory, module: &Module) -> bool {
        if self.certain {
            return true;
        }
        let first = module.mappings.iter().find(|mapping| mapping.offset == 0 && mapping.file.1 != 0);
        let Some(first) = first else { return false };
        // No CPython is shorter.
        let length = START.min(first.range.end - first.range.start) as usize;
        let mut start = vec![0; length];
        self.file.read_exact_at(&mut start, 0).is_ok()
            && read_vec(memory, first.range.start, length).is_ok_and(|mapped| mapped == start)
    }
}

/// The path as the map has it.
fn full(module: &Module) -> std::borrow::Cow<'_, OsStr> {
    if module.deleted {
        std::ffi::OsString::from([&module.path, DELETED].concat()).into()
    } else {
        OsStr::new(&module.path).into()
    }
}

/// Device and inode, as the map has them.
fn identity(about: &std::fs::Metadata) -> (u64, u64) {
    (major(about.dev()) << 32 | minor(about.dev()), about.ino())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use py_spy_address_space::{Mapping, Recording};

    use super::*;

    /// A file of this content, and the line of a map that has it.
    fn file(folder: &std::path::Path, name: &str, content: &[u8]) -> (PathBuf, Module) {
        let path = folder.join(name);
        fs::write(&path, content).expect("a file");
        let (device, inode) = identity(&fs::metadata(&path).expect("it is there"));
        let (major, minor) = (device >> 32, device & 0xffff_ffff);
        let line = format!("1000-3000 r-xp 00000000 {major:x}:{minor:x} {inode} {}", path.display());
        let mapping = Mapping::parse(&line).expect("a line of maps");
        let module = Module { path: path.display().to_string(), deleted: false, mappings: vec![mapping] };
        (path, module)
    }

    #[test]
    fn only_the_file_that_is_mapped_will_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let we = Target::find(std::process::id()).expect("we live");
        let content: Vec<u8> = (0..6000_u32).map(|at| at as u8).collect();
        let (path, module) = file(folder.path(), "lib.so", &content);
        let mut memory = Recording::default();
        memory.put(0x1000, &content);
        let taken =
            |module: &Module| MappedFile::by_path(&we, module).map(|f| f.is_what_is_mapped(&memory, module)).ok();
        // The same device and inode: that is it.
        assert_eq!(taken(&module), Some(true));
        // Another device, as on an overlay: it is, if it begins like it.
        let mut overlaid = module.clone();
        overlaid.mappings[0].file = (1, 2);
        assert_eq!(taken(&overlaid), Some(true));
        // Gone from that path, and another one is there, though it begins the same.
        let deleted = Module { deleted: true, ..overlaid.clone() };
        assert_eq!(taken(&deleted), None);
        // Another content behind the same path.
        fs::write(&path, vec![7; 6000]).expect("a file");
        assert_eq!(taken(&overlaid), Some(false));
        for short in [&content[..100], &[]] {
            fs::write(&path, short).expect("a file");
            assert_eq!(taken(&overlaid), Some(false));
        }
        fs::remove_file(&path).expect("it is there");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert_eq!(taken(&overlaid), None);
        fs::remove_file(&path).expect("it is there");
        assert_eq!(taken(&overlaid), None);
    }
}
