//! The words of a `_Py_DebugOffsets`, each checked when it is taken.

use super::fields::Group;
use super::{Offset, Unusable};

/// A struct larger than this is none of Python's: the largest, `_PyRuntimeState`, has less than 1 MiB.
const MAX_STRUCT: u64 = 16 << 20;

/// What is at an offset: how many bytes, and aligned to as many.
#[derive(Debug, Clone, Copy)]
pub(super) enum Width {
    /// A `char`, or the first byte of data without alignment.
    Byte = 1,
    /// An instruction of 2 bytes.
    Instruction = 2,
    /// An `int`, or a digit.
    Int = 4,
    /// A pointer or another 64-bit value.
    Word = 8,
}

/// The words, without the head.
pub(super) struct Table {
    pub(super) words: Vec<u64>,
    pub(super) groups: &'static [Group],
}

impl Table {
    /// A word as it was published; nothing if this series has none of that name.
    pub(super) fn word(&self, group: &str, field: &str) -> Option<u64> {
        let mut before = 0;
        for (name, fields) in self.groups {
            if *name == group {
                let at = fields.iter().position(|name| *name == field)?;
                return self.words.get(before + at).copied();
            }
            before += fields.len();
        }
        None
    }

    /// A group of fields of which none ends behind `reach`, or behind the end of the struct.
    pub(super) fn group(&self, name: &'static str, reach: Offset) -> Result<Fields<'_>, Unusable> {
        let size = self.word(name, "size").ok_or(Unusable::Missing { group: name, field: "size" })?;
        if size > MAX_STRUCT {
            return Err(Unusable::OutOfBounds { group: name, field: "size", value: size });
        }
        Ok(Fields { table: self, name, reach: size.min(u64::from(reach)) })
    }
}

/// The fields of one group.
pub(super) struct Fields<'a> {
    table: &'a Table,
    name: &'static str,
    reach: u64,
}

impl Fields<'_> {
    /// The offset of a field that has to be published.
    pub(super) fn at(&self, field: &'static str, width: Width) -> Result<Offset, Unusable> {
        let value = self.table.word(self.name, field).ok_or(Unusable::Missing { group: self.name, field })?;
        self.checked(field, value, width)
    }

    /// The offset of a field that only some series have.
    pub(super) fn newer(&self, field: &'static str, width: Width) -> Result<Option<Offset>, Unusable> {
        self.table.word(self.name, field).map(|value| self.checked(field, value, width)).transpose()
    }

    /// The offset of a field that is not published: as in `row`, `shift` bytes further.
    pub(super) fn as_in_row(
        &self,
        field: &'static str,
        row: Offset,
        shift: i64,
        width: Width,
    ) -> Result<Offset, Unusable> {
        // Below zero it wraps to what no struct reaches.
        let value = u64::from(row).wrapping_add_signed(shift);
        self.checked(field, value, width)
    }

    /// An offset counted from another one.
    pub(super) fn inside(
        &self,
        field: &'static str,
        outer: &'static str,
        reach: Offset,
        width: Width,
    ) -> Result<Offset, Unusable> {
        let (inner, outer) = (self.at(field, width)?, self.at(outer, Width::Word)?);
        let relative = inner.checked_sub(outer).filter(|offset| *offset <= reach);
        relative.ok_or(Unusable::OutOfBounds { group: self.name, field, value: u64::from(inner) })
    }

    fn checked(&self, field: &'static str, value: u64, width: Width) -> Result<Offset, Unusable> {
        let width = width as u64;
        let fits = value.checked_add(width).is_some_and(|end| end <= self.reach) && value.is_multiple_of(width);
        // The reach is an offset, so what is below it is one too.
        fits.then_some(value as Offset).ok_or(Unusable::OutOfBounds { group: self.name, field, value })
    }
}
