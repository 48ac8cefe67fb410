//! What a moment is: stacks, and what is known of them.

use py_spy_native::NativeFrame;
use py_spy_python::RawFrame;
use rustc_hash::FxHashMap;

use super::values::{About, Variable};

/// One thread state's frames in a [`Moment`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Index into [`Roster::members`].
    pub(crate) member: usize,
    /// The frames, innermost first, as a range of [`Moment::frames`].
    pub(crate) first: usize,
    pub(crate) end: usize,
    /// It holds its GIL.
    pub(crate) holds_gil: bool,
    /// Frames inside of the first one were moving and are not known.
    pub(crate) moving: bool,
    /// From here to the end it was the whole stack in the first copy of this refill of the window; `None` if it was not.
    pub(super) walked: Option<usize>,
    pub(super) refill: u32,
    /// So many of the outermost frames were the same, and their code objects checked, in the moment before.
    pub(super) stood: usize,
    /// [`Watch::code_epoch`] when the code objects of the others were checked.
    pub(super) epoch: u64,
}

/// One thread's native frames in a [`Moment`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct NativeStack {
    pub(crate) tid: u32,
    /// The frames, innermost first, as a range of [`Moment::native_frames`].
    pub(crate) first: usize,
    pub(crate) end: usize,
    /// They reach the thread's start.
    pub(crate) whole: bool,
}

/// Stacks that stood at one moment.
#[derive(Debug, Default)]
pub(crate) struct Moment {
    pub(crate) frames: Vec<RawFrame>,
    pub(crate) parts: Vec<Part>,
    /// Members whose thread state is no longer theirs: they have no frames.
    pub(crate) gone: Vec<usize>,
    /// Native frames, where those are wanted.
    pub(crate) native_frames: Vec<NativeFrame>,
    /// The threads that have some.
    pub(crate) natives: Vec<NativeStack>,
    /// Thread states whose frames could not be read truly.
    pub(crate) dropped: usize,
    /// [`Roster::version`] when the first part was made, and whether another part was made at another one: what the parts
    /// say of members is not to be trusted then.
    pub(super) roster: u64,
    pub(super) mixed: bool,
    /// The variables of frames, by their index, where those are wanted.
    pub(crate) values: FxHashMap<usize, Vec<Variable>>,
    /// What the threads are about, by member, where that is wanted.
    pub(crate) about: FxHashMap<usize, About>,
}

impl Moment {
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.parts.clear();
        self.gone.clear();
        self.native_frames.clear();
        self.natives.clear();
        self.dropped = 0;
        self.mixed = false;
        self.values.clear();
        self.about.clear();
    }

    /// How far it has been filled.
    pub(super) fn mark(&self) -> [usize; 6] {
        let native = [self.native_frames.len(), self.natives.len()];
        [self.frames.len(), self.parts.len(), self.gone.len(), self.dropped, native[0], native[1]]
    }

    /// Forgets what was put in since.
    pub(super) fn rewind(&mut self, [frames, parts, gone, dropped, native_frames, natives]: [usize; 6]) {
        self.frames.truncate(frames);
        self.values.retain(|&frame, _| frame < frames);
        self.parts.truncate(parts);
        self.gone.truncate(gone);
        self.native_frames.truncate(native_frames);
        self.natives.truncate(natives);
        self.dropped = dropped;
    }

    /// Puts a part in that was made when the roster was this one.
    pub(super) fn push(&mut self, part: Part, roster: u64) {
        if self.parts.is_empty() {
            self.roster = roster;
            self.mixed = false;
        }
        self.mixed |= self.roster != roster;
        self.parts.push(part);
    }
}
