//! The mapped files of a process that may be CPython, and what their symbols say.

use std::cell::RefCell;
use std::sync::Arc;

use py_spy_address_space::{Addr, Image, Mapping, Memory, Module, modules};
use py_spy_python::{Binary, Missed, NotPython, Python, find_all};
use py_spy_target::{Executable, MappedFile, Target};

use crate::images;

/// The symbols by which CPython is found, and the section that holds the first of them where there is no symbol.
const RUNTIME: &str = "_PyRuntime";
const VERSION: &str = "Py_Version";
const INITIALIZE: &str = "Py_Initialize";
const RUNTIME_SECTION: &str = ".PyRuntime";

/// The symbols by which a CPython is found that has no `_PyRuntime` (up to 3.6).
const INTERPRETERS: &str = "interp_head";
const INTERPRETERS_GETTER: &str = "PyInterpreterState_Head";
const CURRENT_THREAD: &str = "_PyThreadState_Current";

/// The mapped files of a process.
pub(crate) struct Binaries<'a> {
    target: &'a Target,
    memory: &'a dyn Memory,
    executable: Executable,
    modules: Vec<Module>,
    /// Files of which nothing could be read, and why.
    unread: RefCell<Vec<String>>,
}

/// Why none of them is a CPython that can be read.
#[derive(Debug)]
pub(crate) struct NotFound {
    pub(crate) why: NotPython,
    /// The file that comes nearest to it.
    pub(crate) path: String,
    /// Files of which nothing could be read, and why.
    pub(crate) unread: Vec<String>,
}

impl<'a> Binaries<'a> {
    pub(crate) fn of(target: &'a Target, memory: &'a dyn Memory, mappings: &[Mapping]) -> Binaries<'a> {
        let (executable, unread) = (Executable::of(target), RefCell::default());
        Binaries { target, memory, executable, modules: modules(mappings), unread }
    }

    /// Every CPython among them: those named so and the executable first, all others only when there is none.
    pub(crate) fn find_all(&self) -> Result<Vec<Python>, NotFound> {
        let (likely, other): (Vec<_>, Vec<_>) =
            self.modules.iter().partition(|module| is_named(module) || self.executable.is(module));
        let mut missed = Missed { why: NotPython::None, path: String::new() };
        for group in [likely, other] {
            let binaries: Vec<Binary> = group.into_iter().filter_map(|module| self.binary(module)).collect();
            match find_all(self.memory, &binaries) {
                Ok(all) => return Ok(all),
                Err(why) if missed.why == NotPython::None => missed = why,
                Err(_) => {}
            }
        }
        log::info!("process {}: {} mapped files were looked at", self.target.pid, self.modules.len());
        Err(NotFound { why: missed.why, path: missed.path, unread: self.unread.take() })
    }

    /// Those in files that are named so and have none of the known ones in them.
    pub(crate) fn find_further(&self, known: &[Addr]) -> Vec<Python> {
        let new = self.modules.iter().filter(|module| is_named(module));
        let new = new.filter(|module| !known.iter().any(|&runtime| module.contains(runtime)));
        let binaries: Vec<Binary> = new.filter_map(|module| self.binary(module)).collect();
        find_all(self.memory, &binaries).unwrap_or_default()
    }

    /// True when the file that an address is in defines one of these.
    pub(crate) fn has_any(&self, at: Addr, symbols: &[&str]) -> bool {
        let module = self.modules.iter().find(|module| module.contains(at));
        let image = module.and_then(|module| self.image(module, symbols));
        image.is_some_and(|image| symbols.iter().any(|name| image.symbol(name).is_some()))
    }

    /// What a file has of these symbols. Of one that can not be opened, or is another one by now, what its memory has.
    fn image(&self, module: &Module, symbols: &[&str]) -> Option<Arc<Image>> {
        let opened = MappedFile::open(self.target, &self.executable, module);
        let read = opened.map_err(|why| why.to_string()).and_then(|mapped| {
            if !mapped.is_what_is_mapped(self.memory, module) {
                return Err("what is at its path is another file than is mapped".to_owned());
            }
            images::read(mapped.file, symbols)
        });
        let why = match read {
            Ok(image) => return Some(image),
            Err(why) => why,
        };
        match Image::from_memory(self.memory, module, symbols) {
            Ok(image) => {
                log::info!("{}: {why}; read from memory", module.path);
                Some(Arc::new(image))
            }
            Err(also) => {
                log::info!("{}: {why}; from memory: {also}", module.path);
                self.unread.borrow_mut().push(format!("{} could not be read: {why}", module.path));
                None
            }
        }
    }

    fn binary(&self, module: &Module) -> Option<Binary> {
        binary_of(module, self.executable.is(module), &|symbols| self.image(module, symbols))
    }
}

/// What the file that a module maps has of these symbols, or what its memory has where that file is not to be had.
pub(crate) fn read_image(
    file: Option<std::fs::File>,
    memory: &dyn Memory,
    module: &Module,
    symbols: &[&str],
) -> Option<Arc<Image>> {
    let from_file = file.and_then(|file| images::read(file, symbols).ok());
    from_file.or_else(|| Image::from_memory(memory, module, symbols).ok().map(Arc::new))
}

/// A file as one that may be CPython, by what its image has of the symbols that it is asked for. `searched` when it is worth a
/// search without any.
pub(crate) fn binary_of(
    module: &Module,
    searched: bool,
    image_with: &dyn Fn(&[&str]) -> Option<Arc<Image>>,
) -> Option<Binary> {
    let image = image_with(&[RUNTIME, VERSION, INITIALIZE])?;
    let bias = image.load_bias(module)?;
    let address = |name: &str| image.symbol(name).map(|symbol| symbol.address.wrapping_add(bias));
    let section = || image.section(RUNTIME_SECTION).map(|(address, _)| address.wrapping_add(bias));
    let mut binary = Binary {
        path: module.path.clone(),
        runtime: address(RUNTIME).or_else(section),
        version: address(VERSION),
        initialize: image.symbol(INITIALIZE).is_some(),
        data: module.mappings.iter().filter(|m| m.write && m.read).map(|m| m.range.clone()).collect(),
        ..Binary::default()
    };
    log::info!("{}: {RUNTIME} at {:x?}, {VERSION} at {:x?}", binary.path, binary.runtime, binary.version);
    if binary.runtime.is_none() && binary.initialize {
        add_old_symbols(bias, &mut binary, image_with);
    }
    // A library that is not CPython and has none of its symbols is not worth a search.
    let found = binary.runtime.is_some() || binary.initialize;
    (found || searched).then_some(binary)
}

/// Looked for apart: where they are not, the whole table of symbols is searched in vain, and that takes its time.
fn add_old_symbols(bias: u64, binary: &mut Binary, image_with: &dyn Fn(&[&str]) -> Option<Arc<Image>>) {
    let Some(image) = image_with(&[INTERPRETERS, INTERPRETERS_GETTER, CURRENT_THREAD]) else { return };
    let address = |name: &str| image.symbol(name).map(|symbol| symbol.address.wrapping_add(bias));
    binary.interpreters = address(INTERPRETERS);
    binary.interpreters_getter = address(INTERPRETERS_GETTER);
    binary.current_thread = address(CURRENT_THREAD);
    log::info!(
        "{}: {INTERPRETERS} at {:x?}, {INTERPRETERS_GETTER} at {:x?}, {CURRENT_THREAD} at {:x?}",
        binary.path,
        binary.interpreters,
        binary.interpreters_getter,
        binary.current_thread
    );
}

/// Its extension modules have names like `math.cpython-311-x86_64-linux-gnu.so`.
pub(crate) fn is_named(module: &Module) -> bool {
    module.path.rsplit('/').next().is_some_and(|name| name.contains("python") && !name.contains(".cpython-"))
}
