//! When to look whether a process has loaded another CPython.

use std::time::{Duration, Instant};

/// From the first look to the second, and the longest time between two. A look reads the process's memory map, and a program
/// that loads another CPython mostly does so when it begins.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Each pause is longer than the last by one part in so many: so long, at most, of the time so far is a new one not seen.
const GROWTH: u32 = 8;

/// When to look again.
pub(super) struct More {
    at: Instant,
    pause: Duration,
}

impl More {
    pub(super) fn new() -> More {
        More { at: Instant::now() + FIRST_PAUSE, pause: FIRST_PAUSE }
    }

    /// True when it is time to look.
    pub(super) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = now >= self.at;
        if due {
            self.pause = (self.pause + self.pause / GROWTH).min(LAST_PAUSE);
            self.at = now + self.pause;
        }
        due
    }
}
