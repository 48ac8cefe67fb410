//! How the thread that could move is kept from it.

use py_spy_address_space::Addr;
use py_spy_python::Unreadable;
use py_spy_target::{Refusal, Slices, TaskState};

use super::{Look, Watch};

/// How the thread that could move is kept from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Still {
    /// It is stopped.
    Held(u32),
    /// It sleeps: this is what the scheduler had counted for it.
    Asleep(u32, Option<Slices>),
    /// There is none.
    Nobody,
}

impl Watch {
    /// Keeps the thread with this state from moving. One that sleeps is left alone unless it is `pressing`: it wakes
    /// before each copy is done.
    pub(super) fn keep_still(&mut self, holder: Addr, pressing: bool) -> Result<Result<Still, Look>, Unreadable> {
        if holder == 0 {
            return Ok(Ok(Still::Nobody));
        }
        let Some(member) = self.roster.at(holder) else {
            // A thread that is new, or one that has ended: its state is freed after it let the GIL go.
            self.renew_roster()?;
            return Ok(if self.roster.at(holder).is_some() { Err(Look::Moved) } else { Ok(Still::Nobody) });
        };
        let Some(tid) = self.roster.members[member].tid else {
            // A thread that is just beginning, or one that we can not know.
            self.roster.doubt();
            self.renew_roster()?;
            return Ok(Err(Look::Unknown));
        };
        let still = self.keep_thread_still(tid, pressing);
        if still == Err(Look::Moved) {
            // It has ended, and its state may be another's by now.
            self.roster.doubt();
            self.renew_roster()?;
        }
        Ok(still)
    }

    pub(super) fn keep_thread_still(&mut self, tid: u32, pressing: bool) -> Result<Still, Look> {
        // First what was counted, then the state: if it wakes after that it will have been counted once more.
        let slices = self.tasks.slices(tid);
        match self.tasks.state(tid) {
            None => Err(Look::Moved),
            Some(TaskState::Sleeping | TaskState::DiskSleep)
                if !pressing && slices.is_some() && self.tasks.is_off_cpu(tid) =>
            {
                Ok(Still::Asleep(tid, slices))
            }
            // A thread that we have not yet let go is stopped already.
            Some(TaskState::Running | TaskState::Traced | TaskState::Sleeping | TaskState::DiskSleep) => self.hold(tid),
            Some(_) => Ok(Still::Asleep(tid, slices)),
        }
    }

    /// Stops a thread.
    pub(super) fn hold(&mut self, tid: u32) -> Result<Still, Look> {
        self.last_held = tid;
        match self.stopper.hold(tid) {
            Ok(()) => {
                self.effort.stops += 1;
                Ok(Still::Held(tid))
            }
            Err(Refusal::Gone) => Err(Look::Moved),
            Err(Refusal::Denied) => Err(Look::Denied),
        }
    }
}
