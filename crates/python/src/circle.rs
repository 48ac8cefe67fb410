//! Lists of the program that bite their own tail.

use py_spy_address_space::Addr;

/// Notices that a list is a circle, with one remembered address that is moved at each power of two (Brent 1980).
#[derive(Debug, Default)]
pub(crate) struct Circle {
    seen: Addr,
    count: usize,
    until: usize,
}

impl Circle {
    /// Takes the next address of the list, which is not 0; true when it was there before, at the latest after twice the
    /// circle's length.
    pub(crate) fn closes(&mut self, at: Addr) -> bool {
        if at == self.seen {
            return true;
        }
        if self.count >= self.until {
            self.seen = at;
            self.until = self.until.max(1) * 2;
        }
        self.count += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_noticed_and_long_lists_are_none() {
        let mut straight = Circle::default();
        assert!((1..100_000).all(|at| !straight.closes(at)));
        for (lead, length) in [(0, 1), (0, 2), (5, 1), (7, 3), (100, 1000)] {
            let mut circle = Circle::default();
            let list = (1..=lead + length).chain((0..).map(|step| lead + 1 + step % length));
            let steps = list.take_while(|&at| !circle.closes(at)).count() as u64;
            assert!(steps >= lead + length && steps <= 4 * (lead + length), "{lead} {length}: {steps}");
        }
    }
}
