//! Native frames in a snapshot.

use std::ops::Range;

use py_spy_profile::Tables;

use super::{Halted, frame_of};
use crate::moment::{NativeStack, Part, Watch};
use crate::stacks::Namer;
use crate::stacks::mixed::{Both, Mixed};
use crate::thread_state::ThreadState;
use crate::{FrameSnapshot, Sampler, ThreadSnapshot};

impl Sampler {
    /// The threads that are in no interpreter's list, where those are wanted; what they are doing if it is known who is stopped.
    pub(super) fn strangers(
        &mut self,
        states: Option<&Halted>,
        running: &[u32],
        tables: &mut Tables,
    ) -> Vec<ThreadSnapshot> {
        let Watch { roster, moment, .. } = &self.watch;
        let known = |tid| roster.members.iter().any(|member| member.tid == Some(tid));
        let strangers: Vec<NativeStack> = moment.natives.iter().filter(|stack| !known(stack.tid)).copied().collect();
        let mut threads = Vec::new();
        for stack in strangers {
            let active = running.contains(&stack.tid);
            let call = self.watch.calls.get(&stack.tid);
            threads.push(ThreadSnapshot {
                os_thread_id: Some(stack.tid),
                thread_id: 0,
                name: self.watch.target.thread_name(stack.tid),
                active,
                owns_gil: false,
                state: states.map(|halted| {
                    let state = ThreadState::of(active, false, call, None, None, false);
                    match halted.get(&stack.tid) {
                        Some(&halted) => state.halted(halted),
                        None => state,
                    }
                }),
                frames: self.mixed(Some(stack), 0..0, tables).unwrap_or_default(),
            });
        }
        threads
    }

    /// A part's frames with the native ones between them, innermost first; `None` when they are not wanted, or do not
    /// fit together.
    pub(super) fn mixed_frames(&mut self, part: &Part, tables: &mut Tables) -> Option<Vec<FrameSnapshot>> {
        let Watch { moment, roster, .. } = &self.watch;
        let tid = roster.members[part.member].tid?;
        // A thread that is in several interpreters has one native stack.
        let alone = moment.parts.iter().filter(|other| roster.members[other.member].tid == Some(tid)).count() == 1;
        let stack = moment.natives.iter().find(|stack| stack.tid == tid).copied();
        if alone { self.mixed(stack, part.first..part.end, tables) } else { None }
    }

    /// A native stack and these Python frames of the moment in one, innermost first.
    fn mixed(
        &mut self,
        stack: Option<NativeStack>,
        frames: Range<usize>,
        tables: &mut Tables,
    ) -> Option<Vec<FrameSnapshot>> {
        let naming = self.options.naming();
        let Watch { codes, memory, python, moment, native, target, .. } = &mut self.watch;
        let (memory, layout) = (&*memory, &python.layout);
        let mut namer = Namer { codes, files: &mut self.files, memory, layout, tables, naming };
        let frames = moment.frames[frames].iter().rev();
        let native = native.as_mut()?;
        let both = Both::of(&moment.native_frames, &stack?, frames, &mut namer).ok()?;
        both.is_known(native, (Some(target), memory), namer.tables, true);
        let Mixed::Stack { stack: Some(stack), .. } = both.mix(native, None, naming.full_stack, namer.tables) else {
            return None;
        };
        let mut ids = Vec::new();
        tables.unfold(stack, &mut ids);
        let full = self.options.full_filenames;
        Some(ids.into_iter().rev().filter_map(|id| frame_of(tables, id, full)).collect())
    }
}
