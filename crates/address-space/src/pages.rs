//! Another memory, read page by page and each page once.

use std::cell::RefCell;

use crate::{Addr, Fault, Memory, Window};

/// Another memory, read page by page and each page once: for whoever follows many small pointers through it and lives
/// no longer than what it reads holds still.
pub struct Pages<'a> {
    memory: &'a dyn Memory,
    window: RefCell<Window>,
}

impl<'a> Pages<'a> {
    /// Nothing is read yet.
    pub fn of(memory: &'a dyn Memory) -> Self {
        Pages { memory, window: RefCell::new(Window::new(1)) }
    }
}

impl Memory for Pages<'_> {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.window.borrow_mut().read(self.memory, 0, at, into)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::PAGE;

    /// Counts what is read from it.
    struct Counting(Cell<usize>);

    impl Memory for Counting {
        fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
            self.0.set(self.0.get() + 1);
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
}
