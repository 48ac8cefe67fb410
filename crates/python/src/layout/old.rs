//! The rows of series so old that their headers are hardly installed anywhere: 2.3 to 2.6 and 3.0 to 3.5. Written by hand.
//!
//! The numbers are what a C program printed that was built against the headers of 2.3.7, 2.4.6, 2.5.6, 2.6.9, 3.0.1, 3.1.5,
//! 3.2.6, 3.3.7, 3.4.10 and 3.5.10, and each was checked in a live process of its series (release builds, x86-64). The headers of a
//! series' first release give the same. Each row is said as what sets it apart from a neighbour: the groups are few.

use super::tables::{V2_7, V3_6};
use super::{
    AfterFork, Code, Dict, Frame, FrameSlot, KeyTable, Layout, Lines, Long, Names, Objects, Sizes, Thread, Unicode,
    Version,
};

/// Builds with a GIL: the version whose headers were asked, and its layout. The oldest is first.
pub static OLD: &[(Version, &Layout)] = &[
    (Version(0x0203_07f0), &V2_3),
    (Version(0x0204_06f0), &V2_3),
    (Version(0x0205_06f0), &V2_5),
    (Version(0x0206_09f0), &V2_5),
    (Version(0x0300_01f0), &V3_0),
    (Version(0x0301_05f0), &V3_1),
    (Version(0x0302_06f0), &V3_1),
    (Version(0x0303_07f0), &V3_3),
    (Version(0x0304_0af0), &V3_4),
    (Version(0x0305_0af0), &V3_4),
];

/// Sizes are C `int`s, which moves what follows them; a frame has four `int`s more before its local variables (`f_nlocals` and
/// others, `Include/frameobject.h`).
const V2_3: Layout = Layout {
    frame: Frame { locals: 392, ..V2_5.frame },
    objects: Objects {
        sizes: Sizes::Int,
        tp_flags: 160,
        tp_dictoffset: 280,
        long: Long { digits: 20, ..V2_5.objects.long },
        dict: Dict { table: KeyTable::InDict { mask: 24, entries: 32 }, ..V2_5.objects.dict },
        ..V2_5.objects
    },
    ..V2_5
};

/// As 2.7, which was the first to have digits of 30 bits.
const V2_5: Layout =
    Layout { objects: Objects { long: Long { digit_bits: 15, ..V2_7.objects.long }, ..V2_7.objects }, ..V2_7 };

/// As 3.1, which was the first of Python 3 to have digits of 30 bits.
const V3_0: Layout =
    Layout { objects: Objects { long: Long { digit_bits: 15, ..V3_1.objects.long }, ..V3_1.objects }, ..V3_1 };

/// States and frames of 2.x; names are arrays of units, dicts have no key table; code objects have no `co_cell2arg`.
const V3_1: Layout = Layout {
    code: Code { size: 120, filename: 88, name: 96, first_line: 104, line_table: 112, ..V3_3.code },
    objects: Objects {
        names: Names::Units { data: 24, width: 2 },
        // The fields of the compact `str` are of no use; where the characters would begin is the pointer to them.
        unicode: Unicode { length: 16, hash: 32, state: 0, kind_shift: 0, ascii_data: 24, compact_data: 0 },
        dict: V2_7.objects.dict,
        ..V3_3.objects
    },
    ..V3_3
};

/// Thread states and frames of 2.x, the rest as in 3.4.
const V3_3: Layout =
    Layout { thread: Thread { after_fork: AfterFork::Kept, ..V2_7.thread }, frame: V2_7.frame, ..V3_4 };

/// As 3.6, but for code objects (`co_firstlineno` near the end), unsigned line steps and dicts that have their entries in hash order
/// (`Objects/dictobject.c`).
const V3_4: Layout = Layout {
    thread: Thread { size: 160, next: 8, interp: 16, id: 152, frame: FrameSlot::Here(24), ..V3_6.thread },
    code: Code {
        size: 128,
        filename: 96,
        name: 104,
        first_line: 112,
        line_table: 120,
        lines: Lines::Unsigned,
        ..V3_6.code
    },
    objects: Objects {
        cached_keys: 0,
        dict: Dict { keys: 24, values: 32, table: KeyTable::Slots(8), entries_used: 0, indices: 32, values_first: 0 },
        ..V3_6.objects
    },
    ..V3_6
};
