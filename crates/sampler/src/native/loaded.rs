//! The files that a process has loaded, opened when something of theirs is wanted.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use py_spy_address_space::{Addr, Image, Mapping, Module, modules};
use py_spy_native::DebugParts;
use py_spy_target::{Core, Executable, MappedFile, RootFolder, Target, memory_file};

/// No source file is read further.
const MAX_SOURCE: u64 = 64 << 20;

/// The files of a process, by address.
#[derive(Debug)]
pub(super) struct Files {
    origin: Origin,
    loaded: Vec<Loaded>,
}

/// Where the files are.
#[derive(Debug)]
enum Origin {
    /// With a process that lives.
    Living(Target, Executable),
    /// Where a core file says.
    Core(Arc<Core>),
}

impl Origin {
    fn open(&self, module: &Module) -> io::Result<File> {
        match self {
            Origin::Living(target, executable) => Ok(MappedFile::open(target, executable, module)?.file),
            Origin::Core(core) => core.file(&module.path).ok_or(io::ErrorKind::NotFound)?.try_clone(),
        }
    }

    /// Another file, by its path as the process sees it.
    fn other(&self, path: &Path) -> io::Result<File> {
        match self {
            Origin::Living(target, _) => RootFolder::of(target.pid)?.open(path),
            Origin::Core(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The file that has the names or lines that one lacks.
    fn debug_file(&self, file: &File, module: &Module) -> Option<File> {
        let parts = DebugParts::of(file);
        if parts.has_symbols && parts.has_lines {
            return None;
        }
        let found = parts.candidates(Path::new(&module.path)).into_iter().find_map(|path| {
            let other = self.other(&path).ok().filter(|other| parts.belongs(other))?;
            log::info!("{}: names are in {}", module.path, path.display());
            Some(other)
        });
        found.or_else(|| {
            if parts.has_symbols {
                return None;
            }
            let mut unpacked = memory_file("names").ok()?;
            match parts.unpack(&mut unpacked) {
                Ok(true) => Some(unpacked),
                Ok(false) => None,
                Err(why) => {
                    log::info!("{}: its packed names can not be unpacked: {why}", module.path);
                    None
                }
            }
        })
    }
}

#[derive(Debug)]
struct Loaded {
    module: Module,
    file: Option<Opened>,
    /// It could not be opened: that is not tried again.
    missing: bool,
}

#[derive(Debug)]
struct Opened {
    /// The file, and before it the one that has what it lacks.
    files: Vec<File>,
    bias: u64,
}

/// Where an address is.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The file's path, or what is mapped there instead of a file.
    pub(super) path: &'a str,
    /// The files that may name it, the best first: the file itself, if it can be read, and where its debugging information is.
    pub(super) files: &'a [File],
    /// The address in the file's own counting; that in the process where there is no file.
    pub(super) address: u64,
}

impl Files {
    pub(super) fn of(target: &Target, mappings: &[Mapping]) -> Files {
        Files::with(Origin::Living(target.clone(), Executable::of(target)), mappings)
    }

    /// Of a process that is dead.
    pub(super) fn of_core(core: &Arc<Core>, mappings: &[Mapping]) -> Files {
        Files::with(Origin::Core(Arc::clone(core)), mappings)
    }

    fn with(origin: Origin, mappings: &[Mapping]) -> Files {
        let mut files = Files { origin, loaded: Vec::new() };
        files.load(mappings);
        files
    }

    fn load(&mut self, mappings: &[Mapping]) {
        let loaded = |module| Loaded { module, file: None, missing: false };
        self.loaded = modules(mappings).into_iter().map(loaded).collect();
    }

    /// Takes other mappings. False when their files are the same.
    pub(super) fn change(&mut self, target: &Target, mappings: &[Mapping]) -> bool {
        let same = modules(mappings).iter().eq(self.loaded.iter().map(|loaded| &loaded.module));
        if !same {
            self.origin = Origin::Living(target.clone(), Executable::of(target));
            self.load(mappings);
        }
        !same
    }

    /// Where an address is.
    pub(super) fn place(&mut self, at: Addr) -> Place<'_> {
        let nowhere = Place { path: "", files: &[], address: at };
        let Some(loaded) = self.loaded.iter_mut().find(|loaded| loaded.module.contains(at)) else { return nowhere };
        if loaded.file.is_none() && !loaded.missing {
            loaded.file = open(&self.origin, &loaded.module);
            loaded.missing = loaded.file.is_none();
        }
        let path = &loaded.module.path;
        match &loaded.file {
            Some(Opened { files, bias }) => Place { path, files, address: at.wrapping_sub(*bias) },
            None => Place { path, files: &[], address: at },
        }
    }

    /// The text of a source file, if it is there.
    pub(super) fn source(&self, path: &Path) -> Option<String> {
        let mut bytes = Vec::new();
        self.origin.other(path).ok()?.take(MAX_SOURCE).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Where a file's section `.eh_frame` is.
    pub(super) fn eh_frame(&self, module: &Module) -> Option<Range<Addr>> {
        let file = self.origin.open(module).ok()?;
        let image = Image::read(file, &[]).ok()?;
        let (address, size) = image.section(".eh_frame")?;
        let start = image.load_bias(module)?.wrapping_add(address);
        Some(start..start.checked_add(size)?)
    }
}

fn open(origin: &Origin, module: &Module) -> Option<Opened> {
    let file = origin.open(module).inspect_err(|why| log::info!("{}: no names: {why}", module.path)).ok()?;
    let bias = Image::read(&file, &[]).ok()?.load_bias(module)?;
    let files = origin.debug_file(&file, module).into_iter().chain([file]).collect();
    Some(Opened { files, bias })
}
