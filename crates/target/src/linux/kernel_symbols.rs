//! What the kernel's own code is called.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// Where it says so (`kernel/kallsyms.c`).
const PATH: &str = "/proc/kallsyms";

/// No more symbols are kept: some 200,000 are usual.
const MAX_SYMBOLS: usize = 1 << 21;

/// No more of the file is read, bytes.
const MAX_FILE: u64 = 256 << 20;

/// The kernel's functions by address.
#[derive(Debug, Default)]
pub struct KernelSymbols {
    /// Address, and where in `names` the name begins and the module's name ends; sorted.
    symbols: Vec<(u64, u32, u16, u16)>,
    names: String,
}

impl KernelSymbols {
    /// Reads what the kernel tells.
    ///
    /// # Errors
    /// When there is no such file, and `PermissionDenied` where it has no addresses for us (`kernel.kptr_restrict`, `CAP_SYSLOG`).
    pub fn read() -> io::Result<KernelSymbols> {
        KernelSymbols::parse(BufReader::new(File::open(PATH)?.take(MAX_FILE)))
    }

    fn parse(mut lines: impl BufRead) -> io::Result<KernelSymbols> {
        let (mut found, mut line) = (KernelSymbols::default(), Vec::new());
        let mut hidden = false;
        while found.symbols.len() < MAX_SYMBOLS && lines.read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            let mut words = text.split_ascii_whitespace();
            let address = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
            let is_code = words.next().is_some_and(|kind| matches!(kind, "t" | "T" | "w" | "W"));
            if let Some((address, name)) = address.zip(words.next()).filter(|_| is_code) {
                let module = words.next().unwrap_or_default();
                hidden |= address == 0;
                found.add(address, name, module);
            }
            line.clear();
        }
        if found.symbols.is_empty() {
            let kind = if hidden { io::ErrorKind::PermissionDenied } else { io::ErrorKind::InvalidData };
            return Err(kind.into());
        }
        found.symbols.sort_unstable();
        Ok(found)
    }

    /// Of a symbol that is hidden or too long nothing is kept.
    fn add(&mut self, address: u64, name: &str, module: &str) {
        let lengths = u16::try_from(name.len()).ok().zip(u16::try_from(module.len()).ok());
        if let (Ok(begin), Some((name_length, module_length)), true) =
            (u32::try_from(self.names.len()), lengths, address != 0)
        {
            self.names.push_str(name);
            self.names.push_str(module);
            self.symbols.push((address, begin, name_length, module_length));
        }
    }

    /// The function that an address is in, and the module that it is in, as `[ext4]`: nothing for the kernel itself. `None` for an address
    /// before all functions.
    pub fn name(&self, address: u64) -> Option<(&str, &str)> {
        let next = self.symbols.partition_point(|symbol| symbol.0 <= address);
        let &(_, begin, name, module) = self.symbols.get(next.checked_sub(1)?)?;
        let names = self.names.get(begin as usize..)?;
        Some((names.get(..name.into())?, names.get(name.into()..usize::from(name) + usize::from(module))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_address() {
        let text = "ffffffff81000010 T second\nffffffff81000000 t first\nffffffff81000005 d data\n\
                    ffffffffc0000000 t third\t[module]\nnonsense\n0 T hidden\n";
        let symbols = KernelSymbols::parse(text.as_bytes()).expect("symbols");
        assert_eq!(symbols.name(0xffff_ffff_8100_000f), Some(("first", "")));
        assert_eq!(symbols.name(0xffff_ffff_8100_0010), Some(("second", "")));
        assert_eq!(symbols.name(u64::MAX), Some(("third", "[module]")));
        assert_eq!(symbols.name(0x1000), None);
    }

    #[test]
    fn hidden_ones_are_told_from_none() {
        let kind = |text: &str| KernelSymbols::parse(text.as_bytes()).expect_err("none").kind();
        assert_eq!(kind("0000000000000000 T first\n"), io::ErrorKind::PermissionDenied);
        assert_eq!(kind("\u{0}\n\n"), io::ErrorKind::InvalidData);
    }
}
