//! What is asked for again, in which order, and where it is found.

use std::cell::Cell;

use super::order::STILL_AFTER;
use super::refill::FORGET_ONCE_AFTER;
use super::*;

/// Two runs of pages with a hole between them; each byte is its page's number plus the number of calls so far.
struct Fake {
    calls: Cell<u8>,
}

impl Memory for Fake {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let page = at / PAGE as Addr;
        if page == 5 || page >= 10 {
            return Err(Fault::unmapped(at, into.len()));
        }
        into.fill(page as u8 * 16 + self.calls.get());
        Ok(())
    }

    fn read_many(&self, spans: &[Span], into: &mut [u8]) -> Result<usize, Fault> {
        self.calls.set(self.calls.get() + 1);
        let mut done = 0;
        for &(at, len) in spans {
            for page in (at..at + len as Addr).step_by(PAGE) {
                let len = len.min(PAGE);
                if self.read(page, &mut into[done..done + len]).is_err() {
                    return Ok(done);
                }
                done += len;
            }
        }
        Ok(done)
    }
}

fn read(window: &mut Window, memory: &Fake, page: Addr) -> Option<u8> {
    let mut byte = [0];
    window.read(memory, window.copies() - 1, page * PAGE as Addr + 7, &mut byte).ok().map(|()| byte[0])
}

#[test]
fn what_was_touched_is_read_again_in_one_call() {
    for copies in [1, 3] {
        let memory = Fake { calls: Cell::new(0) };
        let mut window = Window::new(copies);
        window.refill(&memory, (0, 0), &mut []).expect("nothing to read");
        assert_eq!(read(&mut window, &memory, 2), Some(0x22));
        assert_eq!(read(&mut window, &memory, 1), Some(0x13));
        assert_eq!(read(&mut window, &memory, 4), Some(0x44));
        assert_eq!(window.misses(), 3);
        let mut tail = [0; 2];
        window.refill(&memory, (3 * PAGE as Addr, 2), &mut tail).expect("all is there");
        assert_eq!(memory.calls.get(), 5);
        assert_eq!(tail, [0x35; 2]);
        assert_eq!([2, 1, 4].map(|page| read(&mut window, &memory, page)), [Some(0x25), Some(0x15), Some(0x45)]);
        assert_eq!((window.misses(), memory.calls.get()), (0, 5));
    }
}

#[test]
fn a_read_over_two_pages_is_put_together() {
    let memory = Fake { calls: Cell::new(0) };
    let mut window = Window::new(1);
    let mut bytes = [0; 4];
    window.read(&memory, 0, 3 * PAGE as Addr - 2, &mut bytes).expect("both pages");
    assert_eq!(bytes, [0x21, 0x21, 0x32, 0x32]);
    assert!(window.read(&memory, 0, 5 * PAGE as Addr - 2, &mut bytes).is_err());
    assert!(window.read(&memory, 0, u64::MAX - 1, &mut bytes).is_err());
}

#[test]
fn a_page_that_went_away_does_not_hide_the_others() {
    let memory = Fake { calls: Cell::new(0) };
    let mut window = Window::new(2);
    assert!(read(&mut window, &memory, 1).is_some() && read(&mut window, &memory, 8).is_some());
    window.singles.push(Slot::new(5 * PAGE as Addr, 0));
    window.refill(&memory, (0, 0), &mut []).expect("the hole is left out");
    assert_eq!(window.slots.len(), 2);
    let calls = memory.calls.get();
    assert!(read(&mut window, &memory, 1).is_some() && read(&mut window, &memory, 8).is_some());
    assert_eq!(memory.calls.get(), calls);
}

#[test]
fn what_is_not_touched_is_forgotten() {
    let memory = Fake { calls: Cell::new(0) };
    let mut window = Window::new(1);
    assert!(read(&mut window, &memory, 1).is_some() && read(&mut window, &memory, 2).is_some());
    let mut refill = |touch: &[Addr]| {
        window.refill(&memory, (0, 0), &mut []).expect("all is there");
        memory.calls.set(0);
        assert!(touch.iter().all(|&page| read(&mut window, &memory, page).is_some()));
        window.slots.len()
    };
    // Page 2 is touched in two ticks, page 1 in one.
    assert_eq!(refill(&[2, 3]), 2);
    assert_eq!((0..=FORGET_ONCE_AFTER).map(|_| refill(&[3])).last(), Some(2));
    assert_eq!((0..=FORGET_AFTER).map(|_| refill(&[3])).last(), Some(1));
}

/// A page's number and how many pages were read before it in the same call.
struct Counting;

impl Memory for Counting {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.read_many(&[(at, into.len())], into).map(|_| ())
    }

    fn read_many(&self, spans: &[Span], into: &mut [u8]) -> Result<usize, Fault> {
        let length: usize = spans.iter().map(|span| span.1).sum();
        into[..length].chunks_mut(PAGE).enumerate().for_each(|(count, page)| page.fill(count as u8));
        Ok(length)
    }
}

/// Looks at all copies of a chain with its head in page 9, and of its pages.
fn look(window: &mut Window, near: u32, pages: &[Addr]) -> Vec<Vec<u8>> {
    let mut seen = vec![Vec::new(); 1 + pages.len()];
    let mut byte = [0];
    for copy in 0..window.copies() {
        window.begin(ALL_NEAR);
        window.read(&Counting, copy, 9 * PAGE as Addr, &mut byte).expect("it is there");
        seen[0].push(byte[0]);
        window.begin(near);
        for (seen, &page) in seen[1..].iter_mut().zip(pages) {
            window.read(&Counting, copy, page * PAGE as Addr, &mut byte).expect("it is there");
            seen.push(byte[0]);
        }
    }
    seen
}

fn refill(window: &mut Window) {
    window.refill(&Counting, (0, 0), &mut []).expect("all is there");
}

#[test]
fn what_is_far_is_copied_twice_and_what_is_near_around_it() {
    let mut window = Window::new(6);
    look(&mut window, 1, &[4, 3, 2]);
    assert!(window.lacks());
    refill(&mut window);
    // 9 4 9 [2 3] | 4 9 | 9 4 9 | [2 3] 4 9: neighbours that are far upwards.
    let seen = [[0, 2, 6, 7, 9, 13], [1, 1, 5, 8, 8, 12], [4, 4, 4, 4, 4, 11], [3, 3, 3, 3, 3, 10]];
    assert_eq!(look(&mut window, 1, &[4, 3, 2]), seen);
    assert!(!window.lacks());
    // What was far is near now: it takes another refill, and stays so for a while.
    look(&mut window, 2, &[4, 3, 2]);
    assert!(window.lacks());
    refill(&mut window);
    let page_3 = &look(&mut window, 1, &[4, 3, 2])[2];
    assert_eq!(page_3.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    for _ in 0..=FORGET_AFTER {
        assert!(!window.lacks());
        refill(&mut window);
        look(&mut window, 1, &[4, 3, 2]);
    }
    refill(&mut window);
    assert_eq!(look(&mut window, 1, &[4, 3, 2]), seen);
}

#[test]
fn what_is_still_is_copied_less_often_until_it_moves() {
    let mut window = Window::new(6);
    for _ in 0..=STILL_AFTER + 1 {
        look(&mut window, 1, &[4, 3, 2]);
        window.moved(3 * PAGE as Addr + 8);
        refill(&mut window);
    }
    // 9 [3 4] | 9 | [2] 9 | [3 4] 9: what is far but moves, and what is near but does not, have two copies.
    let seen = look(&mut window, 1, &[4, 3, 2]);
    let different = |copies: &Vec<u8>| copies.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(seen.iter().map(different).collect::<Vec<_>>(), [4, 2, 2, 1]);
    let once = seen[3][0];
    assert!(seen[0].iter().filter(|&&at| at < once).count() == 3, "the one copy is in the middle: {seen:?}");
    assert!(!window.lacks());
    window.moved(2 * PAGE as Addr);
    assert!(window.lacks());
    refill(&mut window);
    let seen = look(&mut window, 1, &[4, 3, 2]);
    assert_eq!(seen.iter().map(different).collect::<Vec<_>>(), [4, 2, 2, 2]);
}
