//! The bytes of something that is not us.

use std::fmt;

/// An address in the other process.
pub type Addr = u64;

/// A piece of the other process's memory: where it starts and how many bytes it has.
pub type Span = (Addr, usize);

/// A piece of memory that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Where the read began.
    pub at: Addr,
    /// How many bytes were asked for.
    pub len: usize,
    /// Why.
    pub why: FaultKind,
}

/// Why memory could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing is mapped there, or it can not be read.
    Unmapped,
    /// The process has ended, or has become another program.
    Gone,
    /// We are not allowed to read that process.
    Denied,
}

impl Fault {
    /// Nothing readable at that place.
    pub fn unmapped(at: Addr, len: usize) -> Self {
        Fault { at, len, why: FaultKind::Unmapped }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            FaultKind::Unmapped => "nothing readable is there",
            FaultKind::Gone => "the process is gone",
            FaultKind::Denied => "permission denied",
        };
        write!(f, "could not read {} bytes at {:#x}: {why}", self.len, self.at)
    }
}

impl std::error::Error for Fault {}

/// The bytes of another process, of a core file, or of a recording.
pub trait Memory {
    /// Fills `into` from `at`, whole or not at all.
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault>;

    /// Fills `into`, which is as long as all spans together, with the bytes of the spans in order, in as few calls as
    /// it can. Returns how many bytes, from the front, were filled before the first span that could not be read.
    fn read_many(&self, spans: &[Span], into: &mut [u8]) -> Result<usize, Fault> {
        let mut done = 0;
        for &(at, len) in spans {
            if self.read(at, &mut into[done..done + len]).is_err() {
                break;
            }
            done += len;
        }
        Ok(done)
    }
}

/// Reads a fixed number of bytes.
pub fn read_array<const N: usize>(memory: &dyn Memory, at: Addr) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    memory.read(at, &mut bytes)?;
    Ok(bytes)
}

/// Reads a little-endian 64-bit word.
pub fn read_u64(memory: &dyn Memory, at: Addr) -> Result<u64, Fault> {
    read_array(memory, at).map(u64::from_le_bytes)
}

/// Reads a little-endian 32-bit word.
pub fn read_u32(memory: &dyn Memory, at: Addr) -> Result<u32, Fault> {
    read_array(memory, at).map(u32::from_le_bytes)
}

/// Reads `len` bytes. The caller bounds `len`: it comes from hostile memory.
pub fn read_vec(memory: &dyn Memory, at: Addr, len: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; len];
    memory.read(at, &mut bytes)?;
    Ok(bytes)
}
