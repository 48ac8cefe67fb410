//! Where the objects that are only looked at for their values keep them, and how each series writes them.
//!
//! What is the same in all series is counted from the end of the object's header, which [`Layout`] knows, so builds with a
//! longer header need no row of their own. The numbers that differ are what a C program printed that was built against the headers
//! of 2.7.18 to 3.15; structs that no header shows are named with the file that has them.

use super::{Layout, Offset, Version};

/// Offsets are counted from the end of the object's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// How long an object's header is (`PyObject`): `ob_type` is its last field.
    pub header: Offset,
    /// `ht_name` and `ht_qualname` (3.3+) of a class.
    pub class_names: (Offset, Option<Offset>),
    /// `func_name` or `func_qualname` (3.3+).
    pub function_name: Offset,
    /// `func_code`.
    pub function_code: Offset,
    /// `gi_name` or `gi_qualname`; the same in coroutines. `None` where only the code object has a name (2.x).
    pub generator_name: Option<Offset>,
    /// `d_member` in a `member_descriptor` (`PyMemberDescrObject`).
    pub member: Offset,
    /// `co_flags`.
    pub code_flags: Offset,
    /// `co_kwonlyargcount` (3.x).
    pub keyword_only: Option<Offset>,
    /// What comes after the local variables in a frame.
    pub cells: Cells,
    /// `f_globals`, in the frame.
    pub frame_globals: Offset,
    /// `f_locals`, in the frame: the namespace of a module or a class body.
    pub frame_locals: Offset,
    /// A set's entries have their key before their hash (3.x).
    pub set_key_first: bool,
    /// Where a `deque` is kept (`Modules/_collectionsmodule.c`).
    pub deque: Deque,
    /// The exception that a thread is handling: a pointer in its state to an item, and the exception in that; up to 3.6 it is in
    /// the state itself.
    pub exception: (Offset, Option<Offset>),
    /// How values are written.
    pub style: Style,
}

/// What comes after the local variables in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cells {
    /// `co_cellvars` and `co_freevars`: tuples of names (up to 3.10).
    Apart {
        /// `co_cellvars`.
        cells: Offset,
        /// `co_freevars`.
        free: Offset,
    },
    /// `co_nlocalsplus` and `co_localspluskinds`: a byte for each of the names (3.11+).
    Kinds {
        /// `co_nlocalsplus`.
        count: Offset,
        /// `co_localspluskinds`.
        kinds: Offset,
    },
}

/// Fields of a `deque`, and of its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deque {
    /// Its first block; the last one follows.
    pub left: Offset,
    /// Index of the first element in the first block.
    pub left_index: Offset,
    /// How many elements.
    pub length: Offset,
    /// `maxlen`, negative for none.
    pub max_length: Offset,
    /// Where a block has its elements, and how many.
    pub items: (u64, u64),
    /// Where a block has the address of the next one.
    pub next: u64,
}

/// How values are written where the series differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// As Python 2 does: `u''`, `1L`, `<type 'int'>`, `set([1])`.
    pub two: bool,
    /// `ValueError('x',)` (up to 3.6).
    pub comma_after_one_argument: bool,
    /// `datetime.timedelta(days=1)` (3.7+), not `datetime.timedelta(1)`.
    pub named_deltas: bool,
    /// `OrderedDict({'a': 1})` (3.12+), not `OrderedDict([('a', 1)])`.
    pub ordered_as_dict: bool,
    /// `namespace(a=1)` in the order of insertion (3.9+), not sorted.
    pub namespace_in_order: bool,
    /// `<staticmethod(<function f at 0x1>)>` (3.10+).
    pub wrapped_shown: bool,
    /// `bytearray(b"it\'s")`: a single quote is written out in any quotes (up to 3.14).
    pub mutable_quotes: bool,
    /// A flag's name has all of its parts (3.11+).
    pub flags_named: bool,
}

impl Values {
    /// Of an interpreter with this layout and version. Those between two series that were looked at are as the older one.
    pub fn of(layout: &Layout, version: Version) -> Values {
        let at = |minor: u8| version >= Version::series(3, minor);
        let two = version < Version::series(3, 0);
        let pick = |rows: &[(u8, Offset)], of_two: Offset| {
            let row = rows.iter().rfind(|&&(minor, _)| at(minor)).map(|&(_, offset)| offset);
            if two { of_two } else { row.unwrap_or(of_two) }
        };
        let qualified = |rows, of_two| if at(3) { Some(pick(rows, of_two)) } else { None };
        Values {
            header: layout.objects.ob_type + 8,
            class_names: (
                pick(&[(0, 816), (8, 832), (9, 824), (10, 832), (12, 840), (15, 848)], 840),
                qualified(&[(3, 832), (8, 848), (9, 840), (10, 848), (12, 856), (15, 864)], 0),
            ),
            function_name: pick(&[(0, 48), (3, 88), (10, 24)], 40),
            function_code: pick(&[(0, 0), (10, 32)], 0),
            generator_name: if at(5) { Some(pick(&[(5, 40), (10, 32), (11, 24), (12, 16)], 0)) } else { None },
            member: pick(&[(0, 16), (3, 24)], 16),
            code_flags: pick(&[(0, 16), (8, 20), (11, 32)], 12),
            keyword_only: if two { None } else { Some(pick(&[(0, 4), (8, 8), (11, 48), (12, 44)], 0)) },
            cells: if at(11) {
                Cells::Kinds { count: pick(&[(11, 60), (12, 56)], 0), kinds: 88 }
            } else {
                Cells::Apart { cells: pick(&[(0, 64), (8, 72)], 56), free: pick(&[(0, 56), (8, 64)], 48) }
            },
            // Up to 3.10 a frame is an object, with a header; later it is none.
            frame_globals: if at(11) { pick(&[(11, 8), (12, 24)], 0) } else { layout.objects.ob_type + 8 + 32 },
            frame_locals: if at(11) { pick(&[(11, 24), (12, 40)], 0) } else { layout.objects.ob_type + 8 + 40 },
            set_key_first: at(4),
            deque: if at(5) {
                Deque { left: 8, left_index: 24, length: 0, max_length: 48, items: (8, 64), next: 520 }
            } else {
                Deque { left: 0, left_index: 16, length: 32, max_length: 48, items: (0, 62), next: 496 }
            },
            // Counted from the start of the thread state, which has no header.
            exception: match pick(&[(0, 112), (7, 144), (11, 120), (12, 104), (13, 120), (15, 144)], 104) {
                offset if at(11) => (offset, Some(0)),
                offset if at(7) => (offset, Some(8)),
                offset => (offset, None),
            },
            style: Style {
                two,
                comma_after_one_argument: !at(7),
                named_deltas: at(7),
                ordered_as_dict: at(12),
                namespace_in_order: at(9),
                wrapped_shown: at(10),
                mutable_quotes: !at(15),
                flags_named: at(11),
            },
        }
    }
}
