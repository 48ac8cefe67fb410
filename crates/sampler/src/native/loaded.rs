//! The files that a process has loaded, opened when something of theirs is wanted.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use py_spy_address_space::{Addr, Image, Mapping, Module, modules};
use py_spy_native::DebugFrames;
use py_spy_target::{Core, Executable, MappedFile, Target};

/// The files of a process, by address.
#[derive(Debug)]
pub(super) struct Files {
    origin: Origin,
    loaded: Vec<Loaded>,
    /// How many were opened.
    opened: u64,
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
}

#[derive(Debug)]
struct Loaded {
    module: Module,
    path: Arc<str>,
    /// The file, and what it counts its addresses from.
    file: Option<(Arc<Opened>, u64)>,
    /// It could not be opened: that is not tried again.
    missing: bool,
}

/// What has become of a process's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// There are more.
    Added,
    /// Some are gone, and others may be where they were.
    Replaced,
}

/// A file that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    /// No other file of the process has or had it.
    pub(super) id: u64,
    pub(super) file: File,
}

/// Where an address is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The file's path, or what is mapped there instead of a file.
    pub(super) path: Arc<str>,
    /// The file, if it can be read.
    pub(super) file: Option<Arc<Opened>>,
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
        let mut files = Files { origin, loaded: Vec::new(), opened: 0 };
        files.load(mappings);
        files
    }

    /// What these mappings are to those that are known.
    pub(super) fn compare(&self, mappings: &[Mapping]) -> Change {
        let now = modules(mappings);
        let known = |module: &Module| self.loaded.iter().any(|loaded| loaded.module == *module);
        match (self.loaded.iter().all(|loaded| now.contains(&loaded.module)), now.iter().all(known)) {
            (true, true) => Change::None,
            (true, false) => Change::Added,
            (false, _) => Change::Replaced,
        }
    }

    /// Takes these mappings. What was opened of files that are still there stays so.
    pub(super) fn load(&mut self, mappings: &[Mapping]) {
        let mut before = std::mem::take(&mut self.loaded);
        self.loaded.extend(modules(mappings).into_iter().map(|module| {
            match before.iter().position(|loaded| loaded.module == module) {
                Some(known) => before.swap_remove(known),
                None => Loaded { path: module.path.as_str().into(), module, file: None, missing: false },
            }
        }));
    }

    /// Where an address is.
    pub(super) fn place(&mut self, at: Addr) -> Place {
        let Files { origin, loaded, opened } = self;
        let Some(loaded) = loaded.iter_mut().find(|loaded| loaded.module.contains(at)) else {
            return Place { path: "".into(), file: None, address: at };
        };
        if loaded.file.is_none() && !loaded.missing {
            *opened += 1;
            loaded.file = open(origin, &loaded.module, *opened);
            loaded.missing = loaded.file.is_none();
        }
        let path = Arc::clone(&loaded.path);
        match &loaded.file {
            Some((file, bias)) => Place { path, file: Some(Arc::clone(file)), address: at.wrapping_sub(*bias) },
            None => Place { path, file: None, address: at },
        }
    }

    /// Where a file's section `.eh_frame` is.
    pub(super) fn eh_frame(&self, module: &Module) -> Option<Range<Addr>> {
        let file = self.origin.open(module).ok()?;
        let image = Image::read(file, &[]).ok()?;
        let (address, size) = image.section(".eh_frame")?;
        let start = image.load_bias(module)?.wrapping_add(address);
        Some(start..start.checked_add(size)?)
    }

    /// A file's section `.debug_frame`, and what the addresses of the process are more than its own.
    pub(super) fn debug_frames(&self, module: &Module) -> Option<(DebugFrames, Addr)> {
        let file = self.origin.open(module).ok()?;
        let bias = Image::read(&file, &[]).ok()?.load_bias(module)?;
        Some((DebugFrames::of(&file)?, bias))
    }
}

fn open(origin: &Origin, module: &Module, id: u64) -> Option<(Arc<Opened>, u64)> {
    let file = origin.open(module).inspect_err(|why| log::info!("{}: no names: {why}", module.path)).ok()?;
    let bias = Image::read(&file, &[]).ok()?.load_bias(module)?;
    Some((Arc::new(Opened { id, file }), bias))
}
