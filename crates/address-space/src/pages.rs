//! Another memory, read page by page and each page once.

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::{Addr, Fault, FaultKind, Memory, PAGE, Window};

/// Another memory, read page by page and each page once: for whoever follows many small pointers through it and lives
/// no longer than what it reads holds still.
pub struct Pages<'a> {
    memory: &'a dyn Memory,
    window: RefCell<Window>,
    /// Pages where nothing is, the last ones that were asked for: null pointers are asked for again and again.
    missing: RefCell<VecDeque<Addr>>,
}

/// So many pages where nothing is are remembered.
const MAX_MISSING: usize = 8;

impl<'a> Pages<'a> {
    /// Nothing is read yet.
    pub fn of(memory: &'a dyn Memory) -> Self {
        Pages { memory, window: RefCell::new(Window::new(1)), missing: RefCell::default() }
    }
}

impl Memory for Pages<'_> {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let page = at & !(PAGE as Addr - 1);
        let mut missing = self.missing.borrow_mut();
        if missing.contains(&page) && !into.is_empty() {
            return Err(Fault::unmapped(page, PAGE));
        }
        let read = self.window.borrow_mut().read(self.memory, 0, at, into);
        if let Err(Fault { at, why: FaultKind::Unmapped, .. }) = read
            && at & !(PAGE as Addr - 1) == page
        {
            missing.truncate(MAX_MISSING - 1);
            missing.push_front(page);
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Counts what is read from it.
    struct Counting(Cell<usize>);

    impl Memory for Counting {
        fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
            self.0.set(self.0.get() + 1);
            if at < PAGE as Addr {
                return Err(Fault::unmapped(at, into.len()));
            }
            into.fill((at / PAGE as Addr) as u8);
            Ok(())
        }
    }

    #[test]
    fn a_page_is_read_once() {
        let memory = Counting(Cell::new(0));
        let pages = Pages::of(&memory);
        let mut bytes = [0; 4];
        for at in [3 * PAGE, 3 * PAGE + 100, 4 * PAGE - 2, 4 * PAGE + 9] {
            pages.read(at as Addr, &mut bytes).expect("readable");
        }
        assert_eq!((bytes, memory.0.get()), ([4; 4], 2));
    }
    #[test]
    fn so_is_one_where_nothing_is() {
        let memory = Counting(Cell::new(0));
        let pages = Pages::of(&memory);
        for at in [0, 8, 0] {
            assert_eq!(pages.read(at, &mut [0; 8]), Err(Fault::unmapped(0, PAGE)));
        }
        assert_eq!(memory.0.get(), 1);
        pages.read(PAGE as Addr, &mut [0; 8]).expect("readable");
    }
}
