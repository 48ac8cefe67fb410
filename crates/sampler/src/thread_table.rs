//! The threads that were seen: their entries in the profile, their names, their last stacks.

use std::time::{Duration, Instant};

use py_spy_address_space::{Addr, Memory, Pages};
use py_spy_profile::{Frame, StackId, Tables, Thread, ThreadId};
use py_spy_python::layout::Layout;
use py_spy_python::thread_names;
use py_spy_target::Target;
use rustc_hash::FxHashMap;

use crate::roster::{Member, Roster};
use crate::stacks::Path;

/// Names are looked up again at most this often: when a thread is new, while some thread has none (it is named a little
/// after it begins), and when `threading` probably does not know it (but may be imported late).
const LOOK_UP_NEW: Duration = Duration::from_millis(10);
const LOOK_UP_AGAIN: Duration = Duration::from_millis(100);
const LOOK_UP_UNKNOWN: Duration = Duration::from_secs(1);

/// A thread that still has no name after this many looks is one that `threading` does not know.
const MAX_LOOKS: u32 = 20;

/// A thread that was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) id: ThreadId,
    pub(crate) path: Path,
    /// The frame that names it, when those are wanted.
    pub(crate) label: Option<StackId>,
    named: bool,
    looks: u32,
}

/// The threads that were seen, by the kernel's id or, where that is not known, by the interpreter's own.
#[derive(Debug, Default)]
pub(crate) struct ThreadTable {
    seen: FxHashMap<u64, Seen>,
    names: FxHashMap<(Addr, u64), String>,
    looked: Option<Instant>,
}

impl ThreadTable {
    /// The entry of a thread, made at first sight.
    pub(crate) fn entry(&mut self, member: &Member, pid: u32, labels: bool, tables: &mut Tables) -> &mut Seen {
        let tid = member.tid.map_or(member.id, u64::from);
        self.seen.entry(tid).or_insert_with(|| {
            let id = tables.thread(Thread { pid, tid, name: None });
            let label = labels.then(|| label(tables, id));
            Seen { id, path: Path::default(), label, named: false, looks: 0 }
        })
    }

    /// The same of a thread that is in no interpreter's list. What it calls itself is its name.
    pub(crate) fn stranger(&mut self, tid: u32, target: &Target, labels: bool, tables: &mut Tables) -> &mut Seen {
        self.seen.entry(tid.into()).or_insert_with(|| {
            let id = tables.thread(Thread { pid: target.pid, tid: tid.into(), name: None });
            if let Some(name) = target.thread_name(tid) {
                tables.name_thread(id, &name);
            }
            Seen { id, path: Path::default(), label: labels.then(|| label(tables, id)), named: false, looks: 0 }
        })
    }

    /// Gives names to the members that have none yet, if it is time to look for them.
    #[expect(clippy::too_many_arguments, reason = "the parts of a sampler that this uses side by side")]
    pub(crate) fn name(
        &mut self,
        members: &[Member],
        pid: u32,
        labels: bool,
        roster: &Roster,
        memory: &dyn Memory,
        layout: &Layout,
        tables: &mut Tables,
    ) {
        let wait = members.iter().filter_map(|member| self.entry(member, pid, labels, tables).wait()).min();
        let Some(wait) = wait else { return };
        let look = self.looked.is_none_or(|at| at.elapsed() >= wait);
        if look {
            self.looked = Some(Instant::now());
            self.names = read_names(roster, memory, layout);
        }
        for member in members {
            let key = member.tid.map_or(member.id, u64::from);
            let Some(seen) = self.seen.get_mut(&key).filter(|seen| !seen.named) else { continue };
            seen.looks += u32::from(look);
            let interpreter = roster.interpreters[member.interpreter].at;
            if let Some(name) = self.names.get(&(interpreter, member.id)) {
                seen.named = true;
                tables.name_thread(seen.id, name);
            }
        }
    }
}

impl Seen {
    /// How long after a look for names the next one is worth it for this thread.
    fn wait(&self) -> Option<Duration> {
        match self.looks {
            _ if self.named => None,
            0 => Some(LOOK_UP_NEW),
            1..MAX_LOOKS => Some(LOOK_UP_AGAIN),
            _ => Some(LOOK_UP_UNKNOWN),
        }
    }
}

/// The names of all threads, by interpreter and its own id for the thread.
pub(crate) fn read_names(roster: &Roster, memory: &dyn Memory, layout: &Layout) -> FxHashMap<(Addr, u64), String> {
    let mut all = FxHashMap::default();
    let memory = &Pages::of(memory);
    for interpreter in &roster.interpreters {
        match thread_names(memory, layout, interpreter.at) {
            Ok(names) => all.extend(names.into_iter().map(|(id, name)| ((interpreter.at, id), name))),
            Err(why) => log::debug!("the threads' names could not be read: {why}"),
        }
    }
    all
}

/// The stack of one frame that names a thread.
fn label(tables: &mut Tables, id: ThreadId) -> StackId {
    let frame = tables.frame(Frame::Thread(id));
    tables.stack(None, frame)
}
