//! The way that stops nothing: several copies in one read; what is equal in all of them from the root on stood still.
//!
//! Nothing is read again until it looks quiet: that would prefer quiet code. What moved is one unnamed leaf under the
//! deepest frame that held still, so that no sample is lost and none is invented. Of that frame only the place need not
//! have held still: a function that works by itself stands on the stack and goes from line to line.

use std::time::{Duration, Instant};

use py_spy_address_space::{Addr, LAST};
use py_spy_python::layout::Root;
use py_spy_python::{RawFrame, Reader, Stack, Unreadable};

use super::{Part, Wanted, Watch};

/// Looks at the lists of interpreters and threads until one of them makes sense.
const MAX_LOOKS: u32 = 8;

/// At intervals below this the lists are read so seldom: they seldom change, and their pages would be copied at each tick.
pub(super) const RELIST: Duration = Duration::from_millis(1);

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
        let mut holders = std::mem::take(&mut self.holders);
        self.find_holders(&mut holders);
        self.choose(wanted, |member| holders.contains(&member));
        self.looks += 1;
        for index in 0..self.wanted.len() {
            let member = self.wanted[index];
            self.walk_first(member, holders.contains(&member));
        }
        self.holders = holders;
        // A page that was read after the others is of a later time. Now they all are in one read: what is still the same
        // stood from the first read to this one. (Once, whatever it finds.)
        if self.window.lacks() {
            self.window.refill(&self.memory, (0, 0), &mut [])?;
            for index in 0..self.moment.parts.len() {
                self.compare(index, 0);
            }
        }
        let epoch = self.code_epoch();
        for index in 0..self.moment.parts.len() {
            self.check_part(index, epoch);
        }
        Ok(())
    }

    /// Copies, and reads the lists again if they have changed. They may change while they are copied, and lead anywhere.
    fn list_members(&mut self) -> Result<(), Unreadable> {
        self.window.refill(&self.memory, (0, 0), &mut [])?;
        if !self.fast {
            self.refresh_roster()?;
            if !self.is_settled()? {
                self.refresh_roster()?;
            }
            return Ok(());
        }
        // Who is known can be seen to be who he was; a newcomer that runs is missed.
        let now = Instant::now();
        if !self.roster.is_doubted() && self.listed.is_some_and(|at| now < at + RELIST) {
            return Ok(());
        }
        std::mem::swap(&mut self.window, &mut self.lists);
        let listed = self.window.refill(&self.memory, (0, 0), &mut []).map_err(Unreadable::from);
        let listed = listed.and_then(|()| self.refresh_roster());
        std::mem::swap(&mut self.window, &mut self.lists);
        self.listed = Some(now);
        listed.map(|_| ())
    }

    /// Who holds a GIL, as far as the last copy tells.
    fn find_holders(&mut self, holders: &mut Vec<usize>) {
        holders.clear();
        let mut reader = Reader::new(&mut self.window, &self.memory, LAST);
        let mut holder = |gil: py_spy_python::Gil| -> Option<Addr> {
            let mut locked = [0; 4];
            reader.read(gil.locked, &mut locked).ok()?;
            if locked == [0; 4] { None } else { reader.word(gil.last_holder).ok() }
        };
        let gils = self.roster.gils.iter().flatten();
        holders.extend(gils.filter_map(|&gil| self.roster.at(holder(gil)?)));
    }

    /// A new part: what one member's frames are in the first copy, as far as they are the same in the others.
    fn walk_first(&mut self, member: usize, holds_gil: bool) {
        let first = self.moment.frames.len();
        let mut frames = std::mem::take(&mut self.moment.frames);
        let walked = self.walk(member, &mut frames);
        let same = walked.as_ref().map_or(0, |walked| walked.map_or(0, |(_, same)| same));
        let size = Addr::from(self.python.layout.frame.size.saturating_sub(1));
        for frame in &frames[first..frames.len() - same] {
            // It may lie across two pages.
            self.window.moved(frame.at);
            self.window.moved(frame.at.saturating_add(size));
        }
        let (whole, stood) = only_known(walked, first, &mut frames);
        let (end, refill) = (frames.len(), self.window.refills());
        self.moment.frames = frames;
        let walked = whole.then_some(first);
        let part = Part { member, first, end, holds_gil, moving: !whole, walked, refill, stood, epoch: 0 };
        self.moment.push(part, self.roster.version);
        self.compare(self.moment.parts.len() - 1, 1);
    }

    /// Takes from a part what is not the same in the copies from this one on, seen from the root. From the second copy on
    /// the part was made of the first.
    fn compare(&mut self, index: usize, from: usize) {
        let mut part = self.moment.parts[index];
        let frames = std::mem::take(&mut self.moment.frames);
        let mut other = std::mem::take(&mut self.scratch);
        let all = &frames[part.first..part.end];
        let of_first = if from > 0 && !part.moving { all } else { &[] };
        self.runs.find(&self.python.layout, of_first);
        for copy in from..self.window.copies() {
            if !of_first.is_empty() && matches!(self.stands(copy, part.member, of_first), Ok(true)) {
                continue;
            }
            other.clear();
            let walked = self.walk_like(copy, part.member, (0, of_first), &mut other);
            let (whole, shared) = only_known(walked, 0, &mut other);
            part.moving |= !whole;
            let known = &frames[part.first..part.end];
            let same = agreement(known, &other, shared);
            part.moving |= same < known.len() || same < other.len();
            part.first = part.end - same;
        }
        self.moment.frames = frames;
        self.scratch = other;
        self.moment.parts[index] = part;
    }

    /// The last checks of a part: that it ends where it should, and that its frames run code objects. Memory that was never
    /// a frame has not moved either; what is inside of it is no stack.
    fn check_part(&mut self, index: usize, epoch: u64) {
        let Part { member, first, end, stood, .. } = self.moment.parts[index];
        let root = self.moment.frames[first..end].last().map(|frame| frame.at);
        let usual = root.is_none_or(|root| self.is_usual_root(member, root));
        let stood = self.stood(member, stood, epoch).min(end - first);
        let mut reader = Reader::new(&mut self.window, &self.memory, LAST);
        let layout = &self.python.layout;
        // Recursion: what has just been looked at.
        let mut last = None;
        let bad = self.moment.frames[first..end - stood].iter().rposition(|frame| {
            if frame.shim || last.replace(frame.code) == Some(frame.code) {
                return false;
            }
            let mut runs = || self.codes.may_be(&mut reader, layout, frame.code);
            !runs() || self.codes.check(&mut reader, layout, frame.code, epoch).is_err()
        });
        let part = &mut self.moment.parts[index];
        part.epoch = epoch;
        if !usual {
            (part.first, part.moving) = (end, true);
        } else if let Some(bad) = bad {
            (part.first, part.moving) = (first + bad + 1, true);
        }
    }

    /// True when a stack ends where this thread's stacks do, or where a frame says of itself that it is the outermost
    /// (3.12+).
    fn is_usual_root(&mut self, member: usize, root: Addr) -> bool {
        if matches!(self.python.layout.frame.root, Root::Shim { .. }) {
            return true;
        }
        if self.roots.len() >= MAX_ROOTS {
            self.roots.clear();
        }
        let state = self.roster.members[member].at;
        self.roots.entry(state).or_default().is_usual(root)
    }
}

/// Leaves of the frames that a walk appended, from `first` on, those that are known to be on the stack. False when there are
/// others. And how many, from the root on, were the same in the copy that the walk was compared with.
fn only_known(
    walked: Result<Option<(Stack, usize)>, Unreadable>,
    first: usize,
    frames: &mut Vec<RawFrame>,
) -> (bool, usize) {
    let Ok(Some((Stack::Whole, shared))) = walked else {
        // Ended, cut, or torn: of this copy nothing is known.
        frames.truncate(first);
        return (false, 0);
    };
    // A frame that was left shows what it was when it was last there, and may do so in all copies. The frames outside
    // of it are on a stack if they say so themselves, whoever led to them.
    let Some(left) = frames[first..].iter().rposition(|frame| frame.left) else { return (true, shared) };
    frames.drain(first..=first + left);
    (false, shared.min(frames.len() - first))
}

/// How many frames of two copies are the same, from the root on; the innermost of them may be at another place. So many of
/// the outermost are known to be the same in everything.
fn agreement(known: &[RawFrame], other: &[RawFrame], shared: usize) -> usize {
    let shared = shared.min(known.len()).min(other.len());
    let mut moved = false;
    let pairs = known.iter().rev().zip(other.iter().rev()).skip(shared);
    let same = pairs.take_while(|(a, b)| {
        let same = !moved && **a == RawFrame { position: a.position, ..**b };
        moved = a.position != b.position;
        same
    });
    shared + same.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(at: Addr, position: i64) -> RawFrame {
        RawFrame { at, code: at + 1, position, entry: false, shim: false, left: false }
    }

    #[test]
    fn callers_are_the_same_in_everything_and_the_innermost_but_for_its_place() {
        let known = [frame(30, 2), frame(20, 2), frame(10, 2)];
        assert_eq!(agreement(&known, &known, 0), 3);
        assert_eq!(agreement(&known, &known[1..], 0), 2);
        assert_eq!(agreement(&known[1..], &known, 3), 2);
        assert_eq!(agreement(&known, &[], 0), 0);
        assert_eq!(agreement(&known, &[frame(30, 4), known[1], known[2]], 0), 3);
        assert_eq!(agreement(&known, &[known[0], frame(20, 4), known[2]], 0), 2);
        assert_eq!(agreement(&known, &[known[0], frame(20, 4), frame(10, 4)], 0), 1);
        assert_eq!(agreement(&known, &[known[0], frame(21, 2), known[2]], 0), 1);
    }
}
