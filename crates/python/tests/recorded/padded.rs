//! A recording in which what does not matter is zero.

use std::cell::Cell;
use std::collections::BTreeMap;

use py_spy_address_space::{Addr, Fault, Memory, PAGE, Recording};

/// Whole pages: those of which a recording has some bytes, and zero where it has none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Padded {
    pub(crate) pages: BTreeMap<Addr, Box<[u8]>>,
    /// Reads so far, and bytes.
    pub(crate) reads: Cell<u64>,
    pub(crate) bytes: Cell<u64>,
}

impl Padded {
    pub(crate) fn new(recording: &Recording) -> Padded {
        let mut padded = Padded::default();
        for (at, run) in recording.runs() {
            for (byte, at) in run.iter().zip(at..) {
                padded.page(at)[at as usize % PAGE] = *byte;
            }
        }
        padded
    }

    /// The page that an address is in; from now on it is there.
    pub(crate) fn page(&mut self, at: Addr) -> &mut [u8] {
        self.pages.entry(at - at % PAGE as Addr).or_insert_with(|| vec![0; PAGE].into())
    }
}

impl Memory for Padded {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.reads.set(self.reads.get() + 1);
        self.bytes.set(self.bytes.get() + into.len() as u64);
        let fault = Fault::unmapped(at, into.len());
        let mut done = 0;
        while done < into.len() {
            let now = at.checked_add(done as Addr).ok_or(fault)?;
            let skip = now as usize % PAGE;
            let page = self.pages.get(&(now - skip as Addr)).ok_or(fault)?;
            let take = (PAGE - skip).min(into.len() - done);
            into[done..done + take].copy_from_slice(&page[skip..skip + take]);
            done += take;
        }
        Ok(())
    }
}
