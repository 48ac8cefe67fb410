//! Python objects that names are made of: strings, bytes, integers, dicts and attributes.

use py_spy_address_space::{Addr, Fault, Memory, read_array, read_u32, read_u64, read_vec};

use crate::layout::{Instance, KeyTable, Layout};

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

/// The text of a `str`. Lone surrogates, which Rust's strings can not have, are written as `\udc80`.
pub(crate) fn text(memory: &dyn Memory, layout: &Layout, at: Addr) -> Result<String, Unreadable> {
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
        let code = u32::from_le_bytes(code);
        match char::from_u32(code) {
            Some(character) => text.push(character),
            None if (0xd800..0xe000).contains(&code) => write_surrogate(&mut text, code),
            None => return Err(Unreadable::Nonsense("a string", at)),
        }
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
    let size = read_u64(memory, add(at, layout.objects.bytes_size)?)?;
    if size > MAX_BYTES {
        return Err(Unreadable::Nonsense("a bytes object", at));
    }
    Ok(read_vec(memory, add(at, layout.objects.bytes_data)?, size as usize)?)
}

/// The value of an `int` that fits in 64 bits and is not negative.
pub(crate) fn unsigned(memory: &dyn Memory, layout: &Layout, at: Addr) -> Result<u64, Unreadable> {
    let long = &layout.objects.long;
    let size = read_u64(memory, add(at, long.size)?)?;
    // The low two bits of a tag are the sign: 0 positive, 1 zero, 2 negative (`Include/cpython/longintrepr.h`).
    let (digits, negative) = if long.tagged { (size >> 3, size & 3 == 2) } else { (size, (size as i64) < 0) };
    if negative || digits > 3 {
        return Err(Unreadable::Nonsense("an int", at));
    }
    let mut value: u128 = 0;
    for digit in (0..digits).rev() {
        let digit = read_u32(memory, add(at, long.digits)?.wrapping_add(4 * digit))?;
        value = value << 30 | u128::from(digit & 0x3fff_ffff);
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
    let keys = read_u64(memory, add(dict, layout.objects.dict.keys)?)?;
    let values = read_u64(memory, add(dict, layout.objects.dict.values)?)?;
    entries(memory, layout, keys, (values != 0).then_some(values))
}

/// The entries of a key table, with their values from the table itself or from a separate array.
fn entries(
    memory: &dyn Memory,
    layout: &Layout,
    keys: Addr,
    values: Option<Addr>,
) -> Result<Vec<(Addr, Addr)>, Unreadable> {
    let dict = &layout.objects.dict;
    let used = read_u64(memory, add(keys, dict.entries_used)?)?;
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
        let length = read_u64(memory, add(name, layout.objects.unicode.length)?)?;
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
    let objects = &layout.objects;
    let class = type_of(memory, layout, at)?;
    let flags = read_u64(memory, add(class, objects.tp_flags)?)?;
    let before = |bytes: u32| at.wrapping_sub(u64::from(bytes));
    let place = if flags & MANAGED_DICT == 0 { Instance::DictOffset } else { objects.instance };
    let (dict, values) = match place {
        Instance::DictOffset => {
            let offset = read_u64(memory, add(class, objects.tp_dictoffset)?)? as i64;
            if !(1..1 << 20).contains(&offset) {
                return Ok(None);
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
        return dict_get(memory, layout, dict, name);
    }
    if values == 0 {
        return Ok(None);
    }
    let keys = read_u64(memory, add(class, objects.cached_keys)?)?;
    if keys == 0 {
        return Ok(None);
    }
    find_key(memory, layout, &entries(memory, layout, keys, Some(values))?, name)
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
