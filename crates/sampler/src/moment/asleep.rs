//! Native stacks where nothing is stopped: those of threads that sleep all the while.

use py_spy_native::Registers;
use py_spy_target::{Slices, TaskState};

use super::{Wanted, Watch};

/// Threads that sleep, each with what the scheduler had counted for it.
pub(super) type Sleepers = Vec<(u32, Option<Slices>)>;

impl Watch {
    /// The wanted threads that sleep, where native stacks are wanted.
    pub(super) fn sleepers(&mut self, wanted: Wanted<'_>) -> Sleepers {
        let tids: Vec<u32> = match wanted {
            _ if self.native.is_none() => return Vec::new(),
            Wanted::All => self.tasks.ids().collect(),
            Wanted::Threads(tids) => tids.to_vec(),
            Wanted::Holder => return Vec::new(),
        };
        let mut sleepers = Vec::new();
        for tid in tids {
            // In this order: one that wakes after it was counted will have been counted once more.
            let slices = self.tasks.slices(tid);
            let sleeps = matches!(self.tasks.state(tid), Some(TaskState::Sleeping | TaskState::DiskSleep));
            if sleeps && slices.is_some() && self.tasks.is_off_cpu(tid) {
                sleepers.push((tid, slices));
            }
        }
        sleepers
    }

    /// Copies and follows the stacks of those that have not woken since.
    pub(super) fn follow_sleepers(&mut self, sleepers: Sleepers) {
        for (tid, slices) in sleepers {
            let Some(native) = &mut self.native else { return };
            if self.roster.of_thread(tid).is_empty() && !native.all {
                continue;
            }
            let Some((stack, instruction)) = self.tasks.pointers(tid) else { continue };
            native.copy(&self.memory, tid, &Registers::asleep(instruction, stack));
            if self.tasks.slices(tid) == slices {
                self.follow_native(tid);
            }
        }
    }

    /// Follows the stack that was copied last.
    pub(super) fn follow_native(&mut self, tid: u32) {
        let Some(native) = &mut self.native else { return };
        let first = self.moment.native_frames.len();
        let whole = native.follow(&self.memory, tid, &mut self.moment.native_frames);
        let end = self.moment.native_frames.len();
        self.moment.natives.push(super::NativeStack { tid, first, end, whole });
    }
}
