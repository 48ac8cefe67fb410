//! Where CPython keeps the things a profiler needs: one [`Layout`] a version and build, each a value.
//!
//! All that differs between versions is in here; the code that walks never asks for a version. Up to 3.12 a layout is
//! a row of a table, generated from headers (`tables`) or, for the series whose headers nobody has installed any more, written
//! by hand (`old`); from 3.13 on it is read from the program itself, which publishes its offsets
//! as `_Py_DebugOffsets` (CPython `Include/internal/pycore_debug_offsets.h`), and is checked once as hostile input
//! (`published`); what it does not publish is taken from the row of its series.
//!
//! All offsets are below [`MAX_OFFSET`], and those into structs that are copied whole below the `MAX_SIZE` of the
//! struct. An address plus an offset can still overflow: the address is as hostile as the rest.

mod old;
mod published;
mod tables;

use py_spy_address_space::Addr;

pub use old::OLD;
pub use published::{Published, Unusable, published};
pub use tables::{KNOWN, KNOWN_FREE_THREADED};

/// All rows for builds with a GIL: the version that each was made from, and its layout. The oldest is first within each of
/// the two tables.
pub fn known() -> impl Iterator<Item = (Version, &'static Layout)> {
    OLD.iter().chain(KNOWN).copied()
}

/// The layout of a build with a GIL, by series: patch releases have the same.
pub fn of(version: Version) -> Option<&'static Layout> {
    find(known(), version)
}

/// The layout of a free-threaded build, by series.
pub fn of_free_threaded(version: Version) -> Option<&'static Layout> {
    find(KNOWN_FREE_THREADED.iter().copied(), version)
}

fn find(mut known: impl Iterator<Item = (Version, &'static Layout)>, version: Version) -> Option<&'static Layout> {
    known.find(|(row, _)| row.same_series(version)).map(|(_, layout)| layout)
}

/// Byte offset of a field from the start of its struct.
pub type Offset = u32;

/// No offset in a [`Layout`] is this large. The largest are in `PyInterpreterState` (8 KiB in 3.13 and later).
pub const MAX_OFFSET: Offset = 1 << 20;

/// A CPython version, as `PY_VERSION_HEX` has it (`Include/patchlevel.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub u32);

impl Version {
    /// A version of which only the series is known.
    pub const fn series(major: u8, minor: u8) -> Self {
        Version((major as u32) << 24 | (minor as u32) << 16)
    }

    /// 3 of 3.12.1.
    pub const fn major(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// 12 of 3.12.1.
    pub const fn minor(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// 1 of 3.12.1.
    pub const fn micro(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Same major and minor number: the same layout.
    pub const fn same_series(self, other: Version) -> bool {
        self.0 >> 16 == other.0 >> 16
    }
}

impl std::fmt::Display for Version {
    /// `3.12.1`, `3.15.0rc2`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major(), self.minor(), self.micro())?;
        let serial = self.0 & 0xf;
        match self.0 >> 4 & 0xf {
            0xa => write!(f, "a{serial}"),
            0xb => write!(f, "b{serial}"),
            0xc => write!(f, "rc{serial}"),
            _ => Ok(()),
        }
    }
}

/// Where one CPython version and build keeps what we read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Where the list of interpreters begins.
    pub runtime: Runtime,
    /// `PyInterpreterState`.
    pub interpreter: Interpreter,
    /// `PyThreadState`.
    pub thread: Thread,
    /// `PyFrameObject` up to 3.10, `_PyInterpreterFrame` from 3.11 on.
    pub frame: Frame,
    /// `PyCodeObject`.
    pub code: Code,
    /// The objects that names and values are made of.
    pub objects: Objects,
}

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

/// `PyThreadState`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// How many bytes from its start hold all fields named here.
    pub size: u32,
    /// `next`: the thread state made before this one.
    pub next: Offset,
    /// `interp`: the interpreter it belongs to.
    pub interp: Offset,
    /// `thread_id`: `pthread_self()`, 64 bits.
    pub id: Offset,
    /// `native_thread_id`, the kernel's id (3.11+); a `long`.
    pub native_id: Option<Offset>,
    /// The innermost frame.
    pub frame: FrameSlot,
    /// `base_frame`: address that the outermost frame must have (3.15+). The pointer's offset.
    pub base_frame: Option<Offset>,
    /// What becomes of the other threads' states in a forked child.
    pub after_fork: AfterFork,
}

/// What becomes of the thread states of a process's other threads in a child that it forks, which has only one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFork {
    /// They are freed (`_PyThreadState_DeleteExcept` and its successors, 3.4+).
    Freed,
    /// They stay in the list for ever, frames and all, and a new thread may get the id of one (up to 3.3).
    Kept,
}

impl Thread {
    /// A thread state's fields end before this many bytes in every version.
    pub const MAX_SIZE: u32 = 4096;
}

/// How a thread state leads to its innermost frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameSlot {
    /// A pointer in the thread state.
    Here(Offset),
    /// A pointer to a `_PyCFrame`, which has the pointer (3.11, 3.12).
    ThroughCFrame {
        /// `cframe` in the thread state.
        slot: Offset,
        /// `current_frame` in the `_PyCFrame`.
        frame: Offset,
    },
}

/// `PyFrameObject` up to 3.10, `_PyInterpreterFrame` from 3.11 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// How many bytes from its start hold all fields named here but the local variables; at most [`Frame::MAX_SIZE`].
    pub size: u32,
    /// `f_back` or `previous`: the caller's frame.
    pub previous: Offset,
    /// `f_code` or `f_executable`: the code object, or something else in frames that are no Python function.
    pub code: Offset,
    /// Bits to clear from the value at `code` before it is an address (3.14+).
    pub code_tag: u64,
    /// `f_lasti`, `prev_instr` or `instr_ptr`.
    pub position_at: Offset,
    /// What is at `position_at`.
    pub position: Position,
    /// How the outermost frame is told from one whose caller was just cut off.
    pub root: Root,
    /// Which frames were entered from C.
    pub entry: Entry,
    /// How a frame that runs is told from one that was left.
    pub running: Running,
    /// First of the local variables; below [`Frame::MAX_LOCALS`]. Pointers tagged as that at `code` is: with
    /// `code_tag` bits, 1 or less is NULL, and both bits set are an `int` itself, from bit 2 on (`_PyStackRef`).
    pub locals: Offset,
}

impl Frame {
    /// A frame's fields end before this many bytes in every version.
    pub const MAX_SIZE: u32 = 256;
    /// The local variables start before this many bytes in every version (behind the block stack up to 3.10).
    pub const MAX_LOCALS: u32 = 1024;
}

/// What a frame says of the instruction it is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// An `int`, index in bytes (up to 3.9).
    ByteIndex,
    /// An `int`, index in 2-byte instructions (3.10).
    WordIndex,
    /// A pointer into the code object's bytecode (3.11+).
    Pointer,
}

/// What must be true of a chain's outermost frame. A thread can be stopped in the middle of an update that cuts a
/// generator's frame from its caller; the end of a chain is its root only if this holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// Nothing: frames do not say whose they are (up to 3.3).
    Any,
    /// Not a generator's frame: the pointer `f_gen` is NULL (3.4 to 3.10).
    NoGenerator {
        /// `f_gen`.
        generator: Offset,
    },
    /// Not owned by a generator: the byte `owner` is not this value (3.11).
    NotOwnedBy {
        /// `owner`.
        owner: Offset,
        /// `FRAME_OWNED_BY_GENERATOR`.
        generator: u8,
    },
    /// A frame of the interpreter itself: the byte `owner` is at least this value (3.12+).
    Shim {
        /// `owner`.
        owner: Offset,
        /// The first value of `enum _frameowner` that means so.
        least: u8,
    },
}

/// Which frames were entered from C, not from Python code in the same run of the interpreter loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// All of them (up to 3.10).
    Always,
    /// Those whose `is_entry` byte is not 0 (3.11).
    Flag(Offset),
    /// Those called by a shim frame: `owner` is at least this value in the frame that is no Python code (3.12+).
    BelowShim {
        /// `owner`.
        owner: Offset,
        /// The first value of `enum _frameowner` that means so.
        least: u8,
    },
}

/// How a frame that is on a stack is told from one that was left: its memory stays as it was, link to its caller included,
/// until the function is called again (`co_zombieframe`, `Objects/frameobject.c`). `Python/ceval.c` marks a frame as running after it has
/// put it on the stack and as left before it takes it off: only an innermost one can be on the stack without the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// Not at all (3.11+).
    Unknown,
    /// By what it can not have: its `ob_refcnt` is 0 once it is freed and kept for its function's next call
    /// (`frame_dealloc`), and its `f_stacktop` is NULL from its start until it yields (`PyEval_EvalFrameEx`, up to 3.3).
    Counted {
        /// The low 32 bits of `ob_refcnt`.
        references: Offset,
        /// `f_stacktop`: a pointer.
        stack_top: Offset,
    },
    /// A byte has one of these values while it runs: `f_executing` (3.4 to 3.9), `f_state` (3.10).
    Byte {
        /// `f_executing` or `f_state`.
        at: Offset,
        /// A bit for each value below 8.
        values: u8,
    },
}

/// `PyCodeObject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// How many bytes from its start hold all fields named here; at most [`Code::MAX_SIZE`].
    pub size: u32,
    /// `co_filename`.
    pub filename: Offset,
    /// `co_name`.
    pub name: Offset,
    /// `co_qualname` (3.11+).
    pub qualname: Option<Offset>,
    /// `co_firstlineno`, an `int`.
    pub first_line: Offset,
    /// The bytes object with the line table: `co_lnotab` or `co_linetable`.
    pub line_table: Offset,
    /// How that table is written.
    pub lines: Lines,
    /// `co_argcount`, an `int`: how many of the first local variables are positional arguments.
    pub argument_count: Offset,
    /// `co_nlocals`, an `int`: how many local variables there are, cells that are no arguments not counted.
    pub local_count: Offset,
    /// The tuple with the local variables' names: `co_varnames`, or `co_localsplusnames` (3.11+), which starts with them.
    pub local_names: Offset,
    /// `co_code_adaptive`: where the bytecode starts, inside the code object (3.11+; else 0).
    pub bytecode: Offset,
    /// `co_tlbc` (free-threaded 3.14+): pointer to a `_PyCodeArray`, a 64-bit count and then that many pointers to
    /// copies of the bytecode; the first is the one inside the code object.
    pub bytecode_copies: Option<Offset>,
}

impl Code {
    /// A code object's fields end before this many bytes in every version.
    pub const MAX_SIZE: u32 = 512;
}

/// How a line table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Pairs of an address step and a line step, both unsigned (`Python/compile.c`, `Objects/lnotab_notes.txt`; up to 3.5).
    Unsigned,
    /// Pairs of an unsigned address step and a signed line step (`Objects/lnotab_notes.txt`; 3.6 to 3.9).
    Lnotab,
    /// Pairs as above, each a range with its own line (PEP 626; 3.10).
    Ranges,
    /// Entries with columns (PEP 657, `Objects/locations.md`; 3.11+).
    Locations,
}

/// The objects that names and values are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objects {
    /// `ob_type` in any object.
    pub ob_type: Offset,
    /// How wide `ob_size` and the counters of a `dict` are.
    pub sizes: Sizes,
    /// What the names of functions, files, attributes, modules and threads are.
    pub names: Names,
    /// The attribute of a `threading.Thread` that has its name (`Lib/threading.py`).
    pub thread_name: &'static str,
    /// `tp_name` in a type: a `char *`.
    pub tp_name: Offset,
    /// `tp_basicsize` in a type.
    pub tp_basicsize: Offset,
    /// `tp_flags` in a type.
    pub tp_flags: Offset,
    /// `tp_dictoffset` in a type.
    pub tp_dictoffset: Offset,
    /// `ht_cached_keys` in a heap type: the key table that its instances share.
    pub cached_keys: Offset,
    /// Where an instance keeps its attributes.
    pub instance: Instance,
    /// `str`.
    pub unicode: Unicode,
    /// `bytes`: `ob_size`.
    pub bytes_size: Offset,
    /// `bytes`: first byte.
    pub bytes_data: Offset,
    /// `int`.
    pub long: Long,
    /// `ob_fval` in a `float`: a `double`.
    pub float_value: Offset,
    /// `tuple`: the items are in the object.
    pub tuple: Sequence,
    /// `list`: a pointer to the items is in the object.
    pub list: Sequence,
    /// `dict`.
    pub dict: Dict,
    /// `md_dict` in a module object: its namespace.
    pub module_dict: Offset,
}

impl Objects {
    /// Every offset in here is below this in every version.
    pub const MAX_OFFSET: Offset = 4096;
}

/// How wide `ob_size` and the counters of a `dict` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// C `int`s: the 4 bytes behind one may be anything (2.3, 2.4).
    Int,
    /// `Py_ssize_t`, 8 bytes (PEP 353; 2.5+).
    Word,
}

/// What names are made of. Where a string's length, hash and first characters are is in [`Unicode`] in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Byte strings, in no declared encoding: `str` of 2.x (`Include/stringobject.h`).
    Bytes,
    /// `str` whose characters are elsewhere: a pointer to UTF-16 or to UCS4, by how the interpreter was built (3.0 to 3.2,
    /// `Include/unicodeobject.h`).
    Units {
        /// `str`: the pointer.
        data: Offset,
        /// Bytes of a unit: 2 or 4. A row has 2; which one it is shows when the names of `sys` are read.
        width: u8,
    },
    /// `str` in its compact forms (PEP 393; 3.3+).
    Compact,
}

/// `tuple` or `list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// `ob_size`: how many items, 64 bits.
    pub size: Offset,
    /// `ob_item`.
    pub items: Offset,
}

/// `str`, the compact forms (`Include/cpython/unicodeobject.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unicode {
    /// `length`, in characters (in units or bytes where [`Names`] says so).
    pub length: Offset,
    /// `hash`, 64 bits; -1 is none yet.
    pub hash: Offset,
    /// `state`, 32 bits.
    pub state: Offset,
    /// First bit of the 3-bit field `kind` (1, 2 or 4 bytes a character); `compact` and `ascii` are the two bits after.
    pub kind_shift: u8,
    /// Where the characters of a compact ASCII string start.
    pub ascii_data: Offset,
    /// Where the characters of any other compact string start.
    pub compact_data: Offset,
}

/// `int`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Long {
    /// `ob_size` (signed count of digits) or `lv_tag`.
    pub size: Offset,
    /// What is at `size`: `true` for `lv_tag` (3.12+: sign in the low two bits, count from bit 3 on).
    pub tagged: bool,
    /// First digit.
    pub digits: Offset,
    /// How many bits a digit has: 30 of 32, or 15 of 16 (up to 2.6, and 3.0).
    pub digit_bits: u8,
    /// `ob_ival`, a C `long`, in an `int` of 2.x, which is another type than its `long`.
    pub short: Option<Offset>,
}

/// `dict` and its key table (`Include/internal/pycore_dict.h`, `Objects/dict-common.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dict {
    /// `ma_keys`.
    pub keys: Offset,
    /// `ma_values`: not NULL in a split table.
    pub values: Offset,
    /// How the key table starts.
    pub table: KeyTable,
    /// `dk_nentries`: used entries, 64 bits.
    pub entries_used: Offset,
    /// Where the index table starts; the entries follow it.
    pub indices: Offset,
    /// First value in the array that `ma_values` (or the instance) points to.
    pub values_first: Offset,
}

/// Where a dict's entries are and how many. An entry is hash, key and value, a word each, where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTable {
    /// There is no key table: a pointer to the entries is in the dict itself (up to 3.2).
    InDict {
        /// `ma_mask`: one less than the entries that there is place for.
        mask: Offset,
        /// `ma_table`: the pointer.
        entries: Offset,
    },
    /// `dk_size`, 64 bits: entries that there is place for, with holes and no index table (3.3 to 3.5).
    Slots(Offset),
    /// `dk_size`, 64 bits: slots of the index table, whose entries have 1, 2, 4 or 8 bytes (3.6 to 3.10).
    Size(Offset),
    /// `dk_log2_index_bytes` and `dk_kind`, a byte each; kind 0 has a hash beside each key (3.11+).
    Log2 {
        /// `dk_log2_index_bytes`.
        index_bytes: Offset,
        /// `dk_kind`.
        kind: Offset,
    },
}

/// Where an instance of an ordinary class keeps its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// A dict at `tp_dictoffset` in the instance (up to 3.10; for other classes in all versions).
    DictOffset,
    /// Before the instance: a values array in one word, a dict in another (3.11). Bytes before the object.
    Before {
        /// Pointer to the values.
        values: u32,
        /// Pointer to the dict.
        dict: u32,
    },
    /// Before the instance, one word: when its low bit is set, the word plus 1 is the address of the values; else it is
    /// a dict or NULL (3.12, `PyDictOrValues`). Bytes before the object.
    Tagged(u32),
    /// Before the instance a dict pointer; when it is NULL the values follow the instance at `tp_basicsize` (3.13+),
    /// if its type has `Py_TPFLAGS_INLINE_VALUES` (bit 2) and the array's fourth byte, `valid`, is not 0. Bytes before
    /// the object.
    Inline(u32),
}
