//! A copy of a thread's stack.

use py_spy_address_space::Addr;
use py_spy_native::Stack;

/// The kernel's pages, bytes.
const PAGE: u64 = 4096;

/// A copied stack: what lies from an address on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copied<'a> {
    pub(crate) from: Addr,
    pub(crate) bytes: &'a [u8],
    /// A bit for each page that is missing in it, the lowest for that of `from`.
    pub(crate) missing: u64,
}

impl Stack for Copied<'_> {
    fn word(&self, at: Addr) -> Option<u64> {
        let index = usize::try_from(at.checked_sub(self.from)?).ok()?;
        let word = self.bytes.get(index..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let is_missing = |at: Addr| {
            let page = u32::try_from(at / PAGE - self.from / PAGE).ok();
            page.and_then(|page| self.missing.checked_shr(page)).is_some_and(|bits| bits & 1 != 0)
        };
        word.filter(|_| self.missing == 0 || !is_missing(at) && !is_missing(at + 7))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_in_a_copy_is_no_word() {
        let bytes: Vec<u8> = (0..3 * PAGE).map(|at| (at / PAGE) as u8).collect();
        let copied = Copied { from: 0x7000 + 16, bytes: &bytes, missing: 0b010 };
        assert_eq!(copied.word(0x7010), Some(0));
        assert_eq!(copied.word(0x7fff - 7), Some(0));
        assert_eq!([0x7ff9, 0x8000, 0x8ff8, 0x8ffc].map(|at| copied.word(at)), [None; 4]);
        assert!(copied.word(0x9000).is_some());
        assert_eq!([0x700f, 0xa009, u64::MAX].map(|at| copied.word(at)), [None; 3]);
        assert_eq!(Copied { missing: 0, ..copied }.word(0x8010), Some(0x0101_0101_0101_0101));
    }
}
