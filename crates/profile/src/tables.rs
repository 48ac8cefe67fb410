//! The interned parts of a profile: strings, frames, stacks and threads, each named by a `u32`.

use std::borrow::Cow;
use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::thread_label;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);

        impl $name {
            /// Position in its table, counted from 0 in order of first sight.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// A string of the profile.
    StringId
}
id! {
    /// A frame: a place in the program, or a label such as a thread's.
    FrameId
}
id! {
    /// A stack: a frame and the stack of its caller.
    StackId
}
id! {
    /// A thread of one of the profiled processes.
    ThreadId
}

/// One level of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Frame {
    /// A Python function at a line.
    Python {
        /// Function name, qualified where the interpreter knows it.
        name: StringId,
        /// File name as the code object has it.
        file: StringId,
        /// File name as it is shown in labels: shortened, or equal to `file`.
        short_file: StringId,
        /// Line number from 1; 0 when it is not known or not wanted.
        line: u32,
    },
    /// A thread, named as it is known when the profile is written: a program may name a thread late.
    Thread(ThreadId),
    /// A label that is no code: a process, `(moving)`.
    Note(StringId),
}

impl Frame {
    /// Name, full file name and line, as the JSON formats have them: a label has no file, and no line is `None`.
    pub(crate) fn parts(self, tables: &Tables) -> (Cow<'_, str>, &str, Option<u32>) {
        match self {
            Frame::Python { name, file, line, .. } => {
                (tables.str(name).into(), tables.str(file), Some(line).filter(|&l| l > 0))
            }
            Frame::Thread(thread) => (thread_label(tables.thread_of(thread)).into(), "", None),
            Frame::Note(text) => (tables.str(text).into(), "", None),
        }
    }
}

/// A thread of one of the profiled processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Process id, as this system counts it.
    pub pid: u32,
    /// The operating system's thread id, or the interpreter's own id when that one is not known.
    pub tid: u64,
    /// What the program calls it; may become known only after some samples.
    pub name: Option<String>,
}

/// An append-only table in which equal values share one id.
#[derive(Debug)]
struct Interned<T> {
    values: Vec<T>,
    ids: FxHashMap<T, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Interned { values: Vec::new(), ids: FxHashMap::default() }
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    fn intern(&mut self, value: T) -> u32 {
        if let Some(&id) = self.ids.get(&value) {
            return id;
        }
        let id = self.values.len() as u32;
        self.values.push(value.clone());
        self.ids.insert(value, id);
        id
    }
}

/// The tables of one profile. Ids are handed out in order of first sight and never change.
#[derive(Debug, Default)]
pub struct Tables {
    strings: Interned<Arc<str>>,
    frames: Interned<Frame>,
    stacks: Interned<(Option<StackId>, FrameId)>,
    threads: Vec<Thread>,
}

impl Tables {
    /// Empty tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of a string, which is added when it is new.
    pub fn string(&mut self, text: &str) -> StringId {
        if let Some(&id) = self.strings.ids.get(text) {
            return StringId(id);
        }
        StringId(self.strings.intern(Arc::from(text)))
    }

    /// The id of a frame, which is added when it is new.
    pub fn frame(&mut self, frame: Frame) -> FrameId {
        FrameId(self.frames.intern(frame))
    }

    /// The id of the stack that calls `frame` from `caller`; `None` is the root.
    pub fn stack(&mut self, caller: Option<StackId>, frame: FrameId) -> StackId {
        StackId(self.stacks.intern((caller, frame)))
    }

    /// Adds a thread. Threads are not compared: whoever samples keeps the id. Two ids with the same process and thread
    /// number may follow one another in time, as the system's numbers do, but must not overlap: a trace viewer knows
    /// only the numbers.
    pub fn thread(&mut self, thread: Thread) -> ThreadId {
        self.threads.push(thread);
        ThreadId(self.threads.len() as u32 - 1)
    }

    /// Says what a thread is called, as soon as that is known.
    pub fn name_thread(&mut self, id: ThreadId, name: &str) {
        self.threads[id.index()].name = Some(name.to_owned());
    }

    /// The text of a string.
    pub fn str(&self, id: StringId) -> &str {
        &self.strings.values[id.index()]
    }

    /// The frame behind an id.
    pub fn frame_of(&self, id: FrameId) -> Frame {
        self.frames.values[id.index()]
    }

    /// A stack's innermost frame and the stack of its caller.
    pub fn leaf_of(&self, id: StackId) -> (FrameId, Option<StackId>) {
        let (caller, frame) = self.stacks.values[id.index()];
        (frame, caller)
    }

    /// The thread behind an id.
    pub fn thread_of(&self, id: ThreadId) -> &Thread {
        &self.threads[id.index()]
    }

    /// All frames, in the order of their ids.
    pub fn frames(&self) -> &[Frame] {
        &self.frames.values
    }

    /// All stacks with their innermost frame and the stack of its caller, in the order of their ids: a caller comes
    /// before what it calls.
    pub fn stacks(&self) -> impl DoubleEndedIterator<Item = (StackId, FrameId, Option<StackId>)> + ExactSizeIterator {
        let stacks = self.stacks.values.iter().enumerate();
        stacks.map(|(at, &(caller, frame))| (StackId(at as u32), frame, caller))
    }

    /// All threads with their ids.
    pub fn threads(&self) -> impl Iterator<Item = (ThreadId, &Thread)> {
        self.threads.iter().enumerate().map(|(at, thread)| (ThreadId(at as u32), thread))
    }

    /// Writes the frames of a stack into `into`, root first.
    pub fn unfold(&self, stack: StackId, into: &mut Vec<FrameId>) {
        into.clear();
        let mut next = Some(stack);
        while let Some(id) = next {
            let (frame, caller) = self.leaf_of(id);
            into.push(frame);
            next = caller;
        }
        into.reverse();
    }
}
