//! From addresses in a file to functions, files and lines.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};

use crate::debug_parts::own_path;

/// No file has addresses from here on: the processor's own limit for programs.
const MAX_ADDRESS: u64 = 1 << 47;

/// A function at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name, demangled.
    pub name: String,
    /// How long its code is, bytes; `None` where that is not known, or for one that was put into another.
    pub size: Option<u64>,
    /// The source file and line, where debugging information tells them.
    pub place: Option<(PathBuf, u32)>,
    /// The compiler has put it into the one before it.
    pub inlined: bool,
}

/// Finds functions by address. What it has read of a file it keeps.
pub struct Symbols(Symbolizer);

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Symbols").finish()
    }
}

impl Default for Symbols {
    fn default() -> Self {
        let symbols = Symbolizer::builder().enable_code_info(true).enable_inlined_fns(true).enable_auto_reload(false);
        // Other files with debugging information are looked for where the process sees them, see [`crate::DebugParts`].
        Symbols(symbols.set_debug_dirs(Some([""; 0])).build())
    }
}

impl Symbols {
    /// The functions at an address of a file, in the file's own counting: the one that has a frame, then those that
    /// were put into it there, the innermost one last. None when the file does not tell.
    ///
    /// The file is found by its descriptor, so it is the one that was opened, whatever is at its path by now; it must stay
    /// open for as long as these symbols are in use.
    pub fn at(&self, file: &File, address: u64) -> Vec<Function> {
        if address >= MAX_ADDRESS {
            return Vec::new();
        }
        let found = self.0.symbolize_single(&Source::Elf(Elf::new(own_path(file))), Input::VirtOffset(address));
        let symbol = match found {
            Ok(Symbolized::Sym(symbol)) => symbol,
            Ok(Symbolized::Unknown(why)) => {
                log::debug!("no symbol at {address:#x}: {why}");
                return Vec::new();
            }
            Err(why) => {
                log::debug!("no symbol at {address:#x}: {why}");
                return Vec::new();
            }
        };
        let place = |info: Option<&blazesym::symbolize::CodeInfo<'_>>| {
            info.map(|info| (info.to_path().into_owned(), info.line.unwrap_or(0)))
        };
        let mut functions = vec![Function {
            name: symbol.name.to_string(),
            size: symbol.size.map(|size| size as u64),
            place: place(symbol.code_info.as_deref()),
            inlined: false,
        }];
        functions.extend(symbol.inlined.iter().map(|inlined| Function {
            name: inlined.name.to_string(),
            size: None,
            place: place(inlined.code_info.as_ref()),
            inlined: true,
        }));
        functions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn known() -> u32 {
        std::hint::black_box(7)
    }

    #[test]
    fn our_own_functions() {
        let file = File::open("/proc/self/exe").expect("own executable");
        let maps = std::fs::read_to_string("/proc/self/maps").expect("own map");
        let mappings: Vec<_> = maps.lines().filter_map(py_spy_address_space::Mapping::parse).collect();
        let exe = std::fs::read_link("/proc/self/exe").expect("own executable");
        let modules = py_spy_address_space::modules(&mappings);
        let module = modules.iter().find(|module| module.path == exe.to_string_lossy()).expect("it is mapped");
        let image = py_spy_address_space::Image::read(&file, &[]).expect("an ELF file");
        let bias = image.load_bias(module).expect("loaded from it");
        assert_eq!(known(), 7);
        let address = (known as fn() -> u32 as usize as u64).wrapping_sub(bias);
        let symbols = Symbols::default();
        let functions = symbols.at(&file, address);
        assert!(functions[0].name.ends_with("known") && !functions[0].inlined, "{functions:?}");
        let (path, line) = functions[0].place.as_ref().expect("tests have debugging information");
        assert!(path.ends_with("symbols.rs") && *line > 0, "{functions:?}");
        assert_eq!(symbols.at(&file, u64::MAX), []);
        let no_elf = File::open("/proc/self/maps").expect("own map");
        assert_eq!(symbols.at(&no_elf, address), []);
    }
}
