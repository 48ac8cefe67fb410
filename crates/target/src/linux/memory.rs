//! The memory of a live process.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use py_spy_address_space::{Addr, Fault, FaultKind, Memory, Span};

/// The most spans of one call: `IOV_MAX`; with more the kernel says EINVAL.
const MAX_SPANS: usize = 1024;

/// What reading has cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadCount {
    /// System calls.
    pub calls: u64,
    /// Bytes asked for.
    pub bytes: u64,
}

/// The memory of a live process.
#[derive(Debug)]
pub struct Live {
    pid: Pid,
    /// `/proc/PID/mem`. It stays with the program that it was opened for: after an exec it has no bytes.
    file: Option<File>,
    /// `process_vm_readv` is forbidden and the file is read instead.
    by_file: bool,
    /// An address that was mapped when it was opened.
    probe: Addr,
    count: Cell<ReadCount>,
    remote: RefCell<Vec<RemoteIoVec>>,
}

impl Live {
    /// The memory of a process. Finds out whether and how it can be read.
    ///
    /// # Errors
    /// [`FaultKind::Denied`] or [`FaultKind::Gone`]; `probe` is an address that is mapped.
    pub fn open(pid: u32, probe: Addr) -> Result<Live, Fault> {
        let mut live = Live {
            pid: Pid::from_raw(pid as i32),
            file: File::open(format!("/proc/{pid}/mem")).ok(),
            by_file: false,
            probe,
            count: Cell::default(),
            remote: RefCell::default(),
        };
        let mut byte = [0];
        match live.read(probe, &mut byte) {
            Err(Fault { why: FaultKind::Denied, .. }) => {
                // Seccomp filters of containers often forbid the call and leave the file open.
                if live.file.is_none() {
                    return Err(Fault { at: probe, len: 1, why: FaultKind::Denied });
                }
                log::info!("process {pid}: process_vm_readv is not allowed, reading /proc/{pid}/mem");
                live.by_file = true;
                live.read(probe, &mut byte)?;
            }
            other => other?,
        }
        Ok(live)
    }

    /// What reading has cost so far.
    pub fn count(&self) -> ReadCount {
        self.count.get()
    }

    /// True when the process has become another program since, by an exec.
    pub fn is_replaced(&self) -> bool {
        let mut byte = [0];
        self.file.as_ref().is_some_and(|file| matches!(file.read_at(&mut byte, self.probe), Ok(0)))
    }

    fn add(&self, bytes: usize) {
        let count = self.count.get();
        self.count.set(ReadCount { calls: count.calls + 1, bytes: count.bytes + bytes as u64 });
    }
}

fn fault(errno: Errno, at: Addr, len: usize) -> Fault {
    let why = match errno {
        Errno::ESRCH => FaultKind::Gone,
        Errno::EPERM | Errno::EACCES | Errno::ENOSYS => FaultKind::Denied,
        _ => FaultKind::Unmapped,
    };
    Fault { at, len, why }
}

impl Memory for Live {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let len = into.len();
        match self.read_many(&[(at, len)], into)? {
            got if got == len => Ok(()),
            _ => Err(Fault::unmapped(at, len)),
        }
    }

    fn read_many(&self, spans: &[Span], into: &mut [u8]) -> Result<usize, Fault> {
        if let Some(file) = self.file.as_ref().filter(|_| self.by_file) {
            return self.read_file(file, spans, into);
        }
        let mut done = 0;
        for part in spans.chunks(MAX_SPANS) {
            let want: usize = part.iter().map(|span| span.1).sum();
            if want == 0 {
                continue;
            }
            let mut remote = self.remote.borrow_mut();
            remote.clear();
            remote.extend(part.iter().map(|&(at, len)| RemoteIoVec { base: at as usize, len }));
            self.add(want);
            let mut local = [IoSliceMut::new(&mut into[done..done + want])];
            match process_vm_readv(self.pid, &mut local, &remote) {
                Ok(got) => {
                    done += got;
                    if got < want {
                        break;
                    }
                }
                // EFAULT is what a hole at the very front gives.
                Err(Errno::EFAULT) => break,
                Err(errno) => return Err(fault(errno, part[0].0, part[0].1)),
            }
        }
        Ok(done)
    }
}

impl Live {
    fn read_file(&self, file: &File, spans: &[Span], into: &mut [u8]) -> Result<usize, Fault> {
        let mut done = 0;
        for &(at, len) in spans {
            self.add(len);
            match file.read_at(&mut into[done..done + len], at) {
                // After an exec or the end a kept file has no bytes at all.
                Ok(0) if len > 0 => return Err(Fault { at, len, why: FaultKind::Gone }),
                Ok(got) => {
                    done += got;
                    if got < len {
                        break;
                    }
                }
                Err(error) => match fault(Errno::from_raw(error.raw_os_error().unwrap_or(0)), at, len) {
                    Fault { why: FaultKind::Unmapped, .. } => break,
                    other => return Err(other),
                },
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_memory_by_both_ways() {
        let words: Vec<u64> = (0..4096).collect();
        let at = words.as_ptr() as Addr;
        let mut live = Live::open(std::process::id(), at).expect("own memory");
        assert!(!live.is_replaced());
        for by_file in [false, true] {
            live.by_file = by_file;
            let mut word = [0; 8];
            live.read(at + 8 * 77, &mut word).expect("own memory");
            assert_eq!(u64::from_le_bytes(word), 77);
            // More spans than one call takes, and the last one a hole.
            let mut spans: Vec<Span> = (0..2000).map(|n| (at + 16 * n, 8)).collect();
            spans.push((8, 8));
            let mut into = vec![0; 8 * spans.len()];
            assert_eq!(live.read_many(&spans, &mut into), Ok(8 * 2000));
            assert_eq!(into[8 * 1999..8 * 2000], 3998_u64.to_le_bytes());
            assert_eq!(live.read(8, &mut word), Err(Fault::unmapped(8, 8)));
        }
    }

    #[test]
    fn no_process_is_gone() {
        let why = Live::open(0x3fff_ffff, 0x1000).err().map(|fault| fault.why);
        assert_eq!(why, Some(FaultKind::Gone));
    }
}
