//! The variables of a frame.

use py_spy_address_space::{Addr, Memory, read_u32, read_u64, read_vec};

use crate::layout::{
    Layout,
    values::{Cells, Values},
};
use crate::object::{self, Unreadable, add, word};
use crate::stack::RawFrame;

/// Variables of one frame that are shown.
const MAX_LOCALS: usize = 4096;

/// Places of a namespace that are looked at; some may be empty.
const MAX_PLACES: u64 = 4 * MAX_LOCALS as u64;

/// Characters of a variable's name.
const MAX_NAME: u64 = 1 << 12;

/// `CO_OPTIMIZED`: its variables are in the frame and not in a dict (`Include/code.h`).
const OPTIMIZED: u32 = 1;

/// `CO_VARARGS` and `CO_VARKEYWORDS` (`Include/code.h`).
const VARARGS: u32 = 4;
const VARKEYWORDS: u32 = 8;

/// `CO_FAST_HIDDEN`, `CO_FAST_LOCAL`, `CO_FAST_CELL` and `CO_FAST_FREE` (`Include/internal/pycore_code.h`, 3.11+).
const CELL: u8 = 0x40;
const FREE: u8 = 0x80;

/// What a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An argument: positional, keyword-only, `*args` or `**kwargs`.
    Argument,
    /// A local variable.
    Local,
    /// One of an enclosing function.
    Free,
    /// One of the module.
    Global,
}

/// Where a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At an address.
    At(Addr),
    /// It is a small `int` itself, kept in place of an address (3.15+).
    Int(i64),
}

/// A variable that has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where its value is.
    pub place: Place,
}

/// The variables of a frame that have a value: arguments first, then locals and cells, then those of enclosing functions; with
/// `globals` also those of the module, of a frame that runs a module. A module's or a class's own namespace is a dict.
///
/// # Errors
/// When the frame or its code object can not be read.
pub fn locals(
    memory: &dyn Memory,
    layout: &Layout,
    values: &Values,
    frame: &RawFrame,
    globals: bool,
) -> Result<Vec<Local>, Unreadable> {
    let look = Look { memory, layout, values, code: frame.code };
    let flags = look.int(values.code_flags)?;
    let keyword_only = values.keyword_only.map_or(Ok(0), |offset| look.int(offset))?;
    let positional = read_u32(memory, add(frame.code, layout.code.argument_count)?)?;
    let arguments = u64::from(positional)
        + u64::from(keyword_only)
        + u64::from(flags & VARARGS != 0)
        + u64::from(flags & VARKEYWORDS != 0);
    let names = look.names()?;
    let slots = read_vec(memory, add(frame.at, layout.frame.locals)?, names.len() * 8)?;
    let mut found = Vec::new();
    let mut free = Vec::new();
    for (index, (name, is_cell, is_free)) in names.into_iter().enumerate() {
        let Some(place) = look.place(word(&slots, index * 8), is_cell || is_free) else { continue };
        let kind = match (is_free, (index as u64) < arguments) {
            (true, _) => Kind::Free,
            (false, true) => Kind::Argument,
            (false, false) => Kind::Local,
        };
        let local = Local { name, kind, place };
        if is_free { free.push(local) } else { found.push(local) }
    }
    // An argument that is a cell too: up to 3.10 only the cell has it.
    found.sort_by_key(|local| local.kind != Kind::Argument);
    found.append(&mut free);
    let own = read_u64(memory, add(frame.at, values.frame_locals)?)?;
    let of_module = read_u64(memory, add(frame.at, values.frame_globals)?)?;
    // A function that asked for `locals()` has them there too, as they were then.
    if own != 0 && flags & OPTIMIZED == 0 && (own != of_module || globals) {
        let kind = if own == of_module { Kind::Global } else { Kind::Local };
        for (name, value) in object::dict_start(memory, layout, own, MAX_PLACES)?.into_iter().take(MAX_LOCALS) {
            if let Ok(name) = object::short_text(memory, layout, name, MAX_NAME)
                && !matches!(&*name, "__builtins__")
            {
                found.push(Local { name, kind, place: Place::At(value) });
            }
        }
    }
    Ok(found)
}

struct Look<'a> {
    memory: &'a dyn Memory,
    layout: &'a Layout,
    values: &'a Values,
    code: Addr,
}

impl Look<'_> {
    fn int(&self, offset: u32) -> Result<u32, Unreadable> {
        Ok(read_u32(self.memory, add(self.code, self.values.header + offset)?)?)
    }

    fn strings(&self, tuple: Addr) -> Result<Vec<String>, Unreadable> {
        let sequence = self.layout.objects.tuple;
        let count = object::size(self.memory, self.layout, add(tuple, sequence.size)?)?;
        if count > MAX_LOCALS as u64 {
            return Err(Unreadable::Nonsense("names of variables", tuple));
        }
        let bytes = read_vec(self.memory, add(tuple, sequence.items)?, count as usize * 8)?;
        let name = |chunk: &[u8]| object::short_text(self.memory, self.layout, word(chunk, 0), MAX_NAME);
        bytes.chunks_exact(8).map(name).collect()
    }

    /// The names of all slots of a frame, and whether each is a cell or one of an enclosing function.
    fn names(&self) -> Result<Vec<(String, bool, bool)>, Unreadable> {
        let names = self.strings(read_u64(self.memory, add(self.code, self.layout.code.local_names)?)?)?;
        match self.values.cells {
            Cells::Kinds { count, kinds } => {
                let count = self.int(count)? as usize;
                let kinds = read_u64(self.memory, add(self.code, self.values.header + kinds)?)?;
                let size = object::size(self.memory, self.layout, add(kinds, self.layout.objects.bytes_size)?)?;
                let data = add(kinds, self.layout.objects.bytes_data)?;
                let kinds = read_vec(self.memory, data, size.min(MAX_LOCALS as u64) as usize)?;
                let slots = names.into_iter().zip(kinds).take(count);
                Ok(slots.map(|(name, kind)| (name, kind & CELL != 0, kind & FREE != 0)).collect())
            }
            Cells::Apart { cells, free } => {
                let tuple = |offset| self.strings(read_u64(self.memory, add(self.code, self.values.header + offset)?)?);
                let mut all: Vec<_> = names.into_iter().map(|name| (name, false, false)).collect();
                all.extend(tuple(cells)?.into_iter().map(|name| (name, true, false)));
                all.extend(tuple(free)?.into_iter().map(|name| (name, true, true)));
                Ok(all)
            }
        }
    }

    /// What is in a slot, or in the cell that is in it.
    fn place(&self, slot: u64, cell: bool) -> Option<Place> {
        let tag = self.layout.frame.code_tag;
        if tag != 0 && slot & tag == tag {
            return Some(Place::Int(slot as i64 >> 2));
        }
        let at = slot & !tag;
        if at == 0 || slot <= 1 {
            return None;
        }
        if !cell {
            return Some(Place::At(at));
        }
        // A slot for a cell may have the value itself before the cell is made.
        let class = object::type_of(self.memory, self.layout, at).ok()?;
        if object::type_name(self.memory, self.layout, class).ok()? != "cell" {
            return Some(Place::At(at));
        }
        let value = read_u64(self.memory, add(at, self.values.header).ok()?).ok()?;
        (value != 0).then_some(Place::At(value))
    }
}
