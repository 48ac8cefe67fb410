//! Who runs where. A profiler on the program's own CPU never meets it in the middle of something: such a test would
//! pass by luck.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

static TURN: Mutex<()> = Mutex::new(());

/// The CPUs are this test's until it is dropped: tests of one binary that measure run one after another.
#[derive(Debug)]
pub struct Turn {
    /// Where programs run.
    pub program_cpu: usize,
    _turn: MutexGuard<'static, ()>,
}

/// The CPUs that this process may use.
fn allowed() -> &'static [usize] {
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    ALLOWED.get_or_init(|| {
        let set = sched_getaffinity(Pid::from_raw(0)).expect("our own CPUs");
        (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect()
    })
}

/// Waits until no other test of this binary has the CPUs, and pins the calling thread to one that no program gets. With
/// one CPU only it says so.
pub fn turn() -> Turn {
    // A test that failed has let go of its program: the next one can run.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cpus = allowed();
    let own = cpus.last().copied().expect("we run on some CPU");
    if cpus.len() == 1 {
        eprintln!("one CPU only: the program and its profiler take turns on it, and torn stacks hardly ever occur");
    }
    let mut set = CpuSet::new();
    set.set(own).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &set).expect("our own thread");
    Turn { program_cpu: cpus[0], _turn: turn }
}
