//! The objects that names are made of.

use super::Offset;

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
