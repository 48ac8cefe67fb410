//! The runtime, its interpreters and their locks.

use super::Offset;
use py_spy_address_space::Addr;

/// `_PyRuntime` (3.7+); before, its place is taken by the variable `interp_head` (`Python/pystate.c`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// `interpreters.head`: the newest interpreter. 0 where the address is that of `interp_head` itself (up to 3.6).
    pub interpreters_head: Offset,
}

/// `PyInterpreterState`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// `id`, 64 bits (3.7+).
    pub id: Option<Offset>,
    /// `next`: the interpreter made before this one.
    pub next: Offset,
    /// Head of its list of thread states, the newest first.
    pub threads_head: Offset,
    /// The dict that is `sys.modules`.
    pub modules: Offset,
    /// The dict of the module `sys`.
    pub sysdict: Offset,
    /// Who holds the lock.
    pub gil: Gil,
    /// A 64-bit count that grows whenever a code object is freed (3.14+).
    pub code_generation: Option<Offset>,
    /// What says that the garbage collector is at work.
    pub collecting: Collecting,
}

/// Where `collecting` is, an `int` that is not 0 while the garbage collector works (`struct _gc_runtime_state` in
/// `Include/internal/pycore_gc.h`, before in `pycore_pymem.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collecting {
    /// A static variable of `Modules/gcmodule.c`, which has no known place (up to 3.6).
    Unknown,
    /// In `_PyRuntime` (3.7 and 3.8).
    Runtime(Offset),
    /// In the interpreter (3.9+).
    Interpreter(Offset),
}

/// Where the global interpreter lock's `struct _gil_runtime_state` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gil {
    /// None of it has a known place but `_PyThreadState_Current` (`Python/pystate.c`, up to 3.6): the thread state of whoever
    /// holds the lock, NULL when nobody does, also before there is a lock. It is exported by all of these versions; its
    /// address is no offset: a row has 0, which stands for a variable that was not found.
    Current(Addr),
    /// One for the whole process, inside `_PyRuntime` (3.7 to 3.11).
    Runtime(GilFields),
    /// Behind a pointer in the interpreter (3.12+); interpreters may share it.
    Interpreter {
        /// `ceval.gil`: the pointer. The struct that is inline in the interpreter is unused when the GIL is shared.
        pointer: Offset,
        /// Counted from where the pointer points.
        fields: GilFields,
    },
    /// Free-threaded builds: the same, but there may be none in force.
    Optional {
        /// `ceval.gil`: the pointer.
        pointer: Offset,
        /// Counted from where the pointer points.
        fields: GilFields,
        /// An `int` that is not 0 while a GIL is in force.
        enabled: Offset,
    },
}

/// Fields of `struct _gil_runtime_state` (`Include/internal/pycore_gil.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GilFields {
    /// `last_holder`: the thread state that took it last.
    pub last_holder: Offset,
    /// `locked`: an `int`.
    pub locked: Offset,
}
