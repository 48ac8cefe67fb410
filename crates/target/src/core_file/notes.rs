//! The notes of a core file: threads, the command, and which files were mapped.

use std::ops::Range;

use py_spy_address_space::Addr;

use crate::Call;

use super::bytes::{half, long, word};

/// Threads that are taken: more than the kernel has numbers for (`PID_MAX_LIMIT`).
const MAX_THREADS: usize = 1 << 22;

/// Mapped files that are taken; see `vm.max_map_count`.
const MAX_MAPPED: usize = 1 << 20;

/// Kinds of notes (`include/uapi/linux/elf.h`).
const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;

/// No system call has a number as high as this; what is in none says -1.
const MAX_CALL: u64 = 1 << 16;

/// Where the registers are in a `struct elf_prstatus` (`include/linux/elfcore.h`).
const REGISTERS: usize = 112;

/// `AT_SYSINFO_EHDR`: where the kernel's own library is mapped (`getauxval(3)`).
const VDSO: u64 = 33;

/// What the kernel adds to the path of a file that is gone.
const DELETED: &str = " (deleted)";

/// A thread in a core file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreThread {
    /// The kernel's id.
    pub tid: u32,
    /// Where its thread-local memory is, which is its `pthread_self()` on x86-64 (`fs_base` of its registers); 0 when unknown.
    pub pthread: u64,
    /// Its registers, if it is of an x86-64: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip.
    pub registers: Option<[u64; 17]>,
    /// The number of the system call that it was in (`orig_rax`); `None` when it was in none.
    pub call: Option<u64>,
}

impl CoreThread {
    /// The system call that it was in. Which file a descriptor was is not in a core file.
    pub fn waits_in(&self) -> Option<Call> {
        const RDI: usize = 5;
        Some(Call::of_number(self.call?, self.registers.map(|all| all[RDI])))
    }
}

/// A file that was mapped.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) range: Range<Addr>,
    pub(super) offset: u64,
    /// The path, without ` (deleted)`.
    pub(super) path: String,
    /// It was not at that path any more.
    pub(super) deleted: bool,
}

/// What the notes say.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) threads: Vec<CoreThread>,
    pub(super) signal: u32,
    pub(super) pid: u32,
    pub(super) command: String,
    /// Where the kernel's own library is mapped; 0 when unknown.
    pub(super) vdso: Addr,
    pub(super) mapped: Vec<Mapped>,
}

impl Notes {
    /// Each note is the lengths of its name and contents, its type, and both, padded to 4 bytes.
    pub(super) fn take(&mut self, mut notes: &[u8], is_x86_64: bool) {
        while notes.len() >= 12 {
            let (name, size, kind) = (word(notes, 0) as usize, word(notes, 4) as usize, word(notes, 8));
            let start = name.next_multiple_of(4).saturating_add(12);
            let Some(contents) = notes.get(start..).and_then(|rest| rest.get(..size)) else { break };
            match kind {
                NT_PRSTATUS if size >= 36 && self.threads.len() < MAX_THREADS => {
                    if self.threads.is_empty() {
                        self.signal = u32::from(half(contents, 12));
                    }
                    let registers = contents.get(REGISTERS..).filter(|all| is_x86_64 && all.len() >= 27 * 8);
                    self.threads.push(CoreThread {
                        tid: word(contents, 32),
                        pthread: registers.map_or(0, |all| long(all, 21 * 8)),
                        registers: registers.map(in_order),
                        call: registers.map(|all| long(all, 15 * 8)).filter(|&call| call < MAX_CALL),
                    });
                }
                NT_PRPSINFO if size >= 136 => {
                    self.pid = word(contents, 24);
                    let text = contents[56..136].split(|&byte| byte == 0).next().unwrap_or_default();
                    String::from_utf8_lossy(text).trim_end().clone_into(&mut self.command);
                }
                NT_AUXV => {
                    let vdso = contents.chunks_exact(16).find(|pair| long(pair, 0) == VDSO);
                    self.vdso = vdso.map_or(self.vdso, |pair| long(pair, 8));
                }
                NT_FILE => self.take_files(contents),
                _ => {}
            }
            notes = notes.get(start + size.next_multiple_of(4)..).unwrap_or_default();
        }
    }

    /// A count, a page size, start, end and offset in pages of each, and then the names.
    fn take_files(&mut self, contents: &[u8]) {
        let Some(entries) = contents.get(16..) else { return };
        let (count, page) = (long(contents, 0), long(contents, 8));
        if ((entries.len() / 24) as u64) < count {
            return;
        }
        let (entries, names) = entries.split_at(count as usize * 24);
        let room = MAX_MAPPED.saturating_sub(self.mapped.len());
        for (entry, name) in entries.chunks_exact(24).zip(names.split(|&byte| byte == 0)).take(room) {
            let range = long(entry, 0)..long(entry, 8);
            let name = String::from_utf8_lossy(name);
            if !range.is_empty() {
                self.mapped.push(Mapped {
                    range,
                    offset: long(entry, 16).saturating_mul(page),
                    path: name.strip_suffix(DELETED).unwrap_or(&name).to_owned(),
                    deleted: name.ends_with(DELETED),
                });
            }
        }
    }
}

/// From the order of `struct user_regs_struct` (r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi,
/// `orig_rax`, rip, cs, eflags, rsp, ...; `sys/user.h`) to that of DWARF.
fn in_order(all: &[u8]) -> [u64; 17] {
    [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16].map(|at| long(all, at * 8))
}
