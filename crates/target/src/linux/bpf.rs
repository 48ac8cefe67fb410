//! eBPF: maps and programs, by the `bpf` system call alone. All of it is tied to file descriptors and gone with them.

mod ring;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub use ring::Ring;

/// The kernel's functions that read memory are for programs under this licence only (`include/linux/license.h`); it is
/// said of the program that is loaded, which is made here and nowhere kept.
const LICENCE: &CStr = c"GPL";

/// How much the verifier may say of a program that it refuses.
const LOG_SIZE: usize = 1 << 16;

/// Commands of `bpf` (`enum bpf_cmd` in `include/uapi/linux/bpf.h`).
const MAP_CREATE: i32 = 0;
const MAP_LOOKUP: i32 = 1;
const MAP_UPDATE: i32 = 2;
const MAP_DELETE: i32 = 3;
const PROG_LOAD: i32 = 5;

/// `BPF_PROG_TYPE_PERF_EVENT`.
const PERF_EVENT: u32 = 7;

/// The kinds of maps that are used (`enum bpf_map_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// By a key of any bytes.
    Hash = 1,
    /// By a number below the number of entries.
    Array = 2,
    /// By a key of any bytes; what was not used for the longest makes room for what is new.
    Recent = 9,
    /// A ring buffer that the kernel fills (5.8+).
    Ring = 27,
}

/// A map.
#[derive(Debug)]
pub struct Map(OwnedFd);

/// `union bpf_attr` as far as `MAP_CREATE` reads it.
#[repr(C)]
struct NewMap {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

/// The same for the commands about one entry.
#[repr(C)]
struct Entry {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The same for `PROG_LOAD`.
#[repr(C)]
struct NewProgram {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    licence: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

impl Map {
    /// A map with keys and values of so many bytes.
    ///
    /// # Errors
    /// `EPERM` without `CAP_BPF`, `EINVAL` for a kind that this kernel does not know.
    pub fn new(kind: MapKind, key_size: u32, value_size: u32, max_entries: u32) -> io::Result<Map> {
        let mut new = NewMap { kind: kind as u32, key_size, value_size, max_entries, flags: 0 };
        bpf_descriptor(MAP_CREATE, &mut new).map(Map)
    }

    /// Sets an entry.
    ///
    /// # Errors
    /// `E2BIG` when the map is full.
    pub fn set(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.entry(MAP_UPDATE, key, value.as_ptr() as u64)
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// `ENOENT` when there is none.
    pub fn remove(&self, key: &[u8]) -> io::Result<()> {
        self.entry(MAP_DELETE, key, 0)
    }

    /// Reads an entry into `value`, which is as long as the map's values are.
    ///
    /// # Errors
    /// `ENOENT` when there is none.
    pub fn get(&self, key: &[u8], value: &mut [u8]) -> io::Result<()> {
        self.entry(MAP_LOOKUP, key, value.as_mut_ptr() as u64)
    }

    fn entry(&self, command: i32, key: &[u8], value: u64) -> io::Result<()> {
        let map = self.0.as_raw_fd() as u32;
        let mut entry = Entry { map, padding: 0, key: key.as_ptr() as u64, value, flags: 0 };
        bpf(command, &mut entry).map(|_| ())
    }

    /// The number by which a program names it.
    pub fn number(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Why a program was refused.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// `EPERM` without `CAP_PERFMON`, or where the kernel is locked down; others are the verifier's.
    pub error: io::Error,
    /// What the verifier says, if it was the verifier.
    pub log: String,
}

/// A program that runs at perf events.
#[derive(Debug)]
pub struct Program(OwnedFd);

impl Program {
    /// Loads a program: instructions as 64-bit words.
    ///
    /// # Errors
    /// When it is not allowed, or the verifier does not take it.
    pub fn load(instructions: &[u64]) -> Result<Program, Refused> {
        let load = |log: &mut [u8]| {
            let mut new = NewProgram {
                kind: PERF_EVENT,
                instruction_count: instructions.len() as u32,
                instructions: instructions.as_ptr() as u64,
                licence: LICENCE.as_ptr() as u64,
                log_level: u32::from(!log.is_empty()),
                log_size: log.len() as u32,
                log: if log.is_empty() { 0 } else { log.as_mut_ptr() as u64 },
            };
            bpf_descriptor(PROG_LOAD, &mut new).map(Program)
        };
        load(&mut []).map_err(|error| {
            let mut log = vec![0; LOG_SIZE];
            // Asked for only now: to write it takes the verifier longer than all the rest.
            let log = match load(&mut log) {
                Err(_) => CStr::from_bytes_until_nul(&log).map(|log| log.to_string_lossy().into_owned()),
                Ok(_) => Ok(String::new()),
            };
            Refused { error, log: log.unwrap_or_default() }
        })
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A command that gives a new file descriptor.
fn bpf_descriptor<T>(command: i32, attributes: &mut T) -> io::Result<OwnedFd> {
    let descriptor = bpf(command, attributes)?;
    #[expect(unsafe_code, reason = "nix has no bpf")]
    // SAFETY: these commands return a new file descriptor, which nobody else has; the kernel makes it close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn bpf<T>(command: i32, attributes: &mut T) -> io::Result<i32> {
    #[expect(unsafe_code, reason = "nix has no bpf")]
    // SAFETY: `attributes` is a repr(C) struct without padding, of the size that is given, and lives for the call; what its
    // pointers point to does so too, with the sizes that the map was made with or that stand beside them.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}
