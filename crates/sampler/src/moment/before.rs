//! The moment before: what is the same now is neither parsed nor checked again.

use py_spy_python::RawFrame;

use super::{Moment, Part};

/// A moment that is over.
#[derive(Debug, Default)]
pub(super) struct Before {
    frames: Vec<RawFrame>,
    parts: Vec<Part>,
    /// [`crate::roster::Roster::version`] then.
    roster: u64,
    /// [`crate::codes::Codes::replaced`] then.
    replaced: u64,
}

impl Before {
    /// Takes the place of the moment before; the moment is empty afterwards.
    pub(super) fn take(&mut self, moment: &mut Moment, replaced: u64) {
        std::mem::swap(&mut self.frames, &mut moment.frames);
        std::mem::swap(&mut self.parts, &mut moment.parts);
        (self.roster, self.replaced) = (moment.roster, replaced);
        if moment.mixed {
            self.parts.clear();
        }
        moment.clear();
    }

    fn part(&self, member: usize, roster: u64) -> Option<&Part> {
        // Mostly there are as few as one.
        self.parts.iter().find(|part| part.member == member).filter(|_| self.roster == roster)
    }

    /// The frames of a member's whole stack in the first copy of the refill before this one, none if that is not known.
    pub(super) fn stack(&self, member: usize, roster: u64, refill: u32) -> &[RawFrame] {
        let part = self.part(member, roster).filter(|part| part.refill.wrapping_add(1) == refill);
        part.and_then(|part| self.frames.get(part.walked?..part.end)).unwrap_or_default()
    }

    /// How many of a member's frames, from the outermost on, are what they were; of so many it is known.
    pub(super) fn same(&self, member: usize, roster: u64, frames: &[RawFrame], known: usize) -> usize {
        let Some(part) = self.part(member, roster) else { return 0 };
        let before = self.frames.get(part.walked.unwrap_or(part.first)..part.end).unwrap_or_default();
        let pairs = frames.iter().rev().zip(before.iter().rev()).skip(known);
        known + pairs.take_while(|(now, before)| now == before).count()
    }

    /// How many of a member's outermost frames, of so many that are the same now, had their code objects checked at this
    /// epoch.
    pub(super) fn checked(&self, member: usize, roster: u64, same: usize, epoch: u64, replaced: u64) -> usize {
        let part = self.part(member, roster).filter(|part| part.epoch == epoch && self.replaced == replaced);
        part.map_or(0, |part| same.min(part.end - part.first))
    }
}
