//! The frames of one thread: the one walker for all versions.

use py_spy_address_space::{Addr, Fault, Memory, Window};

use crate::circle::Circle;
use crate::layout::{Entry, Frame, Layout, Position, Root};
use crate::object::{Unreadable, half, word};

/// Frames of one thread; a chain that is longer is taken for an endless one. The interpreter's own default limit is
/// 1,000, and a frame has some 100 bytes.
const MAX_FRAMES: usize = 1 << 21;

/// This tick's copy, and the memory to turn to for what it does not have.
pub struct Reader<'a> {
    window: &'a mut Window,
    memory: &'a dyn Memory,
    copy: usize,
}

impl<'a> Reader<'a> {
    /// Reads from one of the window's copies.
    pub fn new(window: &'a mut Window, memory: &'a dyn Memory, copy: usize) -> Self {
        Reader { window, memory, copy }
    }

    /// Fills `into`.
    pub fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.window.read(self.memory, self.copy, at, into)
    }

    /// As many bytes as `scratch` has, in place where they lie in one page and else in `scratch`.
    pub fn view<'b>(&'b mut self, at: Addr, scratch: &'b mut [u8]) -> Result<&'b [u8], Fault> {
        self.window.view(self.memory, self.copy, at, scratch)
    }

    /// Reads a word.
    pub fn word(&mut self, at: Addr) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        self.read(at, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// One frame, not yet named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFrame {
    /// Where the frame is.
    pub at: Addr,
    /// Its code object, or whatever a frame of the interpreter's own has instead.
    pub code: Addr,
    /// Byte offset of the current instruction in the bytecode; negative before the first one.
    pub position: i64,
    /// It was entered from C.
    pub entry: bool,
    /// It is a frame of the interpreter's own and no Python function.
    pub shim: bool,
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// At the thread's root: the frames are the whole stack.
    Whole,
    /// Before the root: the thread was stopped in the middle of an update that cuts the chain for a moment.
    Cut,
}

/// Follows the frames of a thread from the innermost on, and appends them to `frames` in that order.
///
/// # Errors
/// When the chain leads to memory that can not be read, or does not end.
pub fn walk(
    reader: &mut Reader<'_>,
    layout: &Layout,
    innermost: Addr,
    base: Option<Addr>,
    frames: &mut Vec<RawFrame>,
) -> Result<Stack, Unreadable> {
    let first = frames.len();
    let mut bytes = [0; Frame::MAX_SIZE as usize];
    let scratch = bytes.get_mut(..layout.frame.size as usize).unwrap_or(&mut []);
    let mut next = innermost;
    let mut circle = Circle::default();
    let mut root = true;
    while next != 0 {
        if frames.len() - first >= MAX_FRAMES || circle.closes(next) {
            return Err(Unreadable::Nonsense("a chain of frames", next));
        }
        let bytes = reader.view(next, scratch)?;
        let (frame, previous) = parse(&layout.frame, layout.code.bytecode, next, bytes);
        root = is_root(&layout.frame, bytes) && base.is_none_or(|base| previous != 0 || next == base);
        if let Entry::BelowShim { .. } = layout.frame.entry
            && frame.shim
            && let Some(callee) = frames[first..].last_mut()
        {
            callee.entry = true;
        }
        frames.push(frame);
        next = previous;
    }
    Ok(if root { Stack::Whole } else { Stack::Cut })
}

fn parse(layout: &Frame, bytecode: u32, at: Addr, bytes: &[u8]) -> (RawFrame, Addr) {
    let code = word(bytes, layout.code as usize) & !layout.code_tag;
    let place = layout.position_at as usize;
    let position = match layout.position {
        Position::ByteIndex => i64::from(half(bytes, place) as i32),
        Position::WordIndex => i64::from(half(bytes, place) as i32) * 2,
        Position::Pointer => word(bytes, place).wrapping_sub(code.wrapping_add(u64::from(bytecode))) as i64,
    };
    let byte = |offset: u32| bytes.get(offset as usize).copied().unwrap_or(0);
    let (entry, shim) = match layout.entry {
        Entry::Always => (true, false),
        Entry::Flag(flag) => (byte(flag) != 0, false),
        Entry::BelowShim { owner, least } => (false, byte(owner) >= least),
    };
    (RawFrame { at, code, position, entry, shim }, word(bytes, layout.previous as usize))
}

/// True when a frame may be the outermost one.
fn is_root(layout: &Frame, bytes: &[u8]) -> bool {
    let byte = |offset: u32| bytes.get(offset as usize).copied().unwrap_or(0);
    match layout.root {
        Root::NoGenerator { generator } => word(bytes, generator as usize) == 0,
        Root::NotOwnedBy { owner, generator } => byte(owner) != generator,
        Root::Shim { owner, least } => byte(owner) >= least,
    }
}
