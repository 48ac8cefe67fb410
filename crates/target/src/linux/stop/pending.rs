//! Threads that were let go before they had stopped: each is detached as soon as it reports.

use std::time::{Duration, Instant};

use super::status::is_traced_by_us;
use super::{Stopper, orders, signals};

/// At the end late reports are waited for this long. On a busy machine it takes a thread some time to get a CPU; one that
/// has ended and is not collected keeps its process from ending for its parent.
const REPORT_AT_LAST: Duration = Duration::from_secs(5);

/// A late report is looked for at least this often: another thread of ours may have taken the signal that tells of it.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A thread that does not report for so long may be ours no longer: the first one of a process, when another one runs
/// another program in its place, goes without a word.
const STILL_OURS: Duration = Duration::from_millis(20);

/// A thread that is let go as soon as it reports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) tid: u32,
    /// When it was told to stop, or later.
    pub(super) asked: Instant,
    /// When it is time to see whether it is still ours.
    doubt: Instant,
}

impl Stopper {
    /// From now on waits for a thread's report, to let it go then.
    pub(super) fn expect(&mut self, tid: u32, asked: Instant) {
        self.pending.push(Pending { tid, asked, doubt: Instant::now() + STILL_OURS });
    }

    /// The same until `deadline`, asleep in between. Returns at once when nothing is attached.
    pub fn attend_until(&mut self, deadline: Instant) {
        loop {
            self.attend();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.is_attached() {
                return;
            }
            signals::await_child_signal(&self.signals, left.min(LOOK_AGAIN));
        }
    }

    /// Detaches the threads that have reported since. Returns whether all have.
    pub fn collect(&mut self) -> bool {
        for at in (0..self.pending.len()).rev() {
            let Pending { tid, doubt, .. } = self.pending[at];
            let report = self.report(tid);
            let mut gone = self.let_go(tid, report, None);
            if !gone && doubt <= Instant::now() {
                gone = !is_traced_by_us(tid);
                if !gone {
                    // An order that came in the middle of an exec may be lost. To one that has not been carried out yet this adds
                    // nothing.
                    let _ = orders::interrupt(tid);
                }
                self.pending[at].doubt = Instant::now() + STILL_OURS;
            }
            if gone {
                self.pending.swap_remove(at);
            }
        }
        self.pending.is_empty()
    }

    /// Waits until `deadline` at the latest for all threads that have not yet reported, so that none stands still
    /// longer than it must. Returns at once when there is none.
    pub fn collect_until(&mut self, deadline: Instant) {
        while !self.collect() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            signals::await_child_signal(&self.signals, left.min(LOOK_AGAIN));
        }
    }

    /// Lets all threads go and is attached to none. Waits for those that have been told to stop and have not yet, but not
    /// for ever.
    pub fn let_all_go(&mut self) {
        let stays = std::mem::replace(&mut self.stays, false);
        self.release();
        self.stays = stays;
        self.stay_no_longer();
        self.collect_until(Instant::now() + REPORT_AT_LAST);
    }
}
