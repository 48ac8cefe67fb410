//! The frames of one thread: the one walker for all versions.

mod again;
mod copied;

use py_spy_address_space::{Addr, Fault, Memory, PAGE, Pair, Window};

use crate::circle::Circle;
use crate::layout::{Entry, Frame, Layout, Position, Root, Running};
use crate::object::{Unreadable, half, word};

/// Frames of one thread; a chain that is longer is taken for an endless one. The interpreter's own default limit is
/// 1,000, and a frame has some 100 bytes.
const MAX_FRAMES: usize = 1 << 21;

pub use again::{Runs, stands, walk_again};
pub use copied::{FrameWords, MAX_WORDS};

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

    /// From here on a chain is followed; see [`Window::begin`].
    pub fn begin(&mut self, near: u32) {
        self.window.begin(near);
    }

    /// Fills `into`.
    pub fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.window.read(self.memory, self.copy, at, into)
    }

    /// As many bytes as `scratch` has, in place where they lie in one page and else in `scratch`.
    pub fn view<'b>(&'b mut self, at: Addr, scratch: &'b mut [u8]) -> Result<&'b [u8], Fault> {
        self.window.view(self.memory, self.copy, at, scratch)
    }

    /// So many bytes in place; `None` when they lie in two pages.
    pub fn in_place(&mut self, at: Addr, len: usize) -> Result<Option<&[u8]>, Fault> {
        let offset = page_offset(at);
        Ok(self.page(at - offset as Addr)?.get(offset..offset.saturating_add(len)))
    }

    /// The page that starts at an address.
    pub fn page(&mut self, start: Addr) -> Result<&[u8; PAGE], Fault> {
        self.window.page(self.memory, self.copy, start)
    }

    /// The page that starts at an address, in another copy and in this one; `None` when the other does not have it.
    fn pair(&mut self, other: usize, start: Addr) -> Result<Option<Pair<'_>>, Fault> {
        self.window.pair(self.memory, [other, self.copy], start)
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
    /// It says of itself that it was left, or is just being entered.
    pub left: bool,
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
    let size = (layout.frame.size as usize).min(Frame::MAX_SIZE as usize);
    let mut scratch = [0; Frame::MAX_SIZE as usize];
    let mut steps = Steps { layout, base, frames, first, circle: Circle::default(), root: true };
    let mut next = innermost;
    while next != 0 {
        if steps.ends_at(next) {
            break;
        }
        let offset = page_offset(next);
        if offset + size > PAGE {
            let bytes = reader.view(next, &mut scratch[..size])?;
            next = steps.take(next, bytes)?;
            continue;
        }
        // Most frames lie beside their callers: all of those in one page are followed at once.
        let start = next - offset as Addr;
        let page = reader.page(start)?;
        while next != 0 && next.wrapping_sub(start) <= (PAGE - size) as Addr && Some(next) != base {
            let offset = page_offset(next);
            next = steps.take(next, &page[offset..offset + size])?;
        }
    }
    Ok(if steps.root { Stack::Whole } else { Stack::Cut })
}

fn page_offset(at: Addr) -> usize {
    at as usize & (PAGE - 1)
}

/// A walk that is going on.
struct Steps<'a> {
    layout: &'a Layout,
    base: Option<Addr>,
    frames: &'a mut Vec<RawFrame>,
    first: usize,
    circle: Circle,
    /// The frame taken last may be the outermost one.
    root: bool,
}

impl Steps<'_> {
    /// Takes a frame and returns where its caller is, 0 for none.
    #[inline]
    fn take(&mut self, at: Addr, bytes: &[u8]) -> Result<Addr, Unreadable> {
        if self.frames.len() - self.first >= MAX_FRAMES || self.circle.closes(at) {
            return Err(Unreadable::Nonsense("a chain of frames", at));
        }
        let layout = &self.layout.frame;
        let (frame, previous) = parse(layout, self.layout.code.bytecode, at, bytes);
        if previous == 0 {
            // There is another where the thread state says so, and it was not come to.
            self.root = is_root(layout, bytes) && self.base.is_none();
        }
        self.calls(frame.shim);
        self.frames.push(frame);
        Ok(previous)
    }
}

impl Steps<'_> {
    /// The frame taken last was called by such a frame.
    fn calls(&mut self, shim: bool) {
        if let Entry::BelowShim { .. } = self.layout.frame.entry
            && let Some(callee) = self.frames[self.first..].last_mut()
        {
            callee.entry = shim;
        }
    }

    /// True when that is where the thread state says that the outermost frame is, which is taken then. It is not read: it
    /// is in a page by itself in each copy, and nobody runs in it.
    fn ends_at(&mut self, at: Addr) -> bool {
        let ends = self.base == Some(at);
        if ends {
            self.calls(true);
            self.frames.push(RawFrame { at, code: 0, position: 0, entry: false, shim: true, left: false });
            self.root = true;
        }
        ends
    }
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
    let left = match layout.running {
        Running::Unknown => false,
        Running::Counted { references, stack_top } => {
            half(bytes, references as usize) == 0 || word(bytes, stack_top as usize) != 0
        }
        Running::Byte { at, values } => 1_u8.checked_shl(byte(at).into()).is_none_or(|bit| bit & values == 0),
    };
    (RawFrame { at, code, position, entry, shim, left }, word(bytes, layout.previous as usize))
}

/// True when a frame may be the outermost one.
fn is_root(layout: &Frame, bytes: &[u8]) -> bool {
    let byte = |offset: u32| bytes.get(offset as usize).copied().unwrap_or(0);
    match layout.root {
        Root::Any => true,
        Root::NoGenerator { generator } => word(bytes, generator as usize) == 0,
        Root::NotOwnedBy { owner, generator } => byte(owner) != generator,
        Root::Shim { owner, least } => byte(owner) >= least,
    }
}
