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

/// Beyond those, known frames that are looked through in all: between two ticks a program calls and returns many times.
const MAX_FAR: usize = 256;

/// As [`super::walk`], for a stack that was [`Stack::Whole`] in another copy of the same refill or in the one before, as
/// `known`: what is the same there is compared and not parsed. The frames are those that `walk` gives. The number says how many of them, from
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
    let (mut shared, mut far) = (0, MAX_FAR);
    let mut next = innermost;
    while next != 0 {
        if steps.ends_at(next) {
            shared += usize::from(next == end);
            break;
        }
        shared = 0;
        if let Some(skip) = find(known, next, &mut far) {
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

/// True when a stack that was [`Stack::Whole`] in another copy of the same refill, as `known`, is the same in everything
/// but the position of its innermost frame. (False also where it would have to be parsed to tell.)
///
/// # Errors
/// As `walk`.
pub fn stands(
    reader: &mut Reader<'_>,
    layout: &Layout,
    (innermost, base): (Addr, Option<Addr>),
    (copy, known, runs): (usize, &[RawFrame], &Runs),
) -> Result<bool, Unreadable> {
    let (known, end) = match (base, known.split_last()) {
        (Some(base), Some((last, callees))) if base == last.at => (callees, base),
        (None, Some((last, _))) if !(last.shim && last.code == 0) => (known, 0),
        _ => return Ok(false),
    };
    let Some((head, callers)) = known.split_first() else { return Ok(innermost == end) };
    if head.at != innermost {
        return Ok(false);
    }
    let size = (layout.frame.size as usize).min(Frame::MAX_SIZE as usize);
    let mut scratch = [0; Frame::MAX_SIZE as usize];
    let bytes = reader.view(innermost, &mut scratch[..size])?;
    let (mut frame, previous) = super::parse(&layout.frame, layout.code.bytecode, innermost, bytes);
    if let Entry::BelowShim { .. } = layout.frame.entry {
        // Its caller, which is the same, tells.
        frame.entry = head.entry;
    }
    let same_head = RawFrame { position: head.position, ..frame } == *head
        && previous == callers.first().map_or(end, |caller| caller.at)
        && (previous != 0 || super::is_root(&layout.frame, bytes));
    Ok(same_head && runs.stand(reader, &layout.frame, copy)?)
}

/// Frames beside each other in one page.
#[derive(Debug)]
struct Run {
    first: Addr,
    /// Where they are in the page, up to the last one's start; empty for one that lies across two pages.
    within: std::ops::Range<usize>,
}

/// The callers on a stack, as runs: what is compared as a whole.
#[derive(Debug, Default)]
pub struct Runs(Vec<Run>);

impl Runs {
    /// Of a stack's frames, the innermost first, without that one.
    pub fn find(&mut self, layout: &Layout, frames: &[RawFrame]) {
        self.0.clear();
        let last = PAGE.saturating_sub(layout.frame.size as usize);
        let mut page = None;
        let frames = match frames.split_last() {
            // The frame at the thread state's base is never read.
            Some((last, callees)) if layout.thread.base_frame.is_some() && last.shim && last.code == 0 => callees,
            _ => frames,
        };
        for frame in frames.iter().skip(1) {
            let at = page_offset(frame.at);
            let start = frame.at - at as Addr;
            match self.0.last_mut() {
                _ if at > last => {
                    self.0.push(Run { first: frame.at, within: 0..0 });
                    page = None;
                }
                Some(run) if page == Some(start) => {
                    run.within = run.within.start.min(at)..run.within.end.max(at + 1);
                }
                _ => {
                    self.0.push(Run { first: frame.at, within: at..at + 1 });
                    page = Some(start);
                }
            }
        }
    }

    /// True when they are the same in two copies, to the byte.
    fn stand(&self, reader: &mut Reader<'_>, layout: &Frame, copy: usize) -> Result<bool, Unreadable> {
        let size = (layout.size as usize).min(Frame::MAX_SIZE as usize);
        for Run { first, within } in &self.0 {
            let stands = if within.is_empty() {
                same_across(reader, layout, size, copy, *first)?
            } else {
                let pair = reader.pair(copy, first - page_offset(*first) as Addr)?;
                let bytes = within.start..(within.end - 1 + size).min(PAGE);
                pair.is_some_and(|[a, b]| std::ptr::eq(a, b) || a[bytes.clone()] == b[bytes])
            };
            if !stands {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Where the walk has come to among the known frames.
fn find(known: &[RawFrame], at: Addr, far: &mut usize) -> Option<usize> {
    let (near, rest) = known.split_at(NEAR.min(known.len()));
    near.iter().position(|frame| frame.at == at).or_else(|| {
        let rest = &rest[..rest.len().min(*far)];
        *far -= rest.len();
        Some(NEAR + rest.iter().position(|frame| frame.at == at)?)
    })
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
        // How far the frames behind it that lie in its page reach.
        let (mut run, mut from, mut to) = (0, PAGE, 0);
        for frame in &known[done..] {
            let offset = frame.at.wrapping_sub(start);
            if offset > (PAGE - size) as Addr {
                break;
            }
            if run > 0 {
                (from, to) = (from.min(offset as usize), to.max(offset as usize));
            }
            run += 1;
        }
        if run == 0 {
            if !same_across(reader, layout, size, copy, frame.at)? {
                return Ok(done);
            }
            done += 1;
            continue;
        }
        let run = &known[done..done + run];
        let Some([a, b]) = reader.pair(copy, start)? else { return Ok(done) };
        // The quick way, for callers stand still: from the first to the last byte of them.
        let stood = || same_frame(layout, size, a, b, frame) && (from > to || a[from..to + size] == b[from..to + size]);
        if !std::ptr::eq(a, b) && !stood() {
            return Ok(done + run.iter().take_while(|frame| same_frame(layout, size, a, b, frame)).count());
        }
        done += run.len();
    }
    Ok(done)
}

/// True when everything that the walk reads of a frame that lies across two pages is the same.
fn same_across(
    reader: &mut Reader<'_>,
    layout: &Frame,
    size: usize,
    copy: usize,
    at: Addr,
) -> Result<bool, Unreadable> {
    let (mut before, mut now) = ([0; Frame::MAX_SIZE as usize], [0; Frame::MAX_SIZE as usize]);
    let offset = page_offset(at);
    let start = at - offset as Addr;
    let (head, tail) = (PAGE - offset, offset + size - PAGE);
    // The second page is there: the frame was read when it became known.
    for (start, from, to, len) in [(start, offset, 0, head), (start.wrapping_add(PAGE as Addr), 0, head, tail)] {
        let Some([a, b]) = reader.pair(copy, start)? else { return Ok(false) };
        before[to..to + len].copy_from_slice(&a[from..from + len]);
        now[to..to + len].copy_from_slice(&b[from..from + len]);
    }
    Ok(same_bytes(layout, &before[..size], &now[..size]))
}

/// The same for one that lies in these pages.
fn same_frame(layout: &Frame, size: usize, a: &[u8; PAGE], b: &[u8; PAGE], frame: &RawFrame) -> bool {
    let at = page_offset(frame.at);
    same_bytes(layout, &a[at..at + size], &b[at..at + size])
}

/// The same for the bytes of one frame.
fn same_bytes(layout: &Frame, a: &[u8], b: &[u8]) -> bool {
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
