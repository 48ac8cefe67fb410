//! Locks, and what they tell of themselves (`Modules/_threadmodule.c`).
//!
//! The type's size says how a lock is made. The version does not: 3.13 began with a lock of the system's in a `Lock` and has a
//! `PyMutex` in its later releases.

use py_spy_address_space::{Addr, read_array, read_u64};

use super::class::Class;
use super::printer::{Printer, Written};
use crate::object::{Unreadable, add};

/// Types of locks.
pub(super) const LOCKS: [&str; 3] = ["_thread.lock", "_thread.RLock", "thread.lock"];

/// `_Py_LOCKED` and `_Py_HAS_PARKED` (`Include/cpython/pylock.h`).
const LOCKED: u8 = 1;
const PARKED: u8 = 2;

/// How a lock is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    /// `lock_lock`, `in_weakreflist` (2.x).
    Bare,
    /// `lock_lock`, `in_weakreflist`, `locked` (3.0 to 3.13).
    Flagged,
    /// A `PyMutex` (later releases of 3.13, and 3.14+).
    Mutex,
    /// `rlock_lock`, `rlock_owner`, `rlock_count`, `in_weakreflist` (3.2 to 3.13).
    Counted,
    /// A `_PyRecursiveMutex`: mutex, `thread`, and `level`, which is 0 when it is held once (3.14+).
    Recursive,
}

/// What a lock's waiters wait at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// A lock of the system's, which is a semaphore here; it lies there.
    Semaphore(Addr),
    /// A byte, and whether it says that the lock is held and somebody waits.
    Mutex { is_waited_for: bool },
}

/// What a lock tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LockState {
    pub(super) guard: Guard,
    /// `None` where it does not tell.
    locked: Option<bool>,
    /// `pthread_self()` of who has it, and how many times.
    pub(super) owner: Option<(u64, u64)>,
}

impl Printer<'_> {
    /// `<locked _thread.lock object at 0x1>`; an `RLock` has its owner.
    pub(super) fn lock(&mut self, at: Addr, class: &Class) -> Written {
        let state = self.lock_state(at, class)?;
        let name = &class.tp_name;
        let word = if state.locked == Some(true) { "locked" } else { "unlocked" };
        match state.owner {
            Some((owner, count)) => {
                self.write(format_args!("<{word} {name} object owner={owner} count={count} at {at:#x}>"));
            }
            None => self.write(format_args!("<{word} {name} object at {at:#x}>")),
        }
        Ok(())
    }

    /// # Errors
    ///
    /// When it is no lock, or one that is made in another way.
    pub(super) fn lock_state(&mut self, at: Addr, class: &Class) -> Result<LockState, Unreadable> {
        let make = self.lock_make(class)?;
        let first = self.field(at, 0)?;
        // Little-endian: the byte of a mutex comes first in its word, and what lies behind is anything.
        let byte = first as u8;
        let held = byte & LOCKED != 0;
        let semaphore = Guard::Semaphore(first);
        let mutex = Guard::Mutex { is_waited_for: held && byte & PARKED != 0 };
        Ok(match make {
            Make::Bare => LockState { guard: semaphore, locked: None, owner: None },
            Make::Flagged => {
                let [flag] = read_array::<1>(self.memory, self.place(at, 16)?)?;
                LockState { guard: semaphore, locked: Some(flag & 1 != 0), owner: None }
            }
            Make::Mutex => LockState { guard: mutex, locked: Some(held), owner: None },
            Make::Counted => {
                let (owner, count) = (self.field(at, 8)?, self.field(at, 16)?);
                LockState { guard: semaphore, locked: Some(count != 0), owner: Some((owner, count)) }
            }
            Make::Recursive => {
                let (owner, level) = (self.field(at, 8)?, self.field(at, 16)?);
                let count = if held { level.saturating_add(1) } else { 0 };
                LockState { guard: mutex, locked: Some(held), owner: Some((owner, count)) }
            }
        })
    }

    /// From the size of the type itself; a class that derives from it may have more fields.
    fn lock_make(&mut self, class: &Class) -> Result<Make, Unreadable> {
        let mut own = None;
        for &base in &class.mro {
            let base = self.classes.get(self.memory, self.layout, self.values, base)?;
            if LOCKS.contains(&&*base.tp_name) {
                own = Some(base);
                break;
            }
        }
        let own = own.ok_or(Unreadable::Nonsense("lock", class.at))?;
        let size = read_u64(self.memory, add(own.at, self.layout.objects.tp_basicsize)?)?;
        match (own.name(), size.checked_sub(self.values.header.into())) {
            ("lock", Some(8)) => Ok(Make::Mutex),
            ("lock", Some(16)) => Ok(Make::Bare),
            ("lock", Some(24)) => Ok(Make::Flagged),
            ("RLock", Some(24)) => Ok(Make::Recursive),
            ("RLock", Some(32)) => Ok(Make::Counted),
            _ => Err(Unreadable::Nonsense("lock", own.at)),
        }
    }
}

/// Whether its instances are locks.
pub(super) fn is_lock(class: &Class) -> bool {
    LOCKS.contains(&&*class.tp_name) || LOCKS.contains(&&*class.repr)
}
