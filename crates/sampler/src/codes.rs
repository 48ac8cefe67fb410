//! Code objects met so far: what the frames that run them are called.

use py_spy_address_space::{Addr, Memory};
use py_spy_profile::{Frame, FrameId, StringId, Tables};
use py_spy_python::layout::Layout;
use py_spy_python::{CodeObject, Fingerprint, RawFrame, Reader, Span, Unreadable, place};
use rustc_hash::FxHashMap;

use crate::LineMode;
use crate::file_names::FileNames;

/// Files whose frames are hidden by default: the import machinery (`Lib/importlib/_bootstrap*.py`, frozen into the
/// interpreter). The interpreter leaves them out of tracebacks too.
const IMPORT_MACHINERY: &str = "<frozen importlib._bootstrap";

/// The interpreter's own code objects have no file but this: the frame under an `__init__` that a class is called
/// through (`_Py_InitCleanup` in `Python/specialize.c`, 3.12+). The interpreter leaves such frames out of tracebacks too.
const OWN_CODE: &str = "__init__";

/// What a frame of the interpreter's own is called where it has no name.
const SHIM: &str = "<shim>";

/// Code objects that are kept; beyond that all are forgotten and read again when met: a program that makes new ones all
/// the time must not make us grow with it.
const MAX_CODES: usize = 1 << 18;

/// How frames are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Naming {
    pub(crate) lines: LineMode,
    pub(crate) full_filenames: bool,
    pub(crate) full_stack: bool,
}

/// True for code whose frames are hidden by default.
pub(crate) fn is_hidden(code: &CodeObject) -> bool {
    code.filename.starts_with(IMPORT_MACHINERY) || code.filename == OWN_CODE
}

/// Code objects met so far.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    known: FxHashMap<Addr, Known>,
    code_type: Option<Addr>,
    /// Those that were met since [`Codes::read_new`].
    new: Vec<Addr>,
    /// Counts the code objects whose address has become another's.
    pub(crate) replaced: u64,
}

#[derive(Debug)]
struct Known {
    fingerprint: Fingerprint,
    /// When it was last seen to be the same.
    checked: u64,
    /// What it says, once it was read, until it is named.
    code: Option<CodeObject>,
    named: Option<Named>,
}

impl Known {
    /// Reads what it says, if it is still the one that was met.
    fn read(
        &mut self,
        memory: &dyn Memory,
        layout: &Layout,
        at: Addr,
        code_type: &mut Option<Addr>,
    ) -> Result<CodeObject, Unreadable> {
        if let Some(code) = self.code.take() {
            return Ok(code);
        }
        let code = CodeObject::read(memory, layout, at, code_type)?;
        let now = Fingerprint::read(layout, at, |at, into| memory.read(at, into))?;
        if now == self.fingerprint { Ok(code) } else { Err(Unreadable::Nonsense("a code object", at)) }
    }
}

#[derive(Debug)]
struct Named {
    code: CodeObject,
    name: StringId,
    file: StringId,
    short_file: StringId,
    hidden: bool,
    /// Frames by place, where that is known; few places in a code object are ever seen.
    frames: FxHashMap<Option<i64>, FrameId>,
}

impl Codes {
    /// Code objects that are known.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// True when a code object is known, and was seen to be the same at this epoch.
    pub(crate) fn is_checked(&self, at: Addr, epoch: u64) -> bool {
        self.known.get(&at).is_some_and(|known| known.checked == epoch)
    }

    /// False when what is at an address can not be a code object, by its type.
    pub(crate) fn may_be(&self, reader: &mut Reader<'_>, layout: &Layout, at: Addr) -> bool {
        if self.known.get(&at).is_some_and(|known| known.named.is_some()) {
            return true;
        }
        let class = reader.word(at.wrapping_add(u64::from(layout.objects.ob_type)));
        class.is_ok_and(|class| self.code_type.is_none_or(|code| code == class))
    }

    /// Sees that a code object is still the one that is known by its address, with this tick's copy.
    pub(crate) fn check(
        &mut self,
        reader: &mut Reader<'_>,
        layout: &Layout,
        at: Addr,
        epoch: u64,
    ) -> Result<(), Unreadable> {
        if self.known.get(&at).is_some_and(|known| known.checked == epoch) {
            return Ok(());
        }
        let fingerprint = Fingerprint::read(layout, at, |at, into| reader.read(at, into))?;
        match self.known.get_mut(&at) {
            Some(known) if known.fingerprint == fingerprint => known.checked = epoch,
            known => {
                self.replaced += u64::from(known.is_some());
                if self.known.len() >= MAX_CODES {
                    self.known.clear();
                    self.replaced += 1;
                }
                self.known.insert(at, Known { fingerprint, checked: epoch, code: None, named: None });
                self.new.push(at);
            }
        }
        Ok(())
    }

    /// Reads what the first code objects say that are new, so many at most: it can be had only for as long as they live.
    pub(crate) fn read_new(&mut self, memory: &dyn Memory, layout: &Layout, most: usize) {
        for at in self.new.drain(..most.min(self.new.len())) {
            if let Some(known) = self.known.get_mut(&at).filter(|known| known.named.is_none()) {
                known.code = known.read(memory, layout, at, &mut self.code_type).ok();
            }
        }
    }

    /// The frame's id; `None` for a frame that is hidden.
    ///
    /// # Errors
    /// When the code object has gone meanwhile.
    pub(crate) fn frame(
        &mut self,
        frame: &RawFrame,
        memory: &dyn Memory,
        layout: &Layout,
        naming: Naming,
        files: &mut FileNames,
        tables: &mut Tables,
    ) -> Result<Option<FrameId>, Unreadable> {
        if frame.shim && !naming.full_stack {
            return Ok(None);
        }
        if frame.shim && !self.known.contains_key(&frame.code) {
            return Ok(Some(self.shim(frame, memory, layout, tables)));
        }
        let Some(known) = self.known.get_mut(&frame.code) else {
            return Err(Unreadable::Nonsense("a code object", frame.code));
        };
        let named = if let Some(named) = &mut known.named {
            named
        } else {
            let code = known.read(memory, layout, frame.code, &mut self.code_type)?;
            let short = if naming.full_filenames { &code.filename } else { files.short(&code.filename) };
            known.named.insert(Named {
                name: tables.string(&code.name),
                file: tables.string(&code.filename),
                short_file: tables.string(short),
                hidden: is_hidden(&code),
                frames: FxHashMap::default(),
                code,
            })
        };
        if named.hidden && !naming.full_stack {
            return Ok(None);
        }
        let place = if naming.lines == LineMode::Current { place(memory, layout, frame) } else { Some(0) };
        Ok(Some(*named.frames.entry(place).or_insert_with(|| {
            let line = match naming.lines {
                LineMode::Current => place.and_then(|place| named.code.line(layout, place)).unwrap_or(0),
                LineMode::First => named.code.first_line,
                LineMode::None => 0,
            };
            let Named { name, file, short_file, .. } = *named;
            tables.frame(Frame::Python { name, file, short_file, line })
        })))
    }

    /// Where in its line the expression is that a frame runs, of a code object that was named.
    pub(crate) fn span(&self, frame: &RawFrame, memory: &dyn Memory, layout: &Layout) -> Option<Span> {
        let named = self.known.get(&frame.code)?.named.as_ref()?;
        named.code.span(layout, place(memory, layout, frame)?)
    }

    /// A frame of the interpreter's own: some versions give it a code object that says so, others none.
    fn shim(&mut self, frame: &RawFrame, memory: &dyn Memory, layout: &Layout, tables: &mut Tables) -> FrameId {
        let code = CodeObject::read(memory, layout, frame.code, &mut self.code_type);
        let name = tables.string(code.as_ref().map_or(SHIM, |code| &code.name));
        let file = tables.string("");
        tables.frame(Frame::Python { name, file, short_file: file, line: 0 })
    }
}
