//! What a thread is about: the exception that it handles, the lock that it waits for.

use py_spy_address_space::{Addr, read_u64, read_vec};

use super::class::{Class, Classes};
use super::locks::{Guard, is_lock};
use super::look::{Look, Metered, Shown};
use super::printer::Printer;
use crate::object::{Unreadable, add, word};
use crate::stack::RawFrame;

/// Words of a frame, from its variables on, in which a lock is looked for.
const MAX_SLOTS: usize = 64;

/// Where the `RLock` that is written in Python keeps its owner (`Lib/threading.py`).
const OWNERS: [&str; 2] = ["_RLock__owner", "_owner"];

/// A lock that a thread waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Where the lock is.
    pub lock: Addr,
    /// Its type: `_thread.lock`, `_thread.RLock`.
    pub kind: String,
    /// `pthread_self()` of the thread that has it, where the lock knows.
    pub owner: Option<u64>,
}

impl Look<'_> {
    /// The exception that a thread is handling, its type and arguments.
    pub fn exception(&self, classes: &mut Classes, state: Addr) -> Option<Shown> {
        let (offset, inner) = self.values.exception;
        let read = || -> Result<Addr, Unreadable> {
            let found = read_u64(self.memory, add(state, offset)?)?;
            Ok(match inner {
                Some(_) if found == 0 => 0,
                Some(inner) => read_u64(self.memory, add(found, inner)?)?,
                None => found,
            })
        };
        let at = read().ok().filter(|&at| at != 0)?;
        let class = Printer::new(*self, classes).class_of(at).ok()?;
        (&*class.tp_name != "NoneType" && class.flags & super::class::EXCEPTION_SUBCLASS != 0)
            .then(|| self.show(classes, at))
    }

    /// The lock that the thread with this `pthread_self()` waits for in its innermost frame. `futex` is the address that the kernel
    /// has it wait at: for a lock of the system's that of its semaphore, so there is no doubt. Later locks are bytes
    /// (`PyMutex`) that say that somebody waits: the one is taken that the frame has at hand, if it is the only one.
    pub fn wait(&self, classes: &mut Classes, frame: &RawFrame, futex: Addr, own: u64) -> Option<Wait> {
        let start = frame.at.checked_add(self.layout.frame.locals.into())?;
        // The frame may lie near the end of what can be read.
        let slots = (1..=MAX_SLOTS).rev().find_map(|count| read_vec(self.memory, start, count * 8).ok())?;
        let tag = self.layout.frame.code_tag;
        let words: Vec<Addr> = slots.chunks_exact(8).map(|chunk| word(chunk, 0) & !tag).filter(|&at| at > 1).collect();
        let metered = Metered::of(self.memory);
        let mut printer = Printer::new(Look { memory: &metered, ..*self }, classes);
        let mut candidates: Vec<Candidate> = words.iter().map(|&at| Candidate::alone(at)).collect();
        for &at in &words {
            // A method that is bound to it, or an object that has it.
            let Ok(class) = printer.class_of(at) else { continue };
            if &*class.tp_name == "builtin_function_or_method" {
                candidates.extend(printer.field(at, 8).ok().map(Candidate::alone));
            } else if class.is_heap() && !is_lock(&class) {
                candidates.extend(printer.locks_of(at, &class).unwrap_or_default());
            }
        }
        // The lock itself may be at hand too, of which less is known.
        candidates.sort_by_key(|candidate| (candidate.kind.is_none(), candidate.owner.is_none()));
        let mut likely: Vec<Wait> = Vec::new();
        for Candidate { at, owner, kind } in candidates {
            let Ok(class) = printer.class_of(at) else { continue };
            if !is_lock(&class) {
                continue;
            }
            let Ok(state) = printer.lock_state(at, &class) else { continue };
            let owner = state.owner.map(|owner| owner.0).or(owner);
            let wait = Wait { lock: at, kind: kind.unwrap_or_else(|| class.tp_name.clone()), owner };
            match state.guard {
                Guard::Semaphore(semaphore) if semaphore == futex => return Some(wait),
                Guard::Mutex { is_waited_for: true }
                    if owner != Some(own) && likely.iter().all(|other| other.lock != at) =>
                {
                    likely.push(wait);
                }
                _ => {}
            }
        }
        if likely.len() == 1 { likely.pop() } else { None }
    }
}

/// What may be the lock that a thread waits for.
struct Candidate {
    at: Addr,
    /// Who has it, where the object that it belongs to says so.
    owner: Option<u64>,
    /// What it is called, if not by its type.
    kind: Option<String>,
}

impl Candidate {
    fn alone(at: Addr) -> Candidate {
        Candidate { at, owner: None, kind: None }
    }
}

impl Printer<'_> {
    /// The attributes of an object, with the owner that it keeps beside them: `RLock` of Python 2 is written in Python, and so is
    /// the lock of a module that is being imported (`_ModuleLock` in `Lib/importlib/_bootstrap.py`, 3.3+).
    fn locks_of(&mut self, at: Addr, class: &Class) -> Result<Vec<Candidate>, Unreadable> {
        let attributes = self.attributes(at)?;
        let get = |wanted: &[&str]| attributes.iter().find(|(name, _)| wanted.contains(&&**name)).map(|found| found.1);
        let is_import = class.qualname == "_ModuleLock" && class.module.contains("importlib");
        let owner = match get(if is_import { &["owner"] } else { &OWNERS }) {
            Some(owner) => self.number(owner)?.and_then(|owner| u64::try_from(owner).ok()),
            None => None,
        };
        let module = get(&["name"]).filter(|_| is_import).and_then(|name| self.string(name).ok());
        let kind = module.map(|module| format!("the import lock of {module}"));
        Ok(attributes.iter().map(|&(_, at)| Candidate { at, owner, kind: kind.clone() }).collect())
    }
}
