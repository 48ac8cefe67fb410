//! Interpreters and thread states: the lists that everything else hangs on.

use py_spy_address_space::{Addr, Memory, read_u32};

use crate::circle::Circle;
use crate::layout::{self, FrameSlot, Layout};
use crate::object::{Unreadable, add, half, word};
use crate::stack::Reader;

/// Interpreters of one process; a list that is longer is taken for an endless one.
const MAX_INTERPRETERS: usize = 1 << 12;

/// Thread states of one interpreter; a list that is longer is taken for an endless one.
const MAX_THREADS: usize = 1 << 17;

/// An interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interpreter {
    /// Where its state is.
    pub at: Addr,
    /// 0 for the main one, counted up (up to 3.6 by its place among those that are there).
    pub id: u64,
    /// Its newest thread state.
    pub threads_head: Addr,
    /// Its GIL: addresses of the fields. `None` where there is no GIL in force.
    pub gil: Option<Gil>,
}

/// A global interpreter lock: where its words are. Two interpreters with equal addresses share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gil {
    /// Where the thread state that took it last is named.
    pub last_holder: Addr,
    /// Where the `int` is that tells whether it is taken. The same address where one word says both, NULL when nobody has
    /// it: then the low half of a pointer from `malloc`, which is never at a multiple of 4 GiB.
    pub locked: Addr,
}

impl Gil {
    /// True when it tells who holds it, and nothing of whoever held it last ([`layout::Gil::Current`]).
    pub fn names_holders_only(&self) -> bool {
        self.last_holder == self.locked
    }
}

/// A thread state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadState {
    /// Where it is.
    pub at: Addr,
    /// The next one in the list, older.
    pub next: Addr,
    /// The interpreter that it belongs to.
    pub interpreter: Addr,
    /// `pthread_self()`.
    pub id: u64,
    /// The kernel's id for it, as the thread itself sees it, where the version keeps it.
    pub native_id: Option<u64>,
    /// The innermost frame; 0 when it runs no Python.
    pub frame: Addr,
    /// Something on the C stack of the thread that runs it, in versions that keep such a thing (3.11, 3.12).
    pub on_stack: Option<Addr>,
    /// The frame that must be the outermost, where the version says so.
    pub base: Option<Addr>,
}

/// All interpreters, the newest first.
pub fn interpreters(reader: &mut Reader<'_>, layout: &Layout, runtime: Addr) -> Result<Vec<Interpreter>, Unreadable> {
    let fields = &layout.interpreter;
    let mut found = Vec::new();
    let mut circle = Circle::default();
    let mut next = reader.word(add(runtime, layout.runtime.interpreters_head)?)?;
    while next != 0 {
        if found.len() >= MAX_INTERPRETERS || circle.closes(next) {
            return Err(Unreadable::Nonsense("the list of interpreters", next));
        }
        let at = next;
        found.push(Interpreter {
            at,
            id: fields.id.map_or(Ok(0), |id| Ok::<_, Unreadable>(reader.word(add(at, id)?)?))?,
            threads_head: reader.word(add(at, fields.threads_head)?)?,
            gil: gil(reader, layout, runtime, at)?,
        });
        next = reader.word(add(at, fields.next)?)?;
    }
    if fields.id.is_none() {
        for (id, interpreter) in (0..).zip(found.iter_mut().rev()) {
            interpreter.id = id;
        }
    }
    Ok(found)
}

/// The GIL of an interpreter; `None` where there is none in force, or not yet.
///
/// # Errors
/// When it can not be read.
pub fn gil(
    reader: &mut Reader<'_>,
    layout: &Layout,
    runtime: Addr,
    interpreter: Addr,
) -> Result<Option<Gil>, Unreadable> {
    let place = |start: Addr, fields: layout::GilFields| -> Result<Gil, Unreadable> {
        Ok(Gil { last_holder: add(start, fields.last_holder)?, locked: add(start, fields.locked)? })
    };
    match layout.interpreter.gil {
        layout::Gil::Current(0) => Ok(None),
        layout::Gil::Current(at) => Ok(Some(Gil { last_holder: at, locked: at })),
        layout::Gil::Runtime(fields) => place(runtime, fields).map(Some),
        layout::Gil::Interpreter { pointer, fields } => match reader.word(add(interpreter, pointer)?)? {
            // An interpreter that is being made or torn down has none yet or any more.
            0 => Ok(None),
            start => place(start, fields).map(Some),
        },
        layout::Gil::Optional { pointer, fields, enabled } => match reader.word(add(interpreter, pointer)?)? {
            0 => Ok(None),
            start => {
                let mut on = [0; 4];
                reader.read(add(start, enabled)?, &mut on)?;
                if on == [0; 4] { Ok(None) } else { place(start, fields).map(Some) }
            }
        },
    }
}

/// True while the garbage collector of an interpreter is at work; `None` where that is not known.
pub fn is_collecting(memory: &dyn Memory, layout: &Layout, runtime: Addr, interpreter: Addr) -> Option<bool> {
    let at = match layout.interpreter.collecting {
        layout::Collecting::Unknown => return None,
        layout::Collecting::Runtime(offset) => add(runtime, offset),
        layout::Collecting::Interpreter(offset) => add(interpreter, offset),
    };
    Some(read_u32(memory, at.ok()?).ok()? == 1)
}

/// All thread states of an interpreter, the newest first. A state that belongs to another interpreter ends the list:
/// it was freed and its memory used again while we went through.
pub fn threads(
    reader: &mut Reader<'_>,
    layout: &Layout,
    interpreter: &Interpreter,
) -> Result<Vec<ThreadState>, Unreadable> {
    let mut found = Vec::new();
    let mut circle = Circle::default();
    let mut next = interpreter.threads_head;
    while next != 0 {
        if found.len() >= MAX_THREADS || circle.closes(next) {
            return Err(Unreadable::Nonsense("the list of threads", next));
        }
        let state = thread_state(reader, layout, next)?;
        if state.interpreter != interpreter.at {
            break;
        }
        next = state.next;
        found.push(state);
    }
    Ok(found)
}

/// Reads one thread state.
pub fn thread_state(reader: &mut Reader<'_>, layout: &Layout, at: Addr) -> Result<ThreadState, Unreadable> {
    let size = layout.thread.size.min(layout::Thread::MAX_SIZE) as usize;
    let state = if let Some(bytes) = reader.in_place(at, size)? {
        parse(layout, at, bytes)
    } else {
        let mut bytes = [0; layout::Thread::MAX_SIZE as usize];
        reader.read(at, &mut bytes[..size])?;
        parse(layout, at, &bytes[..size])
    };
    let FrameSlot::ThroughCFrame { frame, .. } = layout.thread.frame else { return Ok(state) };
    let Some(cframe) = state.on_stack else { return Ok(state) };
    // The outermost one is in the thread state itself.
    let inside = at..at.saturating_add(u64::from(layout::Thread::MAX_SIZE));
    let on_stack = Some(cframe).filter(|cframe| !inside.contains(cframe));
    Ok(ThreadState { frame: reader.word(add(cframe, frame)?)?, on_stack, ..state })
}

/// A thread state from its bytes, with the frame where it is, and else with whatever leads to it as `on_stack`.
fn parse(layout: &Layout, at: Addr, bytes: &[u8]) -> ThreadState {
    let fields = &layout.thread;
    let field = |offset: u32| word(bytes, offset as usize);
    let (frame, on_stack) = match fields.frame {
        FrameSlot::Here(offset) => (field(offset), None),
        FrameSlot::ThroughCFrame { slot, .. } => (0, Some(field(slot)).filter(|&cframe| cframe != 0)),
    };
    ThreadState {
        at,
        next: field(fields.next),
        interpreter: field(fields.interp),
        id: field(fields.id),
        // A C `unsigned long`, of which the upper half is never used.
        native_id: fields.native_id.map(|offset| u64::from(half(bytes, offset as usize))),
        frame,
        on_stack,
        base: fields.base_frame.map(field).filter(|&base| base != 0),
    }
}
