//! A ring buffer that a program in the kernel fills and we empty (`kernel/bpf/ringbuf.c`).

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::{Map, MapKind};

/// In a record's length: it is being written still, or it was given up.
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;

/// A record begins with its length and a word of the kernel's own, and is padded to a multiple of this.
const HEADER: u64 = 8;

/// A ring buffer, mapped.
#[derive(Debug)]
pub struct Ring {
    map: Map,
    /// One page that has how far we have read.
    consumer: NonNull<u8>,
    /// One page that has how far the kernel has written, then the data, twice in a row so that no record is cut in two.
    producer: NonNull<u8>,
    page: usize,
    size: usize,
}

#[expect(unsafe_code, reason = "it owns memory that any thread may read")]
// SAFETY: the mappings are the ring's alone and go with it; they are of the process, not of a thread.
unsafe impl Send for Ring {}

impl Ring {
    /// A ring of so many bytes: a power of two, at least a page.
    ///
    /// # Errors
    /// As [`Map::new`]; `EINVAL` also for another size.
    pub fn new(size: u32) -> io::Result<Ring> {
        let map = Map::new(MapKind::Ring, 0, 0, size)?;
        let size = size as usize;
        let page = page_size();
        let consumer = map_shared(&map, page, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, 0)?;
        match map_shared(&map, page + 2 * size, ProtFlags::PROT_READ, page) {
            Ok(producer) => Ok(Ring { map, consumer, producer, page, size }),
            Err(error) => {
                unmap(consumer, page);
                Err(error)
            }
        }
    }

    /// The map that a program writes to.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// Gives each record that is complete to `take`, in the order in which they were begun, and frees its place.
    pub fn drain(&mut self, mut take: impl FnMut(&[u8])) {
        let mut read = self.read_position().load(Ordering::Relaxed);
        loop {
            // What was written before the position was moved on is seen by whoever sees the position.
            let written = self.written_position().load(Ordering::Acquire);
            if read >= written {
                return;
            }
            let at = read as usize & (self.size - 1);
            let head = self.length_at(at).load(Ordering::Acquire);
            if head & BUSY != 0 {
                return;
            }
            let length = (head & !DISCARDED) as usize;
            if length > self.size {
                log::debug!("a ring buffer has a record of {length} bytes");
                return;
            }
            if head & DISCARDED == 0 {
                take(self.bytes(at + HEADER as usize, length));
            }
            read += (length as u64 + HEADER).next_multiple_of(HEADER);
            self.read_position().store(read, Ordering::Release);
        }
    }

    #[expect(unsafe_code, reason = "positions in memory that is shared with the kernel")]
    fn read_position(&self) -> &AtomicU64 {
        // SAFETY: the page is mapped for as long as `self` lives, aligned, and both sides use it as an atomic word only.
        unsafe { self.consumer.cast::<AtomicU64>().as_ref() }
    }

    #[expect(unsafe_code, reason = "positions in memory that is shared with the kernel")]
    fn written_position(&self) -> &AtomicU64 {
        // SAFETY: as above; we only load from it, which its read-only mapping allows.
        unsafe { self.producer.cast::<AtomicU64>().as_ref() }
    }

    /// The length of the record at a position in the data, a multiple of 8 below the size.
    #[expect(unsafe_code, reason = "a word in memory that is shared with the kernel")]
    fn length_at(&self, at: usize) -> &AtomicU32 {
        debug_assert!(at < self.size);
        // SAFETY: `at` is below the size, so the word is within the mapping, and aligned as records are padded to 8 bytes;
        // it is only loaded from.
        unsafe { self.producer.add(self.page + at).cast::<AtomicU32>().as_ref() }
    }

    #[expect(unsafe_code, reason = "a record in memory that is shared with the kernel")]
    fn bytes(&self, at: usize, length: usize) -> &[u8] {
        debug_assert!(at <= self.size + HEADER as usize && length <= self.size);
        // SAFETY: the data is mapped twice in a row, so a record that begins below the size and is no longer than it lies within
        // the mapping (a header more than that it can not begin: a record and its header fit the ring together). The kernel
        // does not write to a complete record before its place is freed, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.producer.add(self.page + at).as_ptr(), length) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        unmap(self.consumer, self.page);
        unmap(self.producer, self.page + 2 * self.size);
    }
}

/// Unix has always a page size.
fn page_size() -> usize {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().map_or(4096, |size| size as usize)
}

#[expect(unsafe_code, reason = "memory that is shared with the kernel")]
fn map_shared(map: &Map, length: usize, protection: ProtFlags, offset: usize) -> io::Result<NonNull<u8>> {
    let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: a new mapping wherever the kernel likes; nothing of ours is touched.
    let mapped = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, map.as_fd(), offset as i64) }?;
    Ok(mapped.cast())
}

#[expect(unsafe_code, reason = "memory that is shared with the kernel")]
fn unmap(at: NonNull<u8>, length: usize) {
    // SAFETY: called once for each mapping, when nothing refers to it any more.
    if let Err(error) = unsafe { munmap(at.cast(), length) } {
        log::debug!("a ring buffer could not be unmapped: {error}");
    }
}
