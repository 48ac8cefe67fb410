//! Whether the code objects that ticks have seen are still the ones that ran.

use py_spy_python::Reader;
use rustc_hash::FxHashSet;

use super::Ticked;
use crate::moment::Watch;

impl Watch {
    /// Takes from the stacks what runs code objects that have become others since the last look, and what is inside of
    /// that; how many stacks it was.
    pub(super) fn check_codes(&mut self, ticked: &mut Ticked) -> u64 {
        let epoch = self.code_epoch();
        if ticked.stacks.is_empty() {
            return 0;
        }
        if self.code_window.refill(&self.memory, (0, 0), &mut []).is_err() {
            // The process is gone: whether it still was the same code at its end can not be told any more.
            ticked.missed += ticked.stacks.len() as u64;
            ticked.stacks.clear();
            return 0;
        }
        let mut reader = Reader::new(&mut self.code_window, &self.memory, 0);
        let layout = &self.python.layout;
        let (mut good, mut bad) = (FxHashSet::default(), FxHashSet::default());
        let mut replaced = 0;
        for stack in &mut ticked.stacks {
            let frames = &ticked.frames[stack.first..stack.end];
            let mut last = None;
            let known = frames.iter().rposition(|frame| {
                // Recursion: once is enough.
                if frame.shim || good.contains(&frame.code) || last.replace(frame.code) == Some(frame.code) {
                    return false;
                }
                let before = self.codes.replaced;
                let stays = !bad.contains(&frame.code)
                    && self.codes.may_be(&mut reader, layout, frame.code)
                    && self.codes.check(&mut reader, layout, frame.code, epoch).is_ok()
                    && self.codes.replaced == before;
                replaced += u64::from(self.codes.replaced != before);
                if stays {
                    good.insert(frame.code)
                } else {
                    bad.insert(frame.code)
                };
                !stays
            });
            if let Some(bad) = known {
                (stack.first, stack.moving) = (stack.first + bad + 1, true);
            }
        }
        self.codes.read_new(&self.memory, layout, usize::MAX);
        replaced
    }
}
