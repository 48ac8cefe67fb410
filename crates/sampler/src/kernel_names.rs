//! Frames of the kernel.

use std::io;

use py_spy_address_space::Addr;
use py_spy_profile::{Frame, FrameId, StackId, Tables};
use py_spy_target::KernelSymbols;
use rustc_hash::FxHashMap;

/// What stands in place of a file, where it is no module's.
const KERNEL: &str = "[kernel]";

/// Names are kept for so many addresses.
const MAX_KNOWN: usize = 1 << 20;

/// The names of the kernel's functions.
#[derive(Debug)]
pub(crate) struct KernelNames {
    symbols: KernelSymbols,
    known: FxHashMap<Addr, FrameId>,
}

impl KernelNames {
    /// What the kernel tells; where it tells nothing, which is said, frames are called by their addresses.
    pub(crate) fn read() -> KernelNames {
        let symbols = KernelSymbols::read().unwrap_or_else(|why| {
            let why = match why.kind() {
                io::ErrorKind::PermissionDenied => {
                    "kernel.kptr_restrict hides them from whoever has no CAP_SYSLOG".into()
                }
                _ => why.to_string(),
            };
            log::warn!("the names of the kernel's functions are not known ({why}): addresses are shown instead");
            KernelSymbols::default()
        });
        KernelNames { symbols, known: FxHashMap::default() }
    }

    /// Puts frames onto a stack; the innermost is given first.
    pub(crate) fn put(&mut self, frames: &[Addr], onto: StackId, tables: &mut Tables) -> StackId {
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        frames.iter().enumerate().rev().fold(onto, |below, (index, &at)| {
            // Of callers it is what comes after the call.
            let at = if index == 0 { at } else { at.wrapping_sub(1) };
            let KernelNames { symbols, known } = self;
            let frame = *known.entry(at).or_insert_with(|| frame(symbols, at, tables));
            tables.stack(Some(below), frame)
        })
    }
}

fn frame(symbols: &KernelSymbols, at: Addr, tables: &mut Tables) -> FrameId {
    let (name, module) = symbols.name(at).map_or_else(|| (format!("{at:#x}"), ""), |(name, of)| (name.to_owned(), of));
    let file = tables.string(if module.is_empty() { KERNEL } else { module });
    let name = tables.string(&name);
    tables.frame(Frame::Python { name, file, short_file: file, line: 0 })
}
