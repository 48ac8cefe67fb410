//! Code objects: what a frame is called and where its lines are.

use py_spy_address_space::{Addr, Fault, Memory};

use crate::layout::{Code, Layout};
use crate::object::{self, Unreadable, add, half, word};

/// What is compared to see that a code object's address still has the same code object: a freed one's memory is used
/// again, and that of its name for another name. Pointers to its name, file name and line table, its first line, and
/// enough of what they point to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    name: Addr,
    filename: Addr,
    line_table: Addr,
    first_line: u32,
    /// The name's length and hash (or its first characters, when it has none yet).
    name_is: [u64; 2],
    /// How long the line table is.
    line_table_size: u64,
}

/// A code object, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeObject {
    /// Qualified name where the interpreter keeps one (3.11+), else the bare one.
    pub name: String,
    /// `co_filename`.
    pub filename: String,
    /// `co_firstlineno`.
    pub first_line: u32,
    /// The line table, as [`crate::line_of`] takes it.
    pub line_table: Vec<u8>,
}

impl Fingerprint {
    /// Of the code object at an address, with the bytes that `read` gives.
    pub fn read(
        layout: &Layout,
        at: Addr,
        mut read: impl FnMut(Addr, &mut [u8]) -> Result<(), Fault>,
    ) -> Result<Fingerprint, Unreadable> {
        let code = &layout.code;
        let first = code.first_line.min(code.filename).min(code.name).min(code.line_table);
        let mut bytes = [0; Code::MAX_SIZE as usize];
        let bytes = bytes.get_mut(..code.size.saturating_sub(first) as usize).unwrap_or(&mut []);
        read(add(at, first)?, bytes)?;
        let place = |offset: u32| (offset - first) as usize;
        let (name, line_table) = (word(bytes, place(code.name)), word(bytes, place(code.line_table)));
        let (filename, first_line) = (word(bytes, place(code.filename)), half(bytes, place(code.first_line)));
        let unicode = &layout.objects.unicode;
        let mut text = [0; 32];
        let hash = unicode.hash.saturating_sub(unicode.length) as usize;
        let text = text.get_mut(..hash + 8).ok_or(Unreadable::Nonsense("the place of a hash", name))?;
        read(add(name, unicode.length)?, text)?;
        let mut name_is = [object::sized(layout, word(text, 0)), word(text, hash)];
        if name_is[1] == u64::MAX {
            let mut start = [0; 16];
            let length = start.len().min(name_is[0] as usize);
            read(add(name, unicode.ascii_data)?, &mut start[..length])?;
            name_is[1] = word(&start, 0) ^ word(&start, 8).rotate_left(1);
        }
        let mut size = [0; 8];
        read(add(line_table, layout.objects.bytes_size)?, &mut size)?;
        let line_table_size = object::sized(layout, u64::from_le_bytes(size));
        Ok(Fingerprint { name, filename, line_table, first_line, name_is, line_table_size })
    }
}

impl CodeObject {
    /// Reads the code object at an address. `code_type` is the address of its type once one was met; anything that is
    /// not of that type is refused.
    pub fn read(
        memory: &dyn Memory,
        layout: &Layout,
        at: Addr,
        code_type: &mut Option<Addr>,
    ) -> Result<CodeObject, Unreadable> {
        let class = object::type_of(memory, layout, at)?;
        if *code_type != Some(class) {
            if code_type.is_some() || object::type_name(memory, layout, class)? != "code" {
                return Err(Unreadable::Nonsense("a code object", at));
            }
            *code_type = Some(class);
        }
        let code = &layout.code;
        let mut bytes = [0; Code::MAX_SIZE as usize];
        let bytes = bytes.get_mut(..code.size as usize).unwrap_or(&mut []);
        memory.read(at, bytes)?;
        let field = |offset: u32| word(bytes, offset as usize);
        let name = match code.qualname.map(field) {
            Some(qualified) if qualified != 0 => object::text(memory, layout, qualified),
            _ => object::text(memory, layout, field(code.name)),
        }?;
        Ok(CodeObject {
            name,
            filename: object::text(memory, layout, field(code.filename))?,
            first_line: half(bytes, code.first_line as usize),
            // Without its table a frame has no line, and is true all the same.
            line_table: object::bytes(memory, layout, field(code.line_table)).unwrap_or_default(),
        })
    }

    /// The line at a [`crate::place`], if the line table has one.
    pub fn line(&self, layout: &Layout, place: i64) -> Option<u32> {
        crate::line_of(layout.code.lines, &self.line_table, self.first_line, place)
    }
    /// Where in its line the expression at a [`crate::place`] is, if the line table says (3.11+).
    pub fn span(&self, layout: &Layout, place: i64) -> Option<crate::Span> {
        crate::span_of(layout.code.lines, &self.line_table, self.first_line, place)
    }
}
