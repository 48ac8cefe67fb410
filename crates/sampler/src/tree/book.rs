//! One profile of many processes.
//!
//! Each process is sampled into tables of its own. What is new in them is translated when a sample brings it, under the
//! lock and without a look at the process; from then on a sample costs the lock and two places in lists. The lock is
//! taken when a moment has been read and let go: never while a thread stands still for it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use py_spy_profile::{About, Frame, FrameId, Sample, Sink, StackId, StringId, Tables, Thread, ThreadId, process_label};
use py_spy_target::command_line;
use rustc_hash::FxHashMap;

use super::MAX_NAMES;

/// Bytes of a command line in a label. Programs may make theirs as long as they like.
const MAX_COMMAND: usize = 4096;

/// What all processes write to.
pub(super) struct Book {
    pub(super) tables: Tables,
    pub(super) sink: Box<dyn Sink + Send>,
    pub(super) processes: Vec<(u32, String)>,
    /// Command lines by process, as they are in labels: a process is called the same in its own stacks and in those of its
    /// children.
    commands: FxHashMap<u32, String>,
}

impl Book {
    pub(super) fn new(sink: Box<dyn Sink + Send>) -> Mutex<Book> {
        Mutex::new(Book { tables: Tables::new(), sink, processes: Vec::new(), commands: FxHashMap::default() })
    }

    /// Another process may have had this number.
    pub(super) fn forget(&mut self, pid: u32) {
        self.commands.remove(&pid);
    }

    /// The stack of the frames that name a process and its ancestors.
    pub(super) fn root(&mut self, ancestors: &[u32], pid: u32, command: &str) -> StackId {
        let command = cut(command);
        self.commands.insert(pid, command.to_owned());
        if self.processes.len() < MAX_NAMES {
            self.processes.push((pid, command.to_owned()));
        }
        let mut above = None;
        for &ancestor in ancestors {
            let command = self.commands.entry(ancestor).or_insert_with(|| cut(&command_line(ancestor)).to_owned());
            let label = process_label(ancestor, command);
            above = Some(self.note(above, &label));
        }
        self.note(above, &process_label(pid, command))
    }

    fn note(&mut self, above: Option<StackId>, label: &str) -> StackId {
        let label = self.tables.string(label);
        let frame = self.tables.frame(Frame::Note(label));
        self.tables.stack(above, frame)
    }
}

fn cut(command: &str) -> &str {
    &command[..command.floor_char_boundary(MAX_COMMAND)]
}

/// Whoever panicked while writing has at most left out a sample.
pub(super) fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One process's place in the book.
pub(super) struct Page<'a> {
    book: &'a Mutex<Book>,
    /// Its process's label.
    root: StackId,
    /// The ids in the book, by those in the process's own tables.
    strings: Vec<Option<StringId>>,
    frames: Vec<Option<FrameId>>,
    stacks: Vec<Option<StackId>>,
    threads: Vec<Option<Translated>>,
}

#[derive(Clone, Copy)]
struct Translated {
    id: ThreadId,
    named: bool,
}

impl<'a> Page<'a> {
    pub(super) fn new(book: &'a Mutex<Book>, root: StackId) -> Page<'a> {
        Page { book, root, strings: Vec::new(), frames: Vec::new(), stacks: Vec::new(), threads: Vec::new() }
    }

    fn stack(&mut self, stack: StackId, own: &Tables, all: &mut Tables) -> StackId {
        let mut unknown = Vec::new();
        let mut next = Some(stack);
        let mut above = loop {
            let Some(id) = next else { break self.root };
            if let Some(known) = get(&self.stacks, id.index()) {
                break known;
            }
            let (frame, caller) = own.leaf_of(id);
            unknown.push((id, frame));
            next = caller;
        };
        for (id, frame) in unknown.into_iter().rev() {
            let frame = self.frame(frame, own, all);
            above = all.stack(Some(above), frame);
            set(&mut self.stacks, id.index(), above);
        }
        above
    }

    fn frame(&mut self, id: FrameId, own: &Tables, all: &mut Tables) -> FrameId {
        if let Some(known) = get(&self.frames, id.index()) {
            return known;
        }
        let frame = match own.frame_of(id) {
            Frame::Python { name, file, short_file, line } => {
                let [name, file, short_file] = [name, file, short_file].map(|text| self.string(text, own, all));
                Frame::Python { name, file, short_file, line }
            }
            Frame::Thread(thread) => Frame::Thread(self.thread(thread, own, all)),
            Frame::Note(text) => Frame::Note(self.string(text, own, all)),
        };
        let frame = all.frame(frame);
        set(&mut self.frames, id.index(), frame);
        frame
    }

    fn string(&mut self, id: StringId, own: &Tables, all: &mut Tables) -> StringId {
        get(&self.strings, id.index()).unwrap_or_else(|| {
            let text = all.string(own.str(id));
            set(&mut self.strings, id.index(), text);
            text
        })
    }

    fn thread(&mut self, id: ThreadId, own: &Tables, all: &mut Tables) -> ThreadId {
        let known = get(&self.threads, id.index());
        if let Some(Translated { id, named: true }) = known {
            return id;
        }
        let Thread { pid, tid, name } = own.thread_of(id);
        let to = known.map_or_else(|| all.thread(Thread { pid: *pid, tid: *tid, name: None }), |known| known.id);
        if let Some(name) = name {
            all.name_thread(to, name);
        }
        set(&mut self.threads, id.index(), Translated { id: to, named: name.is_some() });
        to
    }
}

impl Sink for Page<'_> {
    fn sample(&mut self, sample: &Sample, own: &Tables) -> io::Result<()> {
        let mut book = lock(self.book);
        let Book { tables, sink, .. } = &mut *book;
        let thread = self.thread(sample.thread, own, tables);
        let stack = self.stack(sample.stack, own, tables);
        sink.sample(&Sample { thread, stack, ..*sample }, tables)
    }

    fn finish(self: Box<Self>, _: &Tables, _: &About, _: &mut dyn io::Write) -> io::Result<()> {
        // The book is finished, not its pages.
        Ok(())
    }
}

fn get<T: Copy>(list: &[Option<T>], at: usize) -> Option<T> {
    list.get(at).copied().flatten()
}

fn set<T: Copy>(list: &mut Vec<Option<T>>, at: usize, value: T) {
    if list.len() <= at {
        list.resize(at + 1, None);
    }
    list[at] = Some(value);
}

#[cfg(test)]
mod tests;
