//! Where versions that nobody here has keep things, apart from the table that is tested with it.
//!
//! The numbers are what a C program printed that was built against each version's own headers (`offsetof`, gcc, x86-64), each
//! checked in a live process. What is the same in all of them is in the code that builds.

/// What a `str` that is a name is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// Length 16, hash 24, state of interning 32, bytes 36.
    Bytes,
    /// Length 16, pointer to units of so many bytes 24, hash 32.
    Units(usize),
    /// Length 16, hash 24, state 32, ASCII 48, else 72.
    Compact,
}

/// How a dict is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// `ma_mask` and `ma_table` at these places.
    Open(u64, u64),
    /// `ma_keys` 24, `ma_values` 32; `dk_size` 8, entries from 32 on.
    Slots,
}

/// A version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    /// Bytes of `ob_refcnt`, `ob_size` and the counters of a dict.
    pub(crate) size: usize,
    pub(crate) text: Text,
    pub(crate) table: Table,
    /// `ob_sval` of what a line table is.
    pub(crate) bytes_data: u64,
    pub(crate) dict_offset: u64,
    pub(crate) digits: u64,
    pub(crate) digit_bits: u32,
    /// Python 2: an `int` is a C `long` at 16.
    pub(crate) short: bool,
    pub(crate) sysdict: u64,
    /// In the thread state: `next`, `interp`, `frame`, `thread_id`.
    pub(crate) thread: [u64; 4],
    /// `f_gen` and `f_executing`, where frames have them.
    pub(crate) frame: Option<(u64, u64)>,
    /// `co_filename`, `co_name`, `co_firstlineno`, `co_lnotab`.
    pub(crate) code: [u64; 4],
    pub(crate) thread_name: &'static str,
}

const V2_3: Shape = Shape {
    name: "2.3",
    version: 0x0203_07f0,
    size: 4,
    text: Text::Bytes,
    table: Table::Open(24, 32),
    bytes_data: 36,
    dict_offset: 280,
    digits: 20,
    digit_bits: 15,
    short: true,
    sysdict: 24,
    thread: [0, 8, 16, 144],
    frame: None,
    code: [80, 88, 96, 104],
    thread_name: "_Thread__name",
};

const V2_5: Shape = Shape {
    name: "2.5",
    version: 0x0205_06f0,
    size: 8,
    table: Table::Open(32, 40),
    dict_offset: 288,
    digits: 24,
    ..V2_3
};

const V3_0: Shape = Shape {
    name: "3.0",
    version: 0x0300_01f0,
    text: Text::Units(2),
    bytes_data: 32,
    short: false,
    sysdict: 32,
    code: [88, 96, 104, 112],
    thread_name: "_name",
    ..V2_5
};

const V3_3: Shape = Shape {
    name: "3.3",
    version: 0x0303_07f0,
    text: Text::Compact,
    table: Table::Slots,
    digit_bits: 30,
    code: [96, 104, 112, 120],
    ..V3_0
};

const V3_4: Shape =
    Shape { name: "3.4", version: 0x0304_0af0, thread: [8, 16, 24, 152], frame: Some((112, 132)), ..V3_3 };

/// All of them; the builds of 3.0 to 3.2 with units of both widths.
pub(crate) const SHAPES: [Shape; 13] = [
    V2_3,
    Shape { name: "2.4", version: 0x0204_06f0, ..V2_3 },
    V2_5,
    Shape { name: "2.6", version: 0x0206_09f0, ..V2_5 },
    V3_0,
    Shape { name: "3.0 with UCS4", text: Text::Units(4), ..V3_0 },
    Shape { name: "3.1", version: 0x0301_05f0, digit_bits: 30, ..V3_0 },
    Shape { name: "3.1 with UCS4", version: 0x0301_05f0, digit_bits: 30, text: Text::Units(4), ..V3_0 },
    Shape { name: "3.2", version: 0x0302_06f0, digit_bits: 30, ..V3_0 },
    Shape { name: "3.2 with UCS4", version: 0x0302_06f0, digit_bits: 30, text: Text::Units(4), ..V3_0 },
    V3_3,
    V3_4,
    Shape { name: "3.5", version: 0x0305_0af0, ..V3_4 },
];
