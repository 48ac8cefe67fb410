//! A stack of another time and machine: registers, memory, and what another unwinder has made of it.

use std::ops::Range;

use py_spy_address_space::{Addr, Mapping, Memory, Module, read_u64};
use py_spy_native::{End, NativeFrame, Registers, Source, Unwinder};

/// What is known of a stack but its memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) machine: String,
    /// In the order of DWARF.
    pub(crate) registers: Vec<u64>,
    /// Lines as in `/proc/PID/maps`.
    pub(crate) mappings: Vec<String>,
    /// The instruction pointer of each frame, innermost first, and the function's name.
    pub(crate) frames: Vec<(Addr, String)>,
}

impl Recorded {
    pub(crate) fn parse(text: &str) -> Option<Recorded> {
        let mut recorded = Recorded::default();
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        for line in text.lines() {
            let (what, rest) = line.split_once(' ')?;
            match what {
                "machine" => rest.clone_into(&mut recorded.machine),
                "register" => recorded.registers.push(number(rest)?),
                "mapping" => recorded.mappings.push(rest.to_owned()),
                "frame" => {
                    let (at, name) = rest.split_once(' ')?;
                    recorded.frames.push((number(at)?, name.to_owned()));
                }
                _ => return None,
            }
        }
        Some(recorded)
    }

    /// True when these are the frames that were recorded. Of a caller we have the call and others what comes after it, unless a
    /// signal has interrupted it.
    pub(crate) fn has(&self, frames: &[Addr]) -> bool {
        let same = |(ours, theirs): (&Addr, &(Addr, String))| *ours == theirs.0 || *ours + 1 == theirs.0;
        frames.len() == self.frames.len() && frames.iter().zip(&self.frames).all(same)
    }

    /// The addresses of all frames, as this unwinder finds them.
    pub(crate) fn walk(&self, memory: &dyn Memory) -> (End, Vec<Addr>) {
        let mappings: Vec<Mapping> = self.mappings.iter().filter_map(|line| Mapping::parse(line)).collect();
        let registers = match self.machine.as_str() {
            "aarch64" => self.registers[..].try_into().ok().map(Registers::all_of_aarch64),
            _ => self.registers[..].try_into().ok().map(Registers::all),
        };
        let mut frames: Vec<NativeFrame> = Vec::new();
        let stack = |at: Addr| read_u64(memory, at).ok();
        let registers = registers.unwrap_or_default();
        let (end, _) = Unwinder::new(&mappings).walk(&Mapped(memory), registers, &stack, &mut frames);
        (end, frames.iter().map(|frame| frame.at).collect())
    }
}

/// Unwind tables where they are mapped, and nowhere else.
struct Mapped<'a>(&'a dyn Memory);

impl Source for Mapped<'_> {
    fn memory(&self) -> &dyn Memory {
        self.0
    }

    fn eh_frame(&self, _: &Module) -> Option<Range<Addr>> {
        None
    }
}
