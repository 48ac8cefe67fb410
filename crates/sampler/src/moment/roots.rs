//! Where the stacks of a thread end.

use py_spy_address_space::Addr;

/// Different outermost frames of one thread that are counted.
const MAX_KNOWN: usize = 16;

/// A thread's stacks end at a frame that was the outermost in at least one look of so many. Frames that only look so were
/// seen in up to 2 % of the looks at a program that does nothing but recurse.
const RARE: u32 = 8;

/// Where the stacks of one thread state have ended so far. Up to 3.11 a frame that has just been left is cut from its
/// caller and looks like an outermost one. The true one mostly stays the same as long as its thread lives, and where C
/// calls Python again and again there are a few; those that only look so are rare.
#[derive(Debug, Default)]
pub(super) struct Roots {
    known: Vec<(Addr, u32)>,
    looks: u32,
}

impl Roots {
    /// Counts one more stack that ends at this frame. True when that is where this thread's stacks do end.
    pub(super) fn is_usual(&mut self, root: Addr) -> bool {
        if self.looks == u32::MAX {
            self.known.iter_mut().for_each(|known| known.1 /= 2);
            self.looks /= 2;
        }
        self.looks += 1;
        let enough = self.looks.div_ceil(RARE).max(2);
        if let Some(known) = self.known.iter_mut().find(|known| known.0 == root) {
            known.1 += 1;
            return known.1 >= enough;
        }
        if self.known.len() >= MAX_KNOWN {
            // The rarest one makes room.
            self.known.sort_unstable_by_key(|known| std::cmp::Reverse(known.1));
            self.known.pop();
        }
        self.known.push((root, 1));
        // Of the very first nothing is known against it.
        self.looks == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rare_is_no_root() {
        let mut roots = Roots::default();
        assert!(roots.is_usual(1000));
        for look in 0..10_000 {
            assert!(roots.is_usual(1000));
            if look % 50 == 49 {
                assert!(!roots.is_usual(1), "look {look}");
            }
        }
    }

    #[test]
    fn a_thread_may_have_several() {
        let mut roots = Roots::default();
        for look in 0..1000 {
            let root = look % 5;
            // Each is new once; only the very first is believed at once.
            assert_eq!(roots.is_usual(root), look == 0 || look >= 5, "look {look}");
        }
        // A new one is known after some looks.
        assert_eq!((0..1000).find(|_| roots.is_usual(77)), Some(142));
    }
}
