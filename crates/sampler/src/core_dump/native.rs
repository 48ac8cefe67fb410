//! The native frames of the threads in a core file.

use std::sync::Arc;

use py_spy_address_space::{Mapping, Pages, Window, read_u64};
use py_spy_native::{Kind, NativeFrame, Registers};
use py_spy_profile::Tables;
use py_spy_python::{Python, RawFrame, Reader};
use py_spy_target::{Core, CoreThread};

use crate::codes::{Codes, Naming};
use crate::file_names::FileNames;
use crate::moment::{Moment, NativeStack};
use crate::native::Native;
use crate::snapshot::frame_of;
use crate::stacks::Namer;
use crate::stacks::mixed::{Both, Mixed};
use crate::{FrameSnapshot, Options};

/// Between native and Python frames of which it is not known how they belong together.
const UNKNOWN: &str = "(native frames between are not known)";

/// Where the instruction pointer and the stack pointer are in a thread's registers.
const RIP: usize = 16;
const RSP: usize = 7;

/// Follows and names native stacks in a core file.
pub(super) struct NativeStacks {
    native: Native,
    codes: Codes,
    files: FileNames,
    tables: Tables,
    naming: Naming,
    /// Where code is.
    code: Vec<Mapping>,
}

impl NativeStacks {
    pub(super) fn of(core: &Arc<Core>, mappings: &[Mapping], options: &Options) -> NativeStacks {
        // Which folders of that machine are packages is not known here.
        let naming = Naming { full_filenames: true, ..options.naming() };
        NativeStacks {
            native: Native::of_core(core, mappings),
            codes: Codes::default(),
            files: FileNames::default(),
            tables: Tables::new(),
            naming,
            code: mappings.iter().filter(|mapping| mapping.execute).cloned().collect(),
        }
    }

    /// A thread's frames, innermost first: those of Python with the native ones between them. Where they do not fit together, the
    /// native ones that are inside of the interpreter's innermost call, and then `plain`, which are those of Python named.
    pub(super) fn mixed(
        &mut self,
        memory: &Pages<'_>,
        python: &Python,
        thread: &CoreThread,
        raw: &[RawFrame],
        plain: &[FrameSnapshot],
    ) -> Option<Vec<FrameSnapshot>> {
        let mut moment = Moment::default();
        let (stack, astray) = self.follow(memory, thread, &mut moment)?;
        let mut window = Window::new(1);
        let mut reader = Reader::new(&mut window, memory, 0);
        for frame in raw {
            // One that can not be read is told by its name that is missing.
            self.codes.check(&mut reader, &python.layout, frame.code, 1).ok();
        }
        let mut namer = Namer {
            codes: &mut self.codes,
            files: &mut self.files,
            memory,
            layout: &python.layout,
            tables: &mut self.tables,
            naming: self.naming,
        };
        let mut frames: Vec<FrameSnapshot> = astray.into_iter().collect();
        let both = Both::of(&moment.native_frames, &stack, raw.iter().rev(), &mut namer);
        if let Ok(both) = both
            && both.is_known(&mut self.native, (None, memory), &mut self.tables, true)
            && let Mixed::Stack { stack: Some(stack), .. } =
                both.mix(&self.native, None, self.naming.full_stack, &mut self.tables)
        {
            let mut ids = Vec::new();
            self.tables.unfold(stack, &mut ids);
            frames.extend(ids.into_iter().rev().filter_map(|id| frame_of(&self.tables, id, true)));
            return Some(frames);
        }
        self.name(&moment, memory, &mut frames);
        if frames.is_empty() {
            return None;
        }
        if !plain.is_empty() {
            frames.push(FrameSnapshot { name: UNKNOWN.to_owned(), ..FrameSnapshot::default() });
            frames.extend(plain.iter().cloned());
        }
        Some(frames)
    }

    /// The native frames of a thread that runs no Python, innermost first.
    pub(super) fn alone(&mut self, memory: &Pages<'_>, thread: &CoreThread) -> Vec<FrameSnapshot> {
        let mut moment = Moment::default();
        let Some((_, astray)) = self.follow(memory, thread, &mut moment) else { return Vec::new() };
        let mut frames: Vec<FrameSnapshot> = astray.into_iter().collect();
        self.name(&moment, memory, &mut frames);
        frames
    }

    /// Follows a thread's stack. Who called what is no code (a null pointer, mostly) is where the stack pointer says; what was
    /// called is then returned too.
    fn follow(
        &mut self,
        memory: &Pages<'_>,
        thread: &CoreThread,
        moment: &mut Moment,
    ) -> Option<(NativeStack, Option<FrameSnapshot>)> {
        let mut registers = thread.registers?;
        let is_code = |at: u64| self.code.iter().any(|mapping| mapping.range.contains(&at));
        let target = registers[RIP];
        let caller = || read_u64(memory, registers[RSP]).ok().filter(|&caller| is_code(caller));
        let mut astray = None;
        if !is_code(target)
            && let Some(caller) = caller()
        {
            // Within the call, as it is with other callers.
            registers[RIP] = caller - 1;
            registers[RSP] = registers[RSP].saturating_add(8);
            let name = format!("{target:#x}, where no code is");
            astray = Some(FrameSnapshot { name, ..FrameSnapshot::default() });
        }
        let whole = self.native.follow_dead(memory, &Registers::all(registers), &mut moment.native_frames);
        Some((NativeStack { tid: thread.tid, first: 0, end: moment.native_frames.len(), whole }, astray))
    }

    /// Names the native frames that are inside of the interpreter's innermost call.
    fn name(&mut self, moment: &Moment, memory: &Pages<'_>, into: &mut Vec<FrameSnapshot>) {
        for &NativeFrame { at, .. } in &moment.native_frames {
            if !self.native.learn(at, (None, memory), &mut self.tables) {
                self.native.await_answer(at, &mut self.tables);
            }
            let Some(known) = self.native.known(at) else { continue };
            if matches!(known.kind, Kind::Loop | Kind::SplitLoop) {
                break;
            }
            if !known.is_plumbing || self.naming.full_stack {
                into.extend(known.frames.iter().rev().filter_map(|frame| frame_of(&self.tables, frame.id, true)));
            }
        }
    }
}
