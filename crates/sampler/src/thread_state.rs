//! What a thread is doing, in words.

use py_spy_python::{Gil, value::Wait};
use py_spy_target::{Call, TaskState};
use rustc_hash::FxHashMap;

use crate::ThreadSnapshot;

/// `struct _gil_runtime_state` with the condition variables that threads wait at for the lock is no longer than this.
const GIL_REACH: u64 = 512;

/// A lock that a thread waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockWait {
    /// Where the lock is.
    pub address: u64,
    /// Its type.
    pub kind: String,
    /// The interpreter's id of the thread that holds it, where the lock knows: an `RLock` does.
    pub owner: Option<u64>,
}

/// What a thread is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreadState {
    /// In words: `running`, `in read fd 7 -> socket 10.0.0.1:5432`, `waiting for the GIL`.
    pub doing: String,
    /// The lock that it waits for.
    pub lock: Option<LockWait>,
    /// The exception that it handles.
    pub exception: Option<String>,
    /// It waits for a lock that is held by a thread that waits, in the end, for it.
    pub deadlocked: bool,
}

impl ThreadState {
    pub(crate) fn of(
        running: bool,
        holds_gil: bool,
        call: Option<&Call>,
        gil: Option<Gil>,
        wait: Option<&Wait>,
        collecting: bool,
    ) -> Self {
        let at_gil = |futex: u64| {
            gil.is_some_and(|gil| !gil.names_holders_only() && futex.abs_diff(gil.last_holder) < GIL_REACH)
        };
        let futex = call.and_then(|call| call.futex);
        let lock = wait.map(|wait| LockWait { address: wait.lock, kind: wait.kind.clone(), owner: wait.owner });
        let doing = match (running, call) {
            // A finalizer may have handed the lock on meanwhile, so it may be another one that began it.
            (true, _) if holds_gil && collecting => "running, with the GIL, while garbage is collected".to_owned(),
            (true, _) if holds_gil => "running, with the GIL".to_owned(),
            (true, _) if gil.is_none() && collecting => "running while garbage is collected".to_owned(),
            (true, _) => "running, without the GIL".to_owned(),
            (false, _) if futex.is_some_and(at_gil) => "waiting for the GIL".to_owned(),
            (false, _) if lock.is_some() => "waiting for a lock".to_owned(),
            (false, Some(call)) => format!("sleeping in {call}"),
            (false, None) => "sleeping".to_owned(),
        };
        let lock = lock.filter(|_| !running && !futex.is_some_and(at_gil));
        ThreadState { doing, lock, ..ThreadState::default() }
    }

    /// The same of a thread that does not go on, whatever it waits for, until somebody lets it.
    pub(crate) fn halted(self, state: TaskState) -> Self {
        let by = match state {
            TaskState::Stopped => "stopped by a signal",
            TaskState::Traced => "stopped by a debugger",
            _ => return self,
        };
        // In no call it rests only because it was stopped.
        let doing = if self.doing == "sleeping" { by.to_owned() } else { format!("{by} while {}", self.doing) };
        ThreadState { doing, ..self }
    }
}

/// Marks the threads that wait for each other in a circle.
pub(crate) fn find_deadlocks(threads: &mut [ThreadSnapshot]) {
    // Of threads that are said to be one the first counts.
    let places: FxHashMap<u64, usize> =
        threads.iter().enumerate().rev().map(|(place, thread)| (thread.thread_id, place)).collect();
    let next: Vec<Option<usize>> =
        threads.iter().map(|thread| places.get(&thread.state.as_ref()?.lock.as_ref()?.owner?).copied()).collect();
    // In which walk each was met, so that all walks together are no longer than there are threads.
    let mut met = vec![0; threads.len()];
    for (start, walk) in (0..threads.len()).zip(1..) {
        let mut at = Some(start);
        while let Some(place) = at.filter(|&place| met[place] == 0) {
            met[place] = walk;
            at = next[place];
        }
        // Where a walk meets itself there is a circle, which is gone around once more.
        while let Some(place) = at.filter(|&place| met[place] == walk) {
            met[place] = usize::MAX;
            if let Some(state) = &mut threads[place].state {
                state.deadlocked = true;
            }
            at = next[place];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(id: u64, owner: Option<u64>) -> ThreadSnapshot {
        let lock = owner.map(|owner| LockWait { address: 1, kind: String::new(), owner: Some(owner) });
        ThreadSnapshot {
            os_thread_id: None,
            thread_id: id,
            name: None,
            active: false,
            owns_gil: false,
            frames: Vec::new(),
            state: Some(ThreadState { lock, ..ThreadState::default() }),
        }
    }

    #[test]
    fn only_those_in_a_circle_are_deadlocked() {
        // 1 and 2 wait for each other, 3 for 1, 4 for nobody, 5 for one that is gone, 6 for itself.
        let mut threads = [
            waiting(1, Some(2)),
            waiting(2, Some(1)),
            waiting(3, Some(1)),
            waiting(4, None),
            waiting(5, Some(9)),
            waiting(6, Some(6)),
        ];
        find_deadlocks(&mut threads);
        let dead = threads.map(|thread| thread.state.is_some_and(|state| state.deadlocked));
        assert_eq!(dead, [true, true, false, false, false, true]);
    }
}
