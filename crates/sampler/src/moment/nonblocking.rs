//! The way that stops nothing: several copies in one read; what is equal in all of them from the root on stood still.
//!
//! Nothing is read again until it looks quiet: that would prefer quiet code. What moved is one unnamed leaf under the
//! deepest frame that held still, so that no sample is lost and none is invented.

use py_spy_address_space::Addr;
use py_spy_python::layout::Root;
use py_spy_python::{RawFrame, Reader, Stack, Unreadable};

use super::{Part, Wanted, Watch};

/// Looks at the lists of interpreters and threads until one of them makes sense.
const MAX_LOOKS: u32 = 8;

/// Threads whose outermost frames are remembered; then all are forgotten.
const MAX_ROOTS: usize = 1 << 16;

impl Watch {
    /// Fills the moment without stopping anything.
    pub(super) fn take_nonblocking(&mut self, wanted: Wanted<'_>) -> Result<(), Unreadable> {
        self.moment.clear();
        self.look_for(wanted);
        let mut listed = self.list_members();
        for _ in 1..MAX_LOOKS {
            if listed.is_ok() {
                break;
            }
            listed = self.list_members();
        }
        listed?;
        let holders = self.holders();
        self.choose(wanted, |member| holders.contains(&member));
        self.looks += 1;
        let epoch = self.code_epoch();
        for index in 0..self.wanted.len() {
            let member = self.wanted[index];
            self.walk_copies(member, holders.contains(&member), epoch);
        }
        Ok(())
    }

    /// Copies, and reads the lists again if they have changed. They may change while they are copied, and lead anywhere.
    fn list_members(&mut self) -> Result<(), Unreadable> {
        self.window.refill(&self.memory, (0, 0), &mut [])?;
        self.refresh_roster()?;
        if !self.is_settled()? {
            self.refresh_roster()?;
        }
        Ok(())
    }

    /// Who holds a GIL, as far as the last copy tells.
    fn holders(&mut self) -> Vec<usize> {
        let copy = self.window.copies() - 1;
        let mut reader = Reader::new(&mut self.window, &self.memory, copy);
        let mut holder = |gil: py_spy_python::Gil| -> Option<Addr> {
            let mut locked = [0; 4];
            reader.read(gil.locked, &mut locked).ok()?;
            if locked == [0; 4] { None } else { reader.word(gil.last_holder).ok() }
        };
        let gils = self.roster.gils.iter().flatten();
        gils.filter_map(|&gil| self.roster.at(holder(gil)?)).collect()
    }

    /// Walks one member's frames in each copy and keeps what is the same in all, from the root on.
    fn walk_copies(&mut self, member: usize, holds_gil: bool, epoch: u64) {
        let first = self.moment.frames.len();
        let mut kept = std::mem::take(&mut self.moment.frames);
        let mut other = std::mem::take(&mut self.scratch);
        let mut moving = false;
        for copy in 0..self.window.copies() {
            other.clear();
            // Ended, cut, or torn: of this copy nothing is known.
            if !matches!(self.walk(copy, member, &mut other), Ok(Some((_, Stack::Whole)))) {
                other.clear();
                moving = true;
            }
            if copy == 0 {
                kept.extend_from_slice(&other);
                continue;
            }
            let same = kept[first..].iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
            moving |= same < kept.len() - first || same < other.len();
            kept.drain(first..kept.len() - same);
        }
        if !self.is_usual_root(member, &kept[first..]) {
            kept.truncate(first);
            moving = true;
        }
        self.moment.frames = kept;
        self.scratch = other;
        if self.check_codes(first, epoch).is_err() {
            self.moment.frames.truncate(first);
            self.moment.dropped += 1;
            return;
        }
        let end = self.moment.frames.len();
        self.moment.parts.push(Part { member, first, end, holds_gil, moving });
    }

    /// True when a stack ends where this thread's stacks do, or where a frame says of itself that it is the outermost
    /// (3.12+).
    fn is_usual_root(&mut self, member: usize, frames: &[RawFrame]) -> bool {
        let Some(root) = frames.last() else { return true };
        if matches!(self.python.layout.frame.root, Root::Shim { .. }) {
            return true;
        }
        if self.roots.len() >= MAX_ROOTS {
            self.roots.clear();
        }
        let state = self.roster.members[member].at;
        self.roots.entry(state).or_default().is_usual(root.at)
    }
}
