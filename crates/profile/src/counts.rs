//! How often each stack was seen: all that the formats without a time axis keep.

use crate::{StackId, Tables};

/// How often each stack was seen, by stack id. Grows with the distinct stacks, not with time.
#[derive(Debug, Default)]
pub(crate) struct Counts(Vec<u64>);

impl Counts {
    /// Counts a stack once more.
    pub(crate) fn add(&mut self, stack: StackId) {
        let at = stack.index();
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        self.0[at] += 1;
    }

    /// How often exactly this stack was seen.
    pub(crate) fn of(&self, stack: StackId) -> u64 {
        self.0.get(stack.index()).copied().unwrap_or(0)
    }

    /// For each stack of the tables, whether it or one that it calls was seen.
    pub(crate) fn reached(&self, tables: &Tables) -> Vec<bool> {
        let mut reached: Vec<bool> = tables.stacks().map(|(stack, ..)| self.of(stack) > 0).collect();
        for (stack, _, caller) in tables.stacks().rev() {
            if let (true, Some(caller)) = (reached[stack.index()], caller) {
                reached[caller.index()] = true;
            }
        }
        reached
    }
}
