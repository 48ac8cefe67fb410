//! Where a window's copies are.

use super::PAGE;

/// Bytes that begin at a page boundary of our own memory.
///
/// That is for speed, a lot of it: the kernel copies with `rep movsb`, which on some processors (AMD Zen 3 with its fast short
/// moves) takes five times as long into a page at an offset of 8 to 16 bytes, and 16 is just where an allocator puts a
/// large piece of memory. With both sides at a page boundary it is fast everywhere.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// What is before `start` is not used.
    room: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Has so many bytes from now on. Those that were there stay; what is new may be anything that was there before.
    pub(super) fn set_len(&mut self, len: usize) {
        if self.start + len > self.room.len() {
            let mut room = vec![0; PAGE + len + len / 2];
            let start = room.as_ptr().align_offset(PAGE).min(PAGE);
            room[start..start + self.len].copy_from_slice(self.bytes());
            (self.room, self.start) = (room, start);
        }
        self.len = len;
    }

    /// All bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.room[self.start..self.start + self.len]
    }

    /// The page at a position; `None` behind the end.
    pub(super) fn page(&self, at: usize) -> Option<&[u8; PAGE]> {
        self.bytes().get(at..)?.first_chunk()
    }

    /// All bytes, to be written.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..self.start + self.len]
    }

    /// The bytes from a position on, to be written.
    pub(super) fn tail_mut(&mut self, start: usize) -> &mut [u8] {
        &mut self.bytes_mut()[start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_page_and_keeps_what_it_had() {
        let mut buffer = Buffer::default();
        for len in 1..5 * PAGE {
            buffer.set_len(len);
            buffer.bytes_mut()[len - 1] = len as u8;
            assert_eq!(buffer.bytes().as_ptr() as usize % PAGE, 0);
        }
        assert!(buffer.bytes().iter().enumerate().all(|(at, &byte)| byte == (at + 1) as u8));
        buffer.set_len(3);
        assert_eq!(buffer.bytes(), [1, 2, 3]);
    }
}
