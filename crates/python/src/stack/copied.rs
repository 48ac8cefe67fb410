//! The frames of a thread as somebody else has copied them: of each only the words that the walk needs.

use py_spy_address_space::Addr;

use super::{RawFrame, Stack, Steps};
use crate::circle::Circle;
use crate::layout::{Entry, Frame, Layout, Offset, Position, Root, Running};
use crate::object::Unreadable;

/// No layout needs more words of a frame than this.
pub const MAX_WORDS: usize = 8;

/// Which words of a frame the walk needs, of 8 bytes each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameWords(Vec<Offset>);

impl FrameWords {
    /// Those of a layout; `None` when they are too many, which no known layout has.
    pub fn of(layout: &Frame) -> Option<FrameWords> {
        let position = if layout.position == Position::Pointer { 8 } else { 4 };
        let mut fields = vec![(layout.previous, 8), (layout.code, 8), (layout.position_at, position)];
        match layout.root {
            Root::Any => {}
            Root::NoGenerator { generator } => fields.push((generator, 8)),
            Root::NotOwnedBy { owner, .. } | Root::Shim { owner, .. } => fields.push((owner, 1)),
        }
        match layout.entry {
            Entry::Always => {}
            Entry::Flag(flag) => fields.push((flag, 1)),
            Entry::BelowShim { owner, .. } => fields.push((owner, 1)),
        }
        match layout.running {
            Running::Unknown => {}
            Running::Counted { references, stack_top } => fields.extend([(references, 4), (stack_top, 8)]),
            Running::Byte { at, .. } => fields.push((at, 1)),
        }
        let word = |offset: Offset| offset / 8 * 8;
        let words = fields.iter().flat_map(|&(at, length)| [word(at), word(at + length - 1)]);
        let mut words: Vec<Offset> = words.collect();
        words.sort_unstable();
        words.dedup();
        let fits = words.len() <= MAX_WORDS && words.last().is_some_and(|last| last + 8 <= Frame::MAX_SIZE);
        // The caller's address must be a word by itself, for whoever copies to follow it.
        (fits && layout.previous.is_multiple_of(8)).then_some(FrameWords(words))
    }

    /// Their offsets, in order; each a multiple of 8 below [`Frame::MAX_SIZE`].
    pub fn offsets(&self) -> &[Offset] {
        &self.0
    }

    /// Follows frames of which these words were copied one after the other, the innermost first, and appends them to
    /// `frames`. [`Stack::Cut`] when there are not as many as the chain has.
    ///
    /// # Errors
    /// When the chain does not end.
    pub fn walk(
        &self,
        layout: &Layout,
        (innermost, base): (Addr, Option<Addr>),
        words: &[u64],
        frames: &mut Vec<RawFrame>,
    ) -> Result<Stack, Unreadable> {
        let first = frames.len();
        let mut bytes = [0; Frame::MAX_SIZE as usize];
        let mut steps = Steps { layout, base, frames, first, circle: Circle::default(), root: true };
        let mut words = words.chunks_exact(self.0.len().max(1));
        let mut next = innermost;
        while next != 0 && !steps.ends_at(next) {
            let Some(words) = words.next() else { return Ok(Stack::Cut) };
            for (&offset, word) in self.0.iter().zip(words) {
                if let Some(place) = bytes.get_mut(offset as usize..offset as usize + 8) {
                    place.copy_from_slice(&word.to_le_bytes());
                }
            }
            next = steps.take(next, &bytes)?;
        }
        Ok(if steps.root { Stack::Whole } else { Stack::Cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout;

    #[test]
    fn all_layouts_need_few_words() {
        let free = layout::KNOWN_FREE_THREADED.iter().copied();
        for (version, row) in layout::known().chain(free) {
            let words = FrameWords::of(&row.frame).unwrap_or_else(|| panic!("{version}"));
            assert!(words.offsets().is_sorted() && words.offsets().len() >= 3, "{version}: {words:?}");
        }
    }

    #[test]
    fn any_words_have_an_end() {
        let (_, layout) = layout::KNOWN.last().expect("a row");
        let words = FrameWords::of(&layout.frame).expect("few");
        let previous = words.offsets().iter().position(|&at| at == layout.frame.previous).expect("it is one");
        let mut copied = vec![0; words.offsets().len() * 3];
        // A frame that is its own caller.
        copied[previous] = 0x1000;
        copied[previous + words.offsets().len()] = 0x1000;
        copied[previous + words.offsets().len() * 2] = 0x1000;
        let mut frames = Vec::new();
        assert!(!matches!(words.walk(layout, (0x1000, None), &copied, &mut frames), Ok(Stack::Whole)));
        frames.clear();
        assert_eq!(words.walk(layout, (0x1000, None), &[], &mut frames), Ok(Stack::Cut));
        assert_eq!(words.walk(layout, (0, None), &[], &mut frames), Ok(Stack::Whole));
        assert!(frames.is_empty());
    }
}
