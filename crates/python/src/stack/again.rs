//! The frames of a thread once more, where they are known from another copy.

#[cfg(test)]
mod tests;

use py_spy_address_space::{Addr, PAGE};

use super::{MAX_FRAMES, RawFrame, Reader, Stack, Steps, page_offset};
use crate::circle::Circle;
use crate::layout::{Entry, Frame, Layout, Position, Root, Running};
use crate::object::Unreadable;

/// So many of the next known frames are looked through for one that the walk has come to: between two copies a program
/// calls or returns a few times.
const NEAR: usize = 8;

/// As [`super::walk`], for a stack that was [`Stack::Whole`] in another copy of the same refill, as `known`: what is the
/// same there is compared and not parsed. The frames are those that `walk` gives. The number says how many of them, from
/// the outermost on, were the same in everything.
///
/// # Errors
/// As `walk`.
pub fn walk_again(
    reader: &mut Reader<'_>,
    layout: &Layout,
    (innermost, base): (Addr, Option<Addr>),
    (copy, known): (usize, &[RawFrame]),
    frames: &mut Vec<RawFrame>,
) -> Result<(Stack, usize), Unreadable> {
    let first = frames.len();
    let size = (layout.frame.size as usize).min(Frame::MAX_SIZE as usize);
    let mut scratch = [0; Frame::MAX_SIZE as usize];
    let mut steps = Steps { layout, base, frames, first, circle: Circle::default(), root: true };
    // The outermost frame is not read where the thread state says where it is; and where that is must not change.
    let (mut known, end) = match (base, known.split_last()) {
        (Some(base), Some((last, callees))) if base == last.at => (callees, base),
        (Some(_), _) => (&[][..], 0),
        (None, _) => (known, 0),
    };
    let mut shared = 0;
    let mut next = innermost;
    while next != 0 {
        if steps.ends_at(next) {
            shared += usize::from(next == end);
            break;
        }
        shared = 0;
        if let Some(skip) = known.iter().take(NEAR).position(|frame| frame.at == next) {
            known = &known[skip..];
            shared = same(reader, &layout.frame, size, copy, known)?;
            let (run, rest) = known.split_at(shared);
            steps.adopt(run)?;
            known = rest;
            if !run.is_empty() {
                next = rest.first().map_or(end, |frame| frame.at);
                // Of the same frames the outermost is one.
                steps.root = true;
                continue;
            }
        }
        let bytes = reader.view(next, &mut scratch[..size])?;
        next = steps.take(next, bytes)?;
    }
    Ok((if steps.root { Stack::Whole } else { Stack::Cut }, shared))
}

impl Steps<'_> {
    /// Takes frames that are known.
    fn adopt(&mut self, run: &[RawFrame]) -> Result<(), Unreadable> {
        let Some(head) = run.first() else { return Ok(()) };
        if self.frames.len() - self.first + run.len() > MAX_FRAMES {
            return Err(Unreadable::Nonsense("a chain of frames", head.at));
        }
        self.calls(head.shim);
        self.frames.extend_from_slice(run);
        Ok(())
    }
}

/// How many of these frames, from the first on, are the same in the other copy.
fn same(
    reader: &mut Reader<'_>,
    layout: &Frame,
    size: usize,
    copy: usize,
    known: &[RawFrame],
) -> Result<usize, Unreadable> {
    let mut done = 0;
    while let Some(frame) = known.get(done) {
        let start = frame.at - page_offset(frame.at) as Addr;
        let within = |frame: &&RawFrame| frame.at.wrapping_sub(start) <= (PAGE - size) as Addr;
        let run = known[done..].iter().take_while(within).count();
        if run == 0 {
            // It lies across two pages: rare enough to be parsed.
            return Ok(done);
        }
        let run = &known[done..done + run];
        let [a, b] = reader.pair(copy, start)?;
        if !std::ptr::eq(a, b) && !same_run(layout, size, a, b, run) {
            return Ok(done + run.iter().take_while(|frame| same_frame(layout, size, a, b, frame)).count());
        }
        done += run.len();
    }
    Ok(done)
}

/// True when the first of these frames is the same in both pages, and all from the first to the last byte of the others:
/// the quick way, for callers stand still.
fn same_run(layout: &Frame, size: usize, a: &[u8; PAGE], b: &[u8; PAGE], run: &[RawFrame]) -> bool {
    let Some((head, callers)) = run.split_first() else { return true };
    let offsets = || callers.iter().map(|frame| page_offset(frame.at));
    let callers = offsets().min().zip(offsets().max());
    same_frame(layout, size, a, b, head) && callers.is_none_or(|(from, to)| a[from..to + size] == b[from..to + size])
}

/// True when everything that the walk reads of a frame is the same in both pages.
fn same_frame(layout: &Frame, size: usize, a: &[u8; PAGE], b: &[u8; PAGE], frame: &RawFrame) -> bool {
    let at = page_offset(frame.at);
    let (a, b) = (&a[at..at + size], &b[at..at + size]);
    let same = |offset: u32, len: usize| {
        let range = offset as usize..offset as usize + len;
        a.get(range.clone()) == b.get(range)
    };
    let position = if layout.position == Position::Pointer { 8 } else { 4 };
    same(layout.previous, 8)
        && same(layout.code, 8)
        && same(layout.position_at, position)
        && match layout.root {
            Root::Any => true,
            Root::NoGenerator { generator } => same(generator, 8),
            Root::NotOwnedBy { owner, .. } | Root::Shim { owner, .. } => same(owner, 1),
        }
        && match layout.entry {
            Entry::Always => true,
            Entry::Flag(flag) => same(flag, 1),
            Entry::BelowShim { owner, .. } => same(owner, 1),
        }
        && match layout.running {
            Running::Unknown => true,
            Running::Counted { references, stack_top } => same(references, 4) && same(stack_top, 8),
            Running::Byte { at, .. } => same(at, 1),
        }
}
