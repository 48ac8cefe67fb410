//! The files that a process has loaded, opened when something of theirs is wanted.

use std::fs::File;
use std::ops::Range;

use py_spy_address_space::{Addr, Image, Mapping, Module, modules};
use py_spy_target::{Executable, MappedFile, Target};

/// The files of a process, by address.
#[derive(Debug)]
pub(super) struct Files {
    target: Target,
    executable: Executable,
    loaded: Vec<Loaded>,
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
    file: File,
    bias: u64,
}

/// Where an address is.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The file's path, or what is mapped there instead of a file.
    pub(super) path: &'a str,
    /// The file, if it can be read.
    pub(super) file: Option<&'a File>,
    /// The address in the file's own counting; that in the process where there is no file.
    pub(super) address: u64,
}

impl Files {
    pub(super) fn of(target: &Target, mappings: &[Mapping]) -> Files {
        let mut files = Files { target: target.clone(), executable: Executable::of(target), loaded: Vec::new() };
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
            self.executable = Executable::of(target);
            self.load(mappings);
        }
        !same
    }

    /// Where an address is.
    pub(super) fn place(&mut self, at: Addr) -> Place<'_> {
        let nowhere = Place { path: "", file: None, address: at };
        let Some(loaded) = self.loaded.iter_mut().find(|loaded| loaded.module.contains(at)) else { return nowhere };
        if loaded.file.is_none() && !loaded.missing {
            loaded.file = open(&self.target, &self.executable, &loaded.module);
            loaded.missing = loaded.file.is_none();
        }
        let path = &loaded.module.path;
        match &loaded.file {
            Some(Opened { file, bias }) => Place { path, file: Some(file), address: at.wrapping_sub(*bias) },
            None => Place { path, file: None, address: at },
        }
    }

    /// Where a file's section `.eh_frame` is.
    pub(super) fn eh_frame(&self, module: &Module) -> Option<Range<Addr>> {
        let file = MappedFile::open(&self.target, &self.executable, module).ok()?.file;
        let image = Image::read(file, &[]).ok()?;
        let (address, size) = image.section(".eh_frame")?;
        let start = image.load_bias(module)?.wrapping_add(address);
        Some(start..start.checked_add(size)?)
    }
}

fn open(target: &Target, executable: &Executable, module: &Module) -> Option<Opened> {
    let file = MappedFile::open(target, executable, module)
        .inspect_err(|why| log::info!("{}: no names: {why}", module.path))
        .ok()?
        .file;
    let bias = Image::read(&file, &[]).ok()?.load_bias(module)?;
    Some(Opened { file, bias })
}
