//! One look at every thread of a process.

mod native;

use std::ops::Range;

use py_spy_profile::{Frame, FrameId, Tables};
use py_spy_python::Span;
use py_spy_target::{Call, TaskState};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::codes::Naming;
use crate::moment::{Part, Variable, Wanted, Watch};
use crate::thread_state::{ThreadState, find_deadlocks};
use crate::thread_table::read_names;
use crate::{AttachError, Later, Options, Sampler};

/// Looks at a process for one snapshot. A program that is just starting frees the code of each module that it has run.
const MAX_LOOKS: u32 = 20;

/// The scheduler's states of threads that do not run.
type Halted = FxHashMap<u32, TaskState>;

/// What is known of a process.
#[derive(Debug, Clone, Default)]
pub struct ProcessInfo {
    /// Process id, as this system counts it.
    pub pid: u32,
    /// The command line's words.
    pub command: Vec<String>,
    /// The executable's path as the process sees it; of a process with several Pythons the file that this one is in.
    pub executable: String,
    /// CPython's version, as in `3.12.1`.
    pub version: String,
}

/// One look at every thread of a process.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The threads, the oldest (main) first.
    pub threads: Vec<ThreadSnapshot>,
    /// Threads whose stack could not be read truly and is left out.
    pub dropped: usize,
}

/// One thread.
#[derive(Debug, Clone)]
pub struct ThreadSnapshot {
    /// The operating system's thread id, where it is known.
    pub os_thread_id: Option<u32>,
    /// The interpreter's own id: `pthread_self()`.
    pub thread_id: u64,
    /// What the program calls it.
    pub name: Option<String>,
    /// Running or runnable.
    pub active: bool,
    /// It holds the GIL.
    pub owns_gil: bool,
    /// Innermost first.
    pub frames: Vec<FrameSnapshot>,
    /// What it is doing, where that was wanted.
    pub state: Option<ThreadState>,
}

/// One Python frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FrameSnapshot {
    /// Function name, qualified where the interpreter knows it.
    pub name: String,
    /// File name as the code object has it.
    pub filename: String,
    /// The shortened file name, unless full names were asked for.
    pub short_filename: Option<String>,
    /// Line number from 1, 0 when unknown.
    pub line: u32,
    /// The frame was entered from C (up to 3.11).
    pub is_entry: bool,
    /// The frame was entered from C through a shim frame (3.12+).
    pub is_shim_entry: bool,
    /// Where in its line the expression is that it runs, if that was wanted and is known (3.11+).
    pub span: Option<Span>,
    /// The text of its line without what stands around it, where it was looked for.
    pub source: Option<Source>,
    /// Its variables; `None` when they were not wanted, or could not be read.
    pub locals: Option<Vec<Variable>>,
}

/// The text of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// Without the blanks around it.
    pub text: String,
    /// The part of it that is running, in bytes, where that is known and not all of it.
    pub part: Option<Range<usize>>,
}

impl ProcessInfo {
    pub(crate) fn of(watch: &Watch, is_one_of_several: bool) -> ProcessInfo {
        let Watch { target, python, .. } = watch;
        let executable = if is_one_of_several {
            python.path.clone()
        } else {
            target.executable().map(|path| path.display().to_string()).unwrap_or_default()
        };
        ProcessInfo { pid: target.pid, command: target.command(), executable, version: python.version.to_string() }
    }
}

impl Options {
    /// How frames are named.
    pub(crate) fn naming(&self) -> Naming {
        Naming { lines: self.lines, full_filenames: self.full_filenames, full_stack: self.full_stack }
    }
}

impl Sampler {
    /// Looks again when a frame's code object had gone before it could be named.
    pub(crate) fn look_once(&mut self) -> Result<Snapshot, AttachError> {
        let mut tables = Tables::new();
        // What is known of code objects is kept as ids in the tables.
        self.watch.forget_codes();
        for _ in 1..MAX_LOOKS {
            let (snapshot, all_named) = self.look(&mut tables)?;
            if all_named {
                return Ok(snapshot);
            }
        }
        Ok(self.look(&mut tables)?.0)
    }

    /// One look, and whether all of its frames have their names.
    fn look(&mut self, tables: &mut Tables) -> Result<(Snapshot, bool), AttachError> {
        let watch = &mut self.watch;
        let pid = watch.target.pid;
        let ending = |why: String| AttachError {
            message: format!("process {pid} could not be looked at: {why}"),
            hint: Some("it may just have ended".to_owned()),
            later: Later::No,
        };
        watch.tasks.refresh().map_err(|why| ending(why.to_string()))?;
        // The states first: a thread that is stopped for the look would look stopped.
        let mut running = Vec::new();
        watch.tasks.running(&mut running, false);
        let states = self.options.values.as_ref().is_some_and(|options| options.states);
        watch.calls.clear();
        let mut halted = Halted::default();
        if states {
            let resting: Vec<u32> = watch.tasks.ids().filter(|tid| !running.contains(tid)).collect();
            halted.extend(resting.into_iter().filter_map(|tid| Some((tid, watch.tasks.state(tid)?))));
            let resting = watch.tasks.ids().filter(|tid| !running.contains(tid));
            watch.calls = resting.filter_map(|tid| Some((tid, Call::of(pid, tid)?))).collect();
        }
        watch.take(Wanted::All).map_err(|why| ending(why.to_string()))?;
        let names = read_names(&watch.roster, &watch.memory, &watch.python.layout);
        let mut threads: Vec<ThreadSnapshot> = Vec::new();
        let mut all_named = true;
        for part in self.watch.moment.parts.clone() {
            let member = self.watch.roster.members[part.member];
            let (frames, complete) = match self.mixed_frames(&part, tables) {
                Some(mut frames) => {
                    if self.options.values.is_some() || self.options.spans {
                        add_locals(&mut frames, self.frames(&part, tables).0);
                    }
                    (frames, true)
                }
                None => self.frames(&part, tables),
            };
            all_named &= complete;
            let interpreter = self.watch.roster.interpreters[member.interpreter].at;
            let state = states.then(|| self.state(&part, &running, &halted));
            threads.push(ThreadSnapshot {
                os_thread_id: member.tid,
                thread_id: member.id,
                name: names.get(&(interpreter, member.id)).cloned(),
                active: member.tid.is_some_and(|tid| running.contains(&tid)),
                owns_gil: part.holds_gil,
                frames,
                state,
            });
        }
        threads.extend(self.strangers(states.then_some(&halted), &running, tables));
        // An interpreter that runs nothing has a state for the thread that made it.
        let with_frames: FxHashSet<u64> =
            threads.iter().filter(|thread| !thread.frames.is_empty()).map(|thread| thread.thread_id).collect();
        threads.retain(|thread| !thread.frames.is_empty() || !with_frames.contains(&thread.thread_id));
        find_deadlocks(&mut threads);
        Ok((Snapshot { threads, dropped: self.watch.moment.dropped }, all_named))
    }

    /// What the thread of a part is doing.
    fn state(&self, part: &Part, running: &[u32], halted: &Halted) -> ThreadState {
        let Watch { roster, moment, calls, .. } = &self.watch;
        let tid = roster.members[part.member].tid;
        let about = moment.about.get(&part.member);
        let runs = tid.is_some_and(|tid| running.contains(&tid));
        let call = tid.and_then(|tid| calls.get(&tid));
        let wait = about.and_then(|about| about.wait.as_ref());
        let collecting = about.is_some_and(|about| about.collecting);
        let state = ThreadState::of(runs, part.holds_gil, call, roster.gil_of(part.member), wait, collecting);
        let state = match tid.and_then(|tid| halted.get(&tid)) {
            Some(&halted) => state.halted(halted),
            None => state,
        };
        let exception = about.and_then(|about| about.exception.as_ref()).map(|shown| shown.repr.clone());
        ThreadState { exception, ..state }
    }

    /// A part's frames, innermost first, and whether all have their names.
    fn frames(&mut self, part: &Part, tables: &mut Tables) -> (Vec<FrameSnapshot>, bool) {
        let Watch { codes, memory, python, moment, .. } = &mut self.watch;
        let mut named = Vec::new();
        let mut all_named = true;
        if part.moving {
            named.push(FrameSnapshot { name: "(moving)".to_owned(), ..FrameSnapshot::default() });
        }
        let shims = matches!(python.layout.frame.entry, py_spy_python::layout::Entry::BelowShim { .. });
        for full_stack in [self.options.full_stack, true] {
            let naming = Naming { full_stack, ..self.options.naming() };
            // The interpreter's own stand for no function: they are shown only to those who ask.
            let frames = moment.frames[part.first..part.end].iter().zip(part.first..);
            for (raw, index) in frames.filter(|(raw, _)| self.options.full_stack || !raw.shim) {
                let id = codes.frame(raw, memory, &python.layout, naming, &mut self.files, tables);
                let (name, filename, short, line) = match id {
                    Ok(Some(id)) => match tables.frame_of(id) {
                        Frame::Python { name, file, short_file, line } => {
                            (tables.str(name).to_owned(), tables.str(file).to_owned(), Some(short_file), line)
                        }
                        Frame::Thread(_) => continue,
                        Frame::Note(text) => (tables.str(text).to_owned(), String::new(), None, 0),
                    },
                    Ok(None) => continue,
                    Err(why) => {
                        all_named = false;
                        (format!("({why})"), String::new(), None, 0)
                    }
                };
                named.push(FrameSnapshot {
                    name,
                    filename,
                    short_filename: short
                        .filter(|_| !self.options.full_filenames)
                        .map(|short| tables.str(short).to_owned()),
                    line,
                    is_entry: raw.entry && !shims,
                    is_shim_entry: raw.entry && shims,
                    span: if self.options.spans { codes.span(raw, memory, &python.layout) } else { None },
                    source: None,
                    locals: moment.values.get(&index).cloned(),
                });
            }
            // Rather the hidden ones than none at all.
            if !named.is_empty() {
                break;
            }
        }
        (named, all_named)
    }
}

/// A frame by its id, if it is one of code or a note.
pub(crate) fn frame_of(tables: &Tables, id: FrameId, full_filenames: bool) -> Option<FrameSnapshot> {
    match tables.frame_of(id) {
        Frame::Python { name, file, short_file, line } => Some(FrameSnapshot {
            name: tables.str(name).to_owned(),
            filename: tables.str(file).to_owned(),
            short_filename: (!full_filenames).then(|| tables.str(short_file).to_owned()),
            line,
            ..FrameSnapshot::default()
        }),
        Frame::Note(text) => Some(FrameSnapshot { name: tables.str(text).to_owned(), ..FrameSnapshot::default() }),
        Frame::Thread(_) => None,
    }
}

/// Gives frames among native ones what is known of the same frames by themselves, which are in the same order.
pub(crate) fn add_locals(mixed: &mut [FrameSnapshot], plain: Vec<FrameSnapshot>) {
    let mut plain = plain.into_iter().peekable();
    for frame in mixed {
        let same = |other: &FrameSnapshot| other.name == frame.name && other.filename == frame.filename;
        if let Some(own) = plain.next_if(same) {
            (frame.locals, frame.span) = (own.locals, own.span);
        }
    }
}
