//! The threads of a process and what the scheduler says of them.

mod task;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustc_hash::FxHashMap;

use super::cpu_clock::CpuClock;
use task::Task;
pub use task::{Slices, TaskState};

/// The threads of a process and what the scheduler says of them. Its files are kept open: reading one is ten times
/// cheaper than opening it.
#[derive(Debug)]
pub struct Tasks {
    folder: PathBuf,
    handle: OwnedFd,
    known: FxHashMap<u32, Task>,
    /// Some thread was gone when it was looked at.
    stale: bool,
    /// Our ids by the threads' own, when they live in another PID namespace.
    own_ids: Option<FxHashMap<u32, u32>>,
}

impl Tasks {
    /// The threads of a process.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: u32) -> std::io::Result<Tasks> {
        let folder = PathBuf::from(format!("/proc/{pid}/task"));
        let handle = OwnedFd::from(File::open(&folder)?);
        let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let foreign = namespace(&pid.to_string()).is_some_and(|theirs| Some(theirs) != namespace("self"));
        let own_ids = foreign.then(FxHashMap::default);
        let mut tasks = Tasks { folder, handle, known: FxHashMap::default(), stale: true, own_ids };
        tasks.relist()?;
        Ok(tasks)
    }

    /// True when `tid` is a thread of this process, as of the last look at the list.
    pub fn contains(&self, tid: u32) -> bool {
        self.known.contains_key(&tid)
    }

    /// The thread that knows itself by this id, if it is one of this process. In another PID namespace than ours that
    /// is not the id by which we know it.
    pub fn by_own_id(&self, own: u32) -> Option<u32> {
        match &self.own_ids {
            Some(ids) => ids.get(&own).copied(),
            None => self.contains(own).then_some(own),
        }
    }

    /// The id by which a thread of this process knows itself.
    pub fn own_id(&self, tid: u32) -> Option<u32> {
        match &self.own_ids {
            Some(ids) => ids.iter().find(|(_, ours)| **ours == tid).map(|(&own, _)| own),
            None => Some(tid),
        }
    }

    /// As [`Tasks::by_own_id`], for a thread that may have ended since; in another PID namespace only those of the list are known.
    pub fn may_be_by_own_id(&self, own: u32) -> Option<u32> {
        match &self.own_ids {
            Some(ids) => ids.get(&own).copied(),
            None => Some(own),
        }
    }

    /// All threads, as of the last look at the list.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.known.keys().copied()
    }

    /// How many threads there are, as of the last look at the list.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// True when the process has no threads left.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// True when some thread was gone when it was looked at.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Looks at the list of threads again if it may have changed: the folder's link count says how many there are, and
    /// a thread that ended is noticed when it is looked at. Returns whether it did look.
    pub fn refresh(&mut self) -> std::io::Result<bool> {
        let links = nix::sys::stat::fstat(&self.handle)?.st_nlink as usize;
        // Every folder has two links of its own.
        if !self.stale && links == self.known.len() + 2 {
            return Ok(false);
        }
        self.relist()?;
        Ok(true)
    }

    /// Looks at the list of threads again.
    pub fn relist(&mut self) -> std::io::Result<()> {
        let entries = std::fs::read_dir(&self.folder)?.collect::<Result<Vec<_>, _>>()?;
        let mut known = std::mem::take(&mut self.known);
        for entry in entries {
            let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let task = known.remove(&tid).unwrap_or_else(Task::new);
            self.known.insert(tid, task);
        }
        if let Some(ids) = &mut self.own_ids {
            ids.retain(|_, tid| self.known.contains_key(tid));
            let mut mapped: Vec<u32> = ids.values().copied().collect();
            mapped.sort_unstable();
            let new = self.known.keys().filter(|tid| mapped.binary_search(tid).is_err());
            ids.extend(new.filter_map(|&tid| Some((own_id(&self.folder, tid)?, tid))).collect::<Vec<_>>());
        }
        self.stale = false;
        Ok(())
    }

    /// Fills `running` with the threads that run now, or wait for a CPU, and returns whether any thread can have run
    /// since the last look. Reads only what can have changed: a thread that goes to sleep or is put on a CPU changes
    /// what the scheduler has counted for it, so with equal counts its state is what it was. With `ours` a thread that
    /// a tracer has stopped is one that we have stopped ourselves, while it ran, and have not yet let go.
    pub fn running(&mut self, running: &mut Vec<u32>, ours: bool) -> bool {
        running.clear();
        let mut ran = false;
        for (&tid, task) in &mut self.known {
            ran |= task.look(&self.folder, tid, ours).note(tid, running, &mut self.stale);
        }
        ran
    }

    /// The same for those of these threads only, of which it is known that nobody else has run.
    pub fn running_of(&mut self, of: &[u32], running: &mut Vec<u32>, ours: bool) -> bool {
        running.clear();
        let mut ran = false;
        for &tid in of {
            if let Some(task) = self.known.get_mut(&tid) {
                ran |= task.look(&self.folder, tid, ours).note(tid, running, &mut self.stale);
            }
        }
        ran
    }

    /// The CPU time of all threads but these, ns: what the clock of the whole process says less what is counted for
    /// them, as both count at the same instants (`thread_group_cputime` in the kernel's `kernel/sched/cputime.c`). `None` when
    /// it could not be told just now.
    pub fn time_of_others(&mut self, clock: CpuClock, runners: &[u32]) -> Option<u64> {
        let mut sum = || runners.iter().try_fold(0_u64, |sum, &tid| sum.checked_add(self.slices(tid)?.cpu_time()?));
        let before = sum()?;
        let all = clock.now()?;
        let same = sum()? == before;
        all.checked_sub(before).filter(|_| same)
    }

    /// The threads that were running, or stopped by a tracer, at the last look.
    pub fn runners(&self, into: &mut Vec<u32>) {
        let runs = |task: &Task| matches!(task.state, TaskState::Running | TaskState::Traced);
        into.clear();
        into.extend(self.known.iter().filter(|(_, task)| runs(task)).map(|(&tid, _)| tid));
    }

    /// A thread's state now; `None` when it is gone.
    pub fn state(&mut self, tid: u32) -> Option<TaskState> {
        let state = self.known.get_mut(&tid).and_then(|task| task.read_state(&self.folder, tid));
        self.stale |= state.is_none();
        state
    }

    /// What the scheduler has counted for a thread; `None` when it is gone, or the kernel does not count.
    pub fn slices(&mut self, tid: u32) -> Option<Slices> {
        let slices = self.known.get_mut(&tid).and_then(|task| task.read_slices(&self.folder, tid));
        self.stale |= slices.is_none();
        slices.filter(Slices::are_counted)
    }

    /// The stack pointer and the instruction pointer of a thread that is off its CPU: the last two words of
    /// `/proc/PID/task/TID/syscall` (`proc_pid_syscall` in the kernel's `fs/proc/base.c`).
    pub fn pointers(&mut self, tid: u32) -> Option<(u64, u64)> {
        let mut text = [0; 256];
        let len = self.known.get_mut(&tid)?.read_call(&self.folder, tid, &mut text)?;
        let mut words = str::from_utf8(&text[..len]).ok()?.split_whitespace().rev();
        let mut next = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
        let instruction = next()?;
        Some((next()?, instruction))
    }

    /// True when a thread is certain not to be on a CPU, nor about to be. Its state alone does not tell: a thread that
    /// is about to sleep says so before it has left its CPU, and may think better of it. (`/proc/PID/task/TID/syscall`, for
    /// which the kernel sees to it that the thread is inactive: `task_current_syscall` in `lib/syscall.c`.)
    pub fn is_off_cpu(&mut self, tid: u32) -> bool {
        let Some(task) = self.known.get_mut(&tid) else { return false };
        task.reads_running(&self.folder, tid) == Some(false)
    }
}

/// The id that a thread has in its own PID namespace: the last one of `NSpid` (`proc_pid_status(5)`).
pub(super) fn own_id(folder: &std::path::Path, tid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(folder.join(tid.to_string()).join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().last()?.parse().ok()
}
