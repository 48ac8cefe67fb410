//! Help for a thread of ours that the kernel keeps waiting.
//!
//! To attach to a thread waits while its process runs another program in its place (`cred_guard_mutex` in the kernel's
//! `fs/exec.c` and `kernel/ptrace.c`). That in turn waits until all its other threads are gone, and one that we are
//! attached to is gone only when we have taken note of its end. So whoever attaches to a second thread may wait for
//! ever, unless another thread of ours takes note meanwhile, which any of them may do.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::report;

/// To attach takes some microseconds. After this time it is taken to be stuck.
const STUCK_AFTER: Duration = Duration::from_millis(1);

/// The threads to watch over from now on, or none.
type Order = Option<Vec<u32>>;

/// Takes note of the ends of threads while another thread of ours may be stuck.
#[derive(Debug, Default)]
pub(super) struct Reaper {
    thread: Option<(Sender<Order>, JoinHandle<()>)>,
}

impl Reaper {
    /// Does something that may be stuck until these threads, which have ended or will, are taken note of.
    pub(super) fn watch_over<R>(&mut self, tids: Vec<u32>, work: impl FnOnce() -> R) -> R {
        if tids.is_empty() {
            return work();
        }
        if self.thread.is_none() {
            let (sender, orders) = channel();
            let spawned = std::thread::Builder::new().name("reaper".to_owned()).spawn(move || reap(&orders));
            match spawned {
                Ok(thread) => self.thread = Some((sender, thread)),
                Err(why) => log::warn!("no thread could be started that guards against a stuck exec: {why}"),
            }
        }
        self.tell(Some(tids));
        let result = work();
        self.tell(None);
        result
    }

    fn tell(&self, tids: Option<Vec<u32>>) {
        if let Some((sender, _)) = &self.thread {
            // It ends only after the sender.
            let _ = sender.send(tids);
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}

fn reap(orders: &Receiver<Order>) {
    let mut watched: Order = None;
    loop {
        let order = match &watched {
            None => orders.recv().map_err(RecvTimeoutError::from),
            Some(_) => orders.recv_timeout(STUCK_AFTER),
        };
        match (order, &watched) {
            (Ok(order), _) => watched = order,
            (Err(RecvTimeoutError::Timeout), Some(tids)) => tids.iter().for_each(|&tid| report::take_note_of_end(tid)),
            (Err(_), _) => return,
        }
    }
}
