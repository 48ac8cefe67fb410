//! What the processes said of themselves (`xtask/programs/truth/sitecustomize.py`), and what py-spy found.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A Python process, by what it said; times since the system started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) begin: Duration,
    /// Not known of one that was killed.
    pub(super) end: Option<Duration>,
}

/// All processes that said that they began.
pub(super) fn lives(log: &Path) -> BTreeMap<u32, Life> {
    let mut lives = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap_or_default().lines() {
        let mut words = line.split(' ');
        let (Some(word), Some(Ok(pid)), Some(Ok(time))) =
            (words.next(), words.next().map(str::parse), words.next().map(str::parse))
        else {
            continue;
        };
        let time = Duration::from_nanos(time);
        // One that becomes another program begins twice.
        let life = lives.entry(pid).or_insert(Life { begin: time, end: None });
        life.end = (word == "end").then_some(time);
    }
    lives
}

/// What a recording has.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Samples by the process of which they are.
    pub(super) samples: BTreeMap<u32, u64>,
    /// Stacks that can not have been.
    pub(super) impossible: Vec<String>,
}

/// Reads a recording in the format `raw`.
pub(super) fn seen(raw: &Path) -> Seen {
    let mut seen = Seen::default();
    for line in std::fs::read(raw).unwrap_or_default().split(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let Some((stack, count)) = line.rsplit_once(' ') else { continue };
        let mut pids =
            stack.split(';').filter_map(|frame| frame.strip_prefix("process ")?.split(':').next()?.parse().ok());
        if let Some(pid) = pids.next_back() {
            *seen.samples.entry(pid).or_default() += count.parse::<u64>().unwrap_or(0);
        }
        if !is_possible(stack) {
            seen.impossible.push(stack.to_owned());
        }
    }
    seen
}

/// Functions `left_1`, `left_2` and so on call each other in turn, and never those that are called `right`.
fn is_possible(stack: &str) -> bool {
    let numbered = |side: &'static str| {
        let names = stack.split(';').filter_map(move |frame| frame.split(' ').next()?.strip_prefix(side));
        names.filter_map(|number| number.parse::<usize>().ok()).collect::<Vec<_>>()
    };
    let (left, right) = (numbered("left_"), numbered("right_"));
    (left.is_empty() || right.is_empty()) && [left, right].iter().all(|of| of.iter().copied().eq(1..=of.len()))
}

#[cfg(test)]
mod tests {
    use super::is_possible;

    #[test]
    fn a_stack_of_both_sides_or_with_a_gap_is_impossible() {
        assert!(is_possible("process 1:\"x\";<module> (a.py:1);left_1 (a.py:1);left_2 (a.py:2)"));
        assert!(!is_possible("left_1 (a.py:1);right_2 (a.py:2)"));
        assert!(!is_possible("right_1 (a.py:1);right_3 (a.py:2)"));
    }
}
