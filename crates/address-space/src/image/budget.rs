//! A file of which only so much is read.

use std::cell::Cell;
use std::io::{Read, Seek};
use std::ops::Range;

use object::read::{ReadCache, ReadRef};

/// Reads from a file what is asked for and keeps it, until that is too much.
#[derive(Debug)]
pub(super) struct Budget<R: Read + Seek> {
    cache: ReadCache<R>,
    left: Cell<u64>,
}

impl<R: Read + Seek> Budget<R> {
    pub(super) fn new(file: R, bytes: u64) -> Budget<R> {
        Budget { cache: ReadCache::new(file), left: Cell::new(bytes) }
    }

    fn spend(&self, bytes: u64) -> Result<(), ()> {
        self.left.set(self.left.get().checked_sub(bytes).ok_or(())?);
        Ok(())
    }
}

impl<'a, R: Read + Seek> ReadRef<'a> for &'a Budget<R> {
    fn len(self) -> Result<u64, ()> {
        (&self.cache).len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        // Before: the memory would be taken first.
        self.spend(size)?;
        self.cache.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        // It takes 4 KiB at most.
        let bytes = self.cache.read_bytes_at_until(range, delimiter)?;
        self.spend(bytes.len() as u64)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn what_is_too_much_is_not_read() {
        let budget = Budget::new(Cursor::new(b"some text\0more"), 10);
        assert_eq!((&budget).len(), Ok(14));
        assert_eq!((&budget).read_bytes_at(0, 11), Err(()));
        assert_eq!((&budget).read_bytes_at(0, 4), Ok(&b"some"[..]));
        assert_eq!((&budget).read_bytes_at_until(5..14, 0), Ok(&b"text"[..]));
        assert_eq!((&budget).read_bytes_at(0, 3), Err(()));
        assert_eq!((&budget).read_bytes_at(0, 2), Ok(&b"so"[..]));
    }
}
