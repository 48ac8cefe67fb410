//! Memory that is noise where nothing was written: no size, pointer or counter that happens to be right.

use std::collections::BTreeMap;

use py_spy_address_space::{Addr, Fault, Memory, PAGE};

const NOISE: u8 = 0xa5;

/// Pages, of which those are there that were written to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noise(BTreeMap<Addr, Box<[u8]>>);

impl Noise {
    /// The pages that are there.
    pub(crate) fn pages(&self) -> Vec<Addr> {
        self.0.keys().copied().collect()
    }

    /// Writes bytes, on pages that are there from now on.
    pub(crate) fn put(&mut self, at: Addr, bytes: &[u8]) {
        for (byte, at) in bytes.iter().zip(at..) {
            let page = self.0.entry(at - at % PAGE as Addr).or_insert_with(|| vec![NOISE; PAGE].into());
            page[at as usize % PAGE] = *byte;
        }
    }

    /// Has the pages of a place.
    pub(crate) fn room(&mut self, at: Addr, size: u64) {
        for page in (at / PAGE as Addr..=(at + size) / PAGE as Addr).map(|page| page * PAGE as Addr) {
            self.0.entry(page).or_insert_with(|| vec![NOISE; PAGE].into());
        }
    }
}

impl Memory for Noise {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let fault = Fault::unmapped(at, into.len());
        let mut done = 0;
        while done < into.len() {
            let now = at.checked_add(done as Addr).ok_or(fault)?;
            let skip = now as usize % PAGE;
            let page = self.0.get(&(now - skip as Addr)).ok_or(fault)?;
            let take = (PAGE - skip).min(into.len() - done);
            into[done..done + take].copy_from_slice(&page[skip..skip + take]);
            done += take;
        }
        Ok(())
    }
}
