//! Memory that was recorded from a run, to be read again in a test.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use crate::{Addr, Fault, Memory, Span};

/// The first bytes of a recording.
const MAGIC: &[u8; 8] = b"pyspymem";

/// No recording has more bytes than this.
const MAX_BYTES: u64 = 1 << 30;

/// Bytes at addresses, as a test finds them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// Runs of bytes that do not overlap and do not touch, by address.
    runs: BTreeMap<Addr, Vec<u8>>,
}

/// A file that is no recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingError;

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a recording of memory, or cut short")
    }
}

impl std::error::Error for RecordingError {}

impl Recording {
    /// Puts bytes at an address, over what was there.
    pub fn put(&mut self, at: Addr, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = at.saturating_add(bytes.len() as Addr);
        let mut start = at;
        let mut merged = bytes.to_vec();
        let near: Vec<Addr> = self
            .runs
            .range(..=end)
            .rev()
            .take_while(|(run, old)| **run + old.len() as Addr >= at)
            .map(|(run, _)| *run)
            .collect();
        for run in near {
            let old = self.runs.remove(&run).unwrap_or_default();
            let old_end = run + old.len() as Addr;
            if run < start {
                let mut front = old[..(start - run) as usize].to_vec();
                front.extend_from_slice(&merged);
                merged = front;
                start = run;
            }
            let merged_end = start + merged.len() as Addr;
            if old_end > merged_end {
                merged.extend_from_slice(&old[(merged_end - run) as usize..]);
            }
        }
        self.runs.insert(start, merged);
    }

    /// The runs of bytes, in address order.
    pub fn runs(&self) -> impl Iterator<Item = (Addr, &[u8])> {
        self.runs.iter().map(|(at, bytes)| (*at, bytes.as_slice()))
    }

    /// As a file: a magic word, then address, length and bytes of each run.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for (at, bytes) in self.runs() {
            out.extend_from_slice(&at.to_le_bytes());
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        out
    }

    /// From a file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Recording, RecordingError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(RecordingError)?;
        let mut recording = Recording::default();
        while !rest.is_empty() {
            let (at, tail) = rest.split_first_chunk().ok_or(RecordingError)?;
            let (len, tail) = tail.split_first_chunk().ok_or(RecordingError)?;
            let (at, len) = (u64::from_le_bytes(*at), u64::from_le_bytes(*len));
            if len > MAX_BYTES || at.checked_add(len).is_none() {
                return Err(RecordingError);
            }
            let (run, tail) = tail.split_at_checked(len as usize).ok_or(RecordingError)?;
            recording.put(at, run);
            rest = tail;
        }
        Ok(recording)
    }
}

impl Memory for Recording {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let fault = Fault::unmapped(at, into.len());
        let (start, bytes) = self.runs.range(..=at).next_back().ok_or(fault)?;
        let skip = (at - start) as usize;
        let part = bytes.get(skip..).and_then(|tail| tail.get(..into.len())).ok_or(fault)?;
        into.copy_from_slice(part);
        Ok(())
    }
}

/// Another memory, and a recording of all that is read from it.
#[derive(Debug)]
pub struct Recorder<M> {
    memory: M,
    recording: RefCell<Recording>,
}

impl<M: Memory> Recorder<M> {
    /// Begins to record.
    pub fn new(memory: M) -> Self {
        Recorder { memory, recording: RefCell::default() }
    }

    /// What was read so far.
    pub fn recording(&self) -> Recording {
        self.recording.borrow().clone()
    }
}

impl<M: Memory> Memory for Recorder<M> {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.memory.read(at, into)?;
        self.recording.borrow_mut().put(at, into);
        Ok(())
    }

    fn read_many(&self, spans: &[Span], into: &mut [u8]) -> Result<usize, Fault> {
        let got = self.memory.read_many(spans, into)?;
        let mut done = 0;
        for &(at, len) in spans {
            let len = len.min(got - done);
            self.recording.borrow_mut().put(at, &into[done..done + len]);
            done += len;
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_or_overlap_are_one() {
        let mut recording = Recording::default();
        recording.put(100, &[1; 10]);
        recording.put(120, &[2; 10]);
        recording.put(110, &[3; 10]);
        recording.put(95, &[4; 8]);
        recording.put(128, &[5; 4]);
        recording.put(104, &[6; 2]);
        let runs: Vec<_> = recording.runs().map(|(at, bytes)| (at, bytes.to_vec())).collect();
        let expected = [&[4; 8][..], &[1], &[6; 2], &[1; 4], &[3; 10], &[2; 8], &[5; 4]].concat();
        assert_eq!(runs, [(95, expected)]);
        assert_eq!(Recording::from_bytes(&recording.to_bytes()), Ok(recording));
    }

    #[test]
    fn reads_are_whole_or_not_at_all() {
        let mut recording = Recording::default();
        recording.put(100, &[7; 10]);
        let mut bytes = [0; 4];
        assert_eq!(recording.read(106, &mut bytes), Ok(()));
        assert!(recording.read(107, &mut bytes).is_err() && recording.read(99, &mut bytes).is_err());
        assert!(recording.read(u64::MAX, &mut bytes).is_err());
    }

    #[test]
    fn any_bytes_are_a_recording_or_an_error() {
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&[0xff; 16]);
        for bytes in [&b""[..], b"pyspy", b"pyspymem1", &file] {
            assert_eq!(Recording::from_bytes(bytes), Err(RecordingError));
        }
    }
}
