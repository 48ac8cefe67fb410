//! Python objects that names are made of: strings, bytes, integers, dicts and attributes.

use py_spy_address_space::{Addr, Fault, Memory, read_array, read_u32, read_u64, read_vec};

use crate::layout::{Instance, KeyTable, Layout, Names, Sizes};

/// Strings are cut after this many characters.
const MAX_CHARACTERS: usize = 1 << 20;

/// Bytes objects longer than this (line tables) are not read.
const MAX_BYTES: u64 = 1 << 26;

/// Dicts with more entries than this are not read.
const MAX_ENTRIES: u64 = 1 << 20;

/// Names of C strings end before this many bytes.
const MAX_C_STRING: usize = 256;

/// `Py_TPFLAGS_MANAGED_DICT` (`Include/object.h`, 3.11+): attributes are kept before the instance.
const MANAGED_DICT: u64 = 1 << 4;

/// `Py_TPFLAGS_INLINE_VALUES` (`Include/object.h`, 3.13+): attributes are kept behind the instance.
const INLINE_VALUES: u64 = 1 << 2;

/// Something in the target's memory that could not be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not there.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It is there and makes no sense: the part says what was looked at.
    #[error("{0} at {1:#x} makes no sense")]
    Nonsense(&'static str, Addr),
}

/// An `ob_size`, or a counter of a dict, as it was read from memory: a word of which perhaps only the lower half counts.
pub(crate) fn sized(layout: &Layout, word: u64) -> u64 {
    match layout.objects.sizes {
        Sizes::Int => i64::from(word as u32 as i32) as u64,
        Sizes::Word => word,
    }
}

/// Reads an `ob_size` or a counter of a dict.
pub(crate) fn size(memory: &dyn Memory, layout: &Layout, at: Addr) -> Result<u64, Unreadable> {
    Ok(sized(layout, read_u64(memory, at)?))
}

/// The text of a name. Lone surrogates, which Rust's strings can not have, are written as `\udc80`, and bytes that are not
/// UTF-8 as `\xff`.
pub(crate) fn text(memory: &dyn Memory, layout: &Layout, at: Addr) -> Result<String, Unreadable> {
    match layout.objects.names {
        Names::Compact => compact_text(memory, layout, at),
        Names::Units { data, width } => units_text(memory, layout, at, data, width),
        Names::Bytes => bytes_text(memory, layout, at),
    }
}

/// The text of a name that is no longer than this many characters (bytes in Python 2).
pub(crate) fn short_text(memory: &dyn Memory, layout: &Layout, at: Addr, most: u64) -> Result<String, Unreadable> {
    let length = match layout.objects.names {
        Names::Bytes => layout.objects.bytes_size,
        Names::Compact | Names::Units { .. } => layout.objects.unicode.length,
    };
    if size(memory, layout, add(at, length)?)? > most {
        return Err(Unreadable::Nonsense("a name", at));
    }
    text(memory, layout, at)
}

fn bytes_text(memory: &dyn Memory, layout: &Layout, at: Addr) -> Result<String, Unreadable> {
    use std::fmt::Write;
    let length = size(memory, layout, add(at, layout.objects.bytes_size)?)?;
    if length > u64::from(u32::MAX) {
        return Err(Unreadable::Nonsense("a string", at));
    }
    let cut = length as usize > MAX_CHARACTERS;
    let bytes = read_vec(memory, add(at, layout.objects.bytes_data)?, (length as usize).min(MAX_CHARACTERS))?;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string can not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    if cut {
        text.push_str("...");
    }
    Ok(text)
}

/// UTF-16 or UCS4 behind a pointer.
fn units_text(memory: &dyn Memory, layout: &Layout, at: Addr, data: u32, width: u8) -> Result<String, Unreadable> {
    let nonsense = Unreadable::Nonsense("a string", at);
    let width = usize::from(width);
    let length = size(memory, layout, add(at, layout.objects.unicode.length)?)?;
    if length > u64::from(u32::MAX) || !matches!(width, 2 | 4) {
        return Err(nonsense);
    }
    let cut = length as usize > MAX_CHARACTERS;
    let start = read_u64(memory, add(at, data)?)?;
    let bytes = read_vec(memory, start, (length as usize).min(MAX_CHARACTERS) * width)?;
    let mut units = bytes.chunks_exact(width).map(|unit| {
        let mut code = [0; 4];
        code[..width].copy_from_slice(unit);
        u32::from_le_bytes(code)
    });
    let mut text = String::new();
    if width == 2 {
        for decoded in char::decode_utf16(units.map(|unit| unit as u16)) {
            match decoded {
                Ok(character) => text.push(character),
                Err(lone) => write_surrogate(&mut text, u32::from(lone.unpaired_surrogate())),
            }
        }
    } else {
        units.try_for_each(|code| push(&mut text, code).ok_or(nonsense))?;
    }
    if cut {
        text.push_str("...");
    }
    Ok(text)
}

/// Appends a character, or a lone surrogate as it is written; `None` for what is neither.
fn push(text: &mut String, code: u32) -> Option<()> {
    match char::from_u32(code) {
        Some(character) => text.push(character),
        None if (0xd800..0xe000).contains(&code) => write_surrogate(text, code),
        None => return None,
    }
    Some(())
}

fn compact_text(memory: &dyn Memory, layout: &Layout, at: Addr) -> Result<String, Unreadable> {
    let unicode = &layout.objects.unicode;
    let length = read_u64(memory, add(at, unicode.length)?)?;
    let state = read_u32(memory, add(at, unicode.state)?)? >> unicode.kind_shift;
    let (kind, compact, ascii) = (state as usize & 7, state >> 3 & 1 == 1, state >> 4 & 1 == 1);
    if !compact || !matches!(kind, 1 | 2 | 4) || (ascii && kind != 1) || length > u64::from(u32::MAX) {
        return Err(Unreadable::Nonsense("a string", at));
    }
    let cut = length as usize > MAX_CHARACTERS;
    let length = (length as usize).min(MAX_CHARACTERS);
    let data = add(at, if ascii { unicode.ascii_data } else { unicode.compact_data })?;
    let bytes = read_vec(memory, data, length * kind)?;
    let mut text = String::with_capacity(length);
    for unit in bytes.chunks_exact(kind) {
        let mut code = [0; 4];
        code[..kind].copy_from_slice(unit);
        push(&mut text, u32::from_le_bytes(code)).ok_or(Unreadable::Nonsense("a string", at))?;
    }
    if cut {
        text.push_str("...");
    }
    Ok(text)
}

fn write_surrogate(text: &mut String, code: u32) {
    use std::fmt::Write;
    // Writing to a string can not fail.
    let _ = write!(text, "\\u{code:04x}");
}

/// The contents of a `bytes`.
pub(crate) fn bytes(memory: &dyn Memory, layout: &Layout, at: Addr) -> Result<Vec<u8>, Unreadable> {
    let size = size(memory, layout, add(at, layout.objects.bytes_size)?)?;
    if size > MAX_BYTES {
        return Err(Unreadable::Nonsense("a bytes object", at));
    }
    Ok(read_vec(memory, add(at, layout.objects.bytes_data)?, size as usize)?)
}

/// The value of an `int` that fits in 64 bits and is not negative.
pub(crate) fn unsigned(memory: &dyn Memory, layout: &Layout, at: Addr) -> Result<u64, Unreadable> {
    let long = &layout.objects.long;
    if let Some(value) = long.short
        && type_name(memory, layout, type_of(memory, layout, at)?)? == "int"
    {
        let value = read_u64(memory, add(at, value)?)? as i64;
        return u64::try_from(value).map_err(|_| Unreadable::Nonsense("an int", at));
    }
    let size = size(memory, layout, add(at, long.size)?)?;
    // The low two bits of a tag are the sign: 0 positive, 1 zero, 2 negative (`Include/cpython/longintrepr.h`).
    let (digits, negative) = if long.tagged { (size >> 3, size & 3 == 2) } else { (size, (size as i64) < 0) };
    // 64 bits have place in so many digits, of which the last may have more.
    let most = 63 / u64::from(long.digit_bits.max(1)) + 1;
    if negative || digits > most {
        return Err(Unreadable::Nonsense("an int", at));
    }
    let (width, mask) = if long.digit_bits == 30 { (4, 0x3fff_ffff) } else { (2, 0x7fff) };
    let mut value: u128 = 0;
    for digit in (0..digits).rev() {
        let digit = read_u32(memory, add(at, long.digits)?.wrapping_add(width * digit))?;
        value = value << long.digit_bits | u128::from(digit & mask);
    }
    u64::try_from(value).map_err(|_| Unreadable::Nonsense("an int", at))
}

/// An object's type.
pub(crate) fn type_of(memory: &dyn Memory, layout: &Layout, at: Addr) -> Result<Addr, Unreadable> {
    Ok(read_u64(memory, add(at, layout.objects.ob_type)?)?)
}

/// A type's name.
pub(crate) fn type_name(memory: &dyn Memory, layout: &Layout, at: Addr) -> Result<String, Unreadable> {
    let mut name = Vec::new();
    let start = read_u64(memory, add(at, layout.objects.tp_name)?)?;
    while name.len() < MAX_C_STRING {
        match read_array::<1>(memory, start.wrapping_add(name.len() as u64))? {
            [0] => return Ok(String::from_utf8_lossy(&name).into_owned()),
            [byte] => name.push(byte),
        }
    }
    Err(Unreadable::Nonsense("a type's name", start))
}

/// A dict's entries as addresses of key and value objects, in order.
pub(crate) fn dict_entries(memory: &dyn Memory, layout: &Layout, dict: Addr) -> Result<Vec<(Addr, Addr)>, Unreadable> {
    dict_start(memory, layout, dict, u64::MAX)
}

/// The entries in the first so many places of a dict, some of which may be empty: of a large one no more is read.
pub(crate) fn dict_start(
    memory: &dyn Memory,
    layout: &Layout,
    dict: Addr,
    places: u64,
) -> Result<Vec<(Addr, Addr)>, Unreadable> {
    if let KeyTable::InDict { mask, entries } = layout.objects.dict.table {
        let slots = size(memory, layout, add(dict, mask)?)?.saturating_add(1);
        let first = read_u64(memory, add(dict, entries)?)?;
        return pairs(memory, first, slots.min(places), None).ok_or(Unreadable::Nonsense("a dict", dict))?;
    }
    let keys = read_u64(memory, add(dict, layout.objects.dict.keys)?)?;
    let values = read_u64(memory, add(dict, layout.objects.dict.values)?)?;
    entries(memory, layout, keys, (values != 0).then_some(values), places)
}

/// The entries of a table that has them in any order, with holes: each a hash, a key and a value, or its value in an array
/// beside. `None` when there are too many.
fn pairs(
    memory: &dyn Memory,
    first: Addr,
    slots: u64,
    values: Option<Addr>,
) -> Option<Result<Vec<(Addr, Addr)>, Unreadable>> {
    let slots = usize::try_from(slots).ok().filter(|&slots| slots as u64 <= MAX_ENTRIES)?;
    let read = || {
        let table = read_vec(memory, first, slots * 24)?;
        let separate = values.map(|at| read_vec(memory, at, slots * 8)).transpose()?;
        let mut found = Vec::new();
        for (slot, entry) in table.chunks_exact(24).enumerate() {
            let key = word(entry, 8);
            let value = separate.as_ref().map_or_else(|| word(entry, 16), |values| word(values, slot * 8));
            if key != 0 && value != 0 {
                found.push((key, value));
            }
        }
        Ok(found)
    };
    Some(read())
}

/// The entries of a key table, with their values from the table itself or from a separate array.
fn entries(
    memory: &dyn Memory,
    layout: &Layout,
    keys: Addr,
    values: Option<Addr>,
    places: u64,
) -> Result<Vec<(Addr, Addr)>, Unreadable> {
    let dict = &layout.objects.dict;
    if let KeyTable::Slots(size) = dict.table {
        let slots = read_u64(memory, add(keys, size)?)?.min(places);
        let values = values.map(|at| add(at, dict.values_first)).transpose()?;
        return pairs(memory, add(keys, dict.indices)?, slots, values).ok_or(Unreadable::Nonsense("a dict", keys))?;
    }
    let used = read_u64(memory, add(keys, dict.entries_used)?)?.min(places);
    let nonsense = Unreadable::Nonsense("a dict", keys);
    if used > MAX_ENTRIES {
        return Err(nonsense);
    }
    let (index_bytes, hashed) = match dict.table {
        KeyTable::Size(size) => {
            let size = read_u64(memory, add(keys, size)?)?;
            let width = match size {
                0..=0xff => 1,
                0x100..=0xffff => 2,
                0x1_0000..=0xffff_ffff => 4,
                _ => return Err(nonsense),
            };
            (size * width, true)
        }
        KeyTable::Log2 { index_bytes, kind } => {
            let [log2] = read_array(memory, add(keys, index_bytes)?)?;
            let [kind] = read_array(memory, add(keys, kind)?)?;
            (1_u64.checked_shl(u32::from(log2)).ok_or(nonsense)?, kind == 0)
        }
        // Both have been dealt with, and neither has an index table.
        KeyTable::InDict { .. } | KeyTable::Slots(_) => return Err(nonsense),
    };
    let width = if hashed { 24 } else { 16 };
    let first = add(keys, dict.indices)?.checked_add(index_bytes).ok_or(nonsense)?;
    let table = read_vec(memory, first, used as usize * width)?;
    let separate = match values {
        Some(at) => Some(read_vec(memory, add(at, dict.values_first)?, used as usize * 8)?),
        None => None,
    };
    let mut found = Vec::new();
    for (position, entry) in table.chunks_exact(width).enumerate() {
        let entry = if hashed { &entry[8..] } else { entry };
        let key = word(entry, 0);
        let value = separate.as_ref().map_or_else(|| word(entry, 8), |values| word(values, position * 8));
        if key != 0 && value != 0 {
            found.push((key, value));
        }
    }
    Ok(found)
}

/// The value of a `str` key in a dict.
pub(crate) fn dict_get(
    memory: &dyn Memory,
    layout: &Layout,
    dict: Addr,
    key: &str,
) -> Result<Option<Addr>, Unreadable> {
    find_key(memory, layout, &dict_entries(memory, layout, dict)?, key)
}

fn find_key(
    memory: &dyn Memory,
    layout: &Layout,
    entries: &[(Addr, Addr)],
    key: &str,
) -> Result<Option<Addr>, Unreadable> {
    for &(name, value) in entries {
        // A length first: most keys differ in it, and the text costs more.
        let length = size(memory, layout, add(name, layout.objects.unicode.length)?)?;
        if length == key.len() as u64 && text(memory, layout, name).is_ok_and(|name| name == key) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// An attribute that an instance of an ordinary class has by itself.
pub(crate) fn attribute(
    memory: &dyn Memory,
    layout: &Layout,
    at: Addr,
    name: &str,
) -> Result<Option<Addr>, Unreadable> {
    find_key(memory, layout, &instance_entries(memory, layout, at)?, name)
}

/// All attributes that an instance of an ordinary class has by itself, but those in slots: names and values.
pub(crate) fn instance_entries(
    memory: &dyn Memory,
    layout: &Layout,
    at: Addr,
) -> Result<Vec<(Addr, Addr)>, Unreadable> {
    let objects = &layout.objects;
    let class = type_of(memory, layout, at)?;
    let flags = read_u64(memory, add(class, objects.tp_flags)?)?;
    let before = |bytes: u32| at.wrapping_sub(u64::from(bytes));
    let place = if flags & MANAGED_DICT == 0 { Instance::DictOffset } else { objects.instance };
    let (dict, values) = match place {
        Instance::DictOffset => {
            let offset = read_u64(memory, add(class, objects.tp_dictoffset)?)? as i64;
            // Of an object with a part of variable length it is counted from the end.
            let offset = if offset < 0 { offset.saturating_add(end_of(memory, layout, at, class)?) } else { offset };
            if !(1..1 << 20).contains(&offset) {
                return Ok(Vec::new());
            }
            (read_u64(memory, at.wrapping_add(offset as u64))?, 0)
        }
        Instance::Before { values, dict } => (read_u64(memory, before(dict))?, read_u64(memory, before(values))?),
        Instance::Tagged(bytes) => match read_u64(memory, before(bytes))? {
            // The pointer to the values is kept less one.
            word if word & 1 == 1 => (0, word.wrapping_add(1)),
            word => (word, 0),
        },
        Instance::Inline(bytes) => match read_u64(memory, before(bytes))? {
            0 if flags & INLINE_VALUES != 0 => {
                (0, at.wrapping_add(read_u64(memory, add(class, objects.tp_basicsize)?)?))
            }
            word => (word, 0),
        },
    };
    if dict != 0 {
        return dict_entries(memory, layout, dict);
    }
    if values == 0 {
        return Ok(Vec::new());
    }
    let keys = read_u64(memory, add(class, objects.cached_keys)?)?;
    if keys == 0 {
        return Ok(Vec::new());
    }
    entries(memory, layout, keys, Some(values), u64::MAX)
}

/// How long an object of variable length is, rounded up to words (`_PyObject_VAR_SIZE` in `Include/objimpl.h`).
fn end_of(memory: &dyn Memory, layout: &Layout, at: Addr, class: Addr) -> Result<i64, Unreadable> {
    let objects = &layout.objects;
    let count = (size(memory, layout, add(at, objects.tuple.size)?)? as i64).unsigned_abs();
    let basic = read_u64(memory, add(class, objects.tp_basicsize)?)?;
    // `tp_itemsize` follows in all versions.
    let item = read_u64(memory, add(class, objects.tp_basicsize + 8)?)?;
    let size = item.saturating_mul(count).saturating_add(basic).saturating_add(7) / 8 * 8;
    i64::try_from(size).map_err(|_| Unreadable::Nonsense("an object's length", at))
}

/// The address of a field.
pub(crate) fn add(at: Addr, offset: u32) -> Result<Addr, Unreadable> {
    at.checked_add(u64::from(offset)).filter(|_| at != 0).ok_or(Unreadable::Nonsense("a pointer", at))
}

/// The little-endian 64-bit word at a place that the caller knows to be there.
pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// The little-endian 32-bit word at a place that the caller knows to be there.
pub(crate) fn half(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}
