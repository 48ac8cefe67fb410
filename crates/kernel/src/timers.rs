//! The timers of a process's threads, and how their periods change.
//!
//! A timer of one and the same period sees a program whose own period is in a simple proportion to it in the same few places
//! always. So each gets another one after some ticks. The time since its last tick counts for nothing then, half a period on
//! the average: it is made up for at its next tick, of which chance makes two.

use std::io;

use py_spy_target::{CpuTicks, Program, Tasks};

use crate::periods::Periods;
use crate::unavailable::Unavailable;

/// After so many ticks a timer gets another period.
const VARY_AFTER: u32 = 20;

/// So many timers at most get another one at a time: it is a system call each.
const MAX_VARIED: usize = 64;

/// Of so many threads at most each timer is kept from changing places with others: it takes a file more of each.
const MAX_STAYING: usize = 256;

/// The list of threads is read again until it has nothing new, at most so often.
const MAX_LISTS: u32 = 32;

const ESRCH: i32 = 3;

/// Timers, by their threads' own ids.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Sorted by the id.
    timers: Vec<Timer>,
    /// Where to begin the next time with giving other periods.
    turn: usize,
}

/// One thread's.
#[derive(Debug)]
struct Timer {
    own_tid: u32,
    event: CpuTicks,
    /// ns
    period: u64,
    /// Since it has this period.
    ticks: u32,
    /// What its next tick makes up for, ns.
    owed: u64,
}

impl Timers {
    /// One for each thread, which goes on in the threads that it makes, all of them switched off. `meet` is told the period of each.
    ///
    /// # Errors
    /// When a timer is refused.
    pub(crate) fn open(
        tasks: &mut Tasks,
        program: &Program,
        periods: Periods,
        below: &mut impl FnMut(u64) -> u64,
        meet: impl Fn(u32, u64),
    ) -> Result<Timers, Unavailable> {
        for _ in 0..MAX_LISTS {
            let mut timers = Vec::new();
            tasks.relist().map_err(Unavailable::Event)?;
            let mut listed: Vec<u32> = tasks.ids().collect();
            listed.sort_unstable();
            let stays = listed.len() <= MAX_STAYING;
            for &tid in &listed {
                let period = periods.usual(below);
                match CpuTicks::new(tid, period, program, stays) {
                    Ok(event) => {
                        let own_tid = tasks.own_id(tid).unwrap_or(tid);
                        meet(own_tid, period);
                        timers.push(Timer { own_tid, event, period, ticks: 0, owed: 0 });
                    }
                    // It has ended meanwhile.
                    Err(error) if error.raw_os_error() == Some(ESRCH) => {}
                    Err(error) => return Err(Unavailable::Event(error)),
                }
            }
            tasks.relist().map_err(Unavailable::Event)?;
            // A thread that was made between its maker's timer and the program's being set at it has a timer without one, and so
            // may take ticks from its maker, for the kernel exchanges timers between related threads.
            if tasks.ids().all(|tid| listed.binary_search(&tid).is_ok()) {
                timers.sort_unstable_by_key(|timer| timer.own_tid);
                return Ok(Timers { timers, turn: 0 });
            }
        }
        Err(Unavailable::Restless)
    }

    /// Switches all on.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn enable(&self) -> io::Result<()> {
        self.timers.iter().try_for_each(|timer| timer.event.enable())
    }

    /// Switches all off.
    pub(crate) fn disable(&self) {
        for timer in &self.timers {
            if let Err(error) = timer.event.disable() {
                log::debug!("the timer of thread {} is not switched off: {error}", timer.own_tid);
            }
        }
    }

    /// True when a thread has one of its own, which it did not get from its maker.
    pub(crate) fn has(&self, own_tid: u32) -> bool {
        self.find(own_tid).is_ok()
    }

    /// How many there are; those that threads got from their makers do not count.
    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// Has each timer make up for half a period at its next tick.
    pub(crate) fn owe(&mut self) {
        self.timers.iter_mut().for_each(|timer| timer.owed = timer.period / 2);
    }

    /// How many samples more a tick is that counts as one of `asked` ns.
    pub(crate) fn more(&mut self, own_tid: u32, asked: u64, below: &mut impl FnMut(u64) -> u64) -> u32 {
        let Ok(index) = self.find(own_tid) else { return 0 };
        let timer = &mut self.timers[index];
        timer.ticks = timer.ticks.saturating_add(1);
        let owed = std::mem::take(&mut timer.owed);
        u32::from(owed > 0 && below(asked) < owed)
    }

    /// Gives those another period that have had some ticks with theirs.
    pub(crate) fn vary(&mut self, mut period: impl FnMut() -> u64, mut meet: impl FnMut(u32, u64)) {
        let count = self.timers.len();
        let (later, sooner) = self.timers.split_at_mut(self.turn.min(count));
        let mut varied = 0;
        for (passed, timer) in sooner.iter_mut().chain(later).enumerate() {
            if varied == MAX_VARIED {
                self.turn = (self.turn + passed) % count;
                return;
            }
            if timer.ticks < VARY_AFTER {
                continue;
            }
            varied += 1;
            if timer.change(period()) {
                timer.owed = timer.period / 2;
                meet(timer.own_tid, timer.period);
            }
        }
    }

    /// Gives another period to all threads that still are, and so to all that they make from now on.
    pub(crate) fn change(&mut self, tasks: &Tasks, mut period: impl FnMut() -> u64, mut meet: impl FnMut(u32, u64)) {
        for timer in self.timers.iter_mut().filter(|timer| tasks.by_own_id(timer.own_tid).is_some()) {
            if timer.change(period()) {
                meet(timer.own_tid, timer.period);
            }
        }
    }

    fn find(&self, own_tid: u32) -> Result<usize, usize> {
        self.timers.binary_search_by_key(&own_tid, |timer| timer.own_tid)
    }
}

impl Timer {
    fn change(&mut self, period: u64) -> bool {
        self.ticks = 0;
        match self.event.set_period(period) {
            Ok(()) => self.period = period,
            Err(error) => {
                log::debug!("thread {} keeps its period: {error}", self.own_tid);
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::print_stderr, reason = "a test says what it could not do")]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// `r0 = 0`, and the end.
    const NOTHING: [u64; 2] = [0xb7, 0x95];

    const ASKED: u64 = 1_000_000;

    /// A thread that waits, by its id; it ends with the sender.
    fn waiting() -> (u32, Sender<()>) {
        let (said, tid) = channel();
        let (end, wait) = channel::<()>();
        std::thread::spawn(move || {
            said.send(std::fs::read_link("/proc/thread-self").expect("its folder")).expect("it is waited for");
            wait.recv().ok();
        });
        let folder = tid.recv().expect("it began");
        let name = folder.file_name().expect("a name").to_str().expect("a number");
        (name.parse().expect("a number"), end)
    }

    /// Timers of our own threads; `None`, which is said, where there may be none.
    fn open(tasks: &mut Tasks) -> Option<Timers> {
        let program = match Program::load(&NOTHING) {
            Ok(program) => program,
            Err(why) => {
                eprintln!("SKIPPED: {why}");
                return None;
            }
        };
        let opened = Timers::open(tasks, &program, Periods::of(ASKED), &mut |_| 0, |_, _| {});
        opened.inspect_err(|why| eprintln!("SKIPPED: {why}")).ok()
    }

    #[test]
    fn threads_get_timers_of_their_own_when_they_are_opened_again() {
        let mut tasks = Tasks::of(std::process::id()).expect("we are");
        let (first, _first) = waiting();
        let Some(timers) = open(&mut tasks) else { return };
        let (second, _second) = waiting();
        assert_eq!([first, second].map(|tid| timers.has(tid)), [true, false]);
        timers.enable().expect("they are ours");
        let timers = open(&mut tasks).expect("as before");
        assert_eq!([first, second].map(|tid| timers.has(tid)), [true, true]);
    }

    #[test]
    fn a_period_changes_after_some_ticks_and_what_is_lost_is_made_up_for() {
        let mut tasks = Tasks::of(std::process::id()).expect("we are");
        let (tid, _end) = waiting();
        let Some(mut timers) = open(&mut tasks) else { return };
        let mut changed = Vec::new();
        for ticks in 1..=VARY_AFTER {
            assert_eq!((timers.more(tid, ASKED, &mut |_| 0), changed.len()), (0, 0), "{ticks}");
            timers.vary(|| 900_000, |tid, period| changed.push((tid, period)));
        }
        assert_eq!(changed, [(tid, 900_000)]);
        // Half a period of 0.9 of what a tick stands for: in 45 of 100 cases one more, once.
        assert_eq!(timers.more(tid, ASKED, &mut |_| 449_999), 1);
        assert_eq!(timers.more(tid, ASKED, &mut |_| 0), 0);
        timers.owe();
        assert_eq!(timers.more(tid, ASKED, &mut |_| 450_000), 0);
        assert_eq!(timers.more(0, ASKED, &mut |_| 0), 0);
    }

    #[test]
    fn of_many_each_has_its_turn() {
        let mut tasks = Tasks::of(std::process::id()).expect("we are");
        let threads: Vec<_> = (0..MAX_VARIED + 3).map(|_| waiting()).collect();
        let Some(mut timers) = open(&mut tasks) else { return };
        for (tid, _) in &threads {
            for _ in 0..VARY_AFTER {
                timers.more(*tid, ASKED, &mut |_| 0);
            }
        }
        let mut changed = Vec::new();
        for expected in [MAX_VARIED, threads.len(), threads.len()] {
            timers.vary(|| 900_000, |tid, _| changed.push(tid));
            assert_eq!(changed.len(), expected);
        }
        changed.sort_unstable();
        changed.dedup();
        assert_eq!(changed.len(), threads.len());
    }
}
