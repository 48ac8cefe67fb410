//! Stacks with native frames, which wait until those have their names.

use std::collections::VecDeque;

use py_spy_address_space::{Addr, Memory};
use py_spy_profile::{Sink, StackId, Tables};
use py_spy_target::Target;

use super::add;
use super::written::Written;
use crate::kernel_names::KernelNames;
use crate::native::Native;
use crate::stacks::mixed::{Both, Mixed};
use crate::{Control, End};

/// No more wait; beyond that the sampler waits for the names. A stack of a hundred frames takes some 2 KiB.
const MAX_PARKED: usize = 1 << 13;

/// A sample.
pub(super) struct Parked {
    pub(super) written: Written,
    /// Its Python and native frames; `None` when those of native code could not be had.
    pub(super) both: Option<Both>,
    /// Its Python frames alone.
    pub(super) plain: Result<Option<StackId>, ()>,
    /// The kernel's frames inside of these, innermost first.
    pub(super) kernel: Box<[Addr]>,
    /// The thread runs.
    pub(super) active: bool,
}

/// Samples in the order in which they were taken, which is that in which they are written.
#[derive(Default)]
pub(super) struct Queue(VecDeque<Parked>);

/// What is needed to write one.
pub(super) struct Writer<'a> {
    pub(super) native: &'a mut Native,
    pub(super) target: &'a Target,
    pub(super) memory: &'a dyn Memory,
    pub(super) full_stack: bool,
    pub(super) control: &'a Control,
    pub(super) kernel_names: Option<&'a mut KernelNames>,
    pub(super) tables: &'a mut Tables,
    pub(super) sink: &'a mut dyn Sink,
}

impl Queue {
    pub(super) fn push(&mut self, parked: Parked) {
        self.0.push_back(parked);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes what has its names, up to the first that has not. With `wait` all.
    pub(super) fn write(&mut self, writer: &mut Writer<'_>, wait: bool) -> Option<End> {
        writer.native.make_room();
        writer.native.hear(writer.tables);
        while let Some(first) = self.0.front() {
            let wait = wait || self.0.len() > MAX_PARKED;
            let process = (Some(writer.target), writer.memory);
            if let Some(both) = &first.both
                && !both.is_known(writer.native, process, writer.tables, wait)
            {
                // The others' are asked for at once too, as they come.
                if let Some(last) = self.0.back().and_then(|last| last.both.as_ref()) {
                    last.is_known(writer.native, process, writer.tables, false);
                }
                break;
            }
            if let Some(end) = self.0.pop_front().and_then(|first| first.write(writer)) {
                return Some(end);
            }
        }
        None
    }
}

impl Parked {
    fn write(self, writer: &mut Writer<'_>) -> Option<End> {
        let Parked { written, both, plain, kernel, active } = self;
        let Writer { native, full_stack, control, kernel_names, tables, sink, .. } = writer;
        let mixed = both.map_or(Mixed::Unmerged, |both| both.mix(native, written.root, *full_stack, tables));
        let (stack, lacks) = match mixed {
            Mixed::Stack { stack, cut } => (Ok(stack), cut),
            Mixed::Unmerged => (plain, true),
        };
        if lacks && matches!(stack, Ok(Some(_))) {
            add(if active { &control.unmerged } else { &control.cut }, 1);
        }
        let stack = stack.map(|stack| match (stack, kernel_names) {
            (Some(stack), Some(names)) => Some(names.put(&kernel, stack, tables)),
            (stack, _) => stack,
        });
        written.give(stack, control, tables, *sink)
    }
}
