//! Collapsed stacks: a line for each stack, frames between semicolons, a number at the end.

use std::path::Path;

use anyhow::{Context, Result};

use super::Stack;

/// How frames are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Frames {
    /// `function (file:line)`
    NameFirst,
    /// `file:function:line`
    FileFirst,
}

/// All stacks of a file, which is not there if there were none.
pub(crate) fn read(path: &Path, frames: Frames) -> Result<Vec<(Stack, u64)>> {
    match std::fs::read(path) {
        Ok(bytes) => parse(&String::from_utf8_lossy(&bytes), frames),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn parse(text: &str, frames: Frames) -> Result<Vec<(Stack, u64)>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| stack(line, frames).with_context(|| format!("no stack: {line}"))).collect()
}

fn stack(line: &str, frames: Frames) -> Option<(Stack, u64)> {
    let (frames_text, count) = line.rsplit_once(' ')?;
    // Labels of processes and threads come first.
    let is_label = |part: &str| part.starts_with("tid:") || is_numbered(part, 'P') || is_numbered(part, 'T');
    let parts = frames_text.split(';').filter(|part| !part.is_empty()).skip_while(|part| is_label(part));
    Some((parts.map(|part| frame(part, frames)).collect(), count.parse().ok()?))
}

/// `P24920`, `T0:24920`.
fn is_numbered(part: &str, letter: char) -> bool {
    part.strip_prefix(letter).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == ':'))
}

/// A frame without a line is a name of its own, as `(moving)`.
fn frame(text: &str, frames: Frames) -> (String, u32) {
    let found = match frames {
        Frames::NameFirst => text.rsplit_once(" (").and_then(|(name, place)| {
            let (_, line) = place.strip_suffix(')')?.rsplit_once(':')?;
            Some((name, line))
        }),
        Frames::FileFirst => text.rsplit_once(':').and_then(|(place, line)| {
            let (_, name) = place.rsplit_once(':')?;
            Some((name, line))
        }),
    };
    let (name, line) = found.unwrap_or((text, "0"));
    // What has no line is written in several ways.
    (name.to_owned(), line.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_in_both_orders() {
        let expected = |leaf: &str, line| (vec![("<module>".to_owned(), 7), (leaf.to_owned(), line)], 12);
        let text = "<module> (a b.py:7);Thing.go (c.py:4) 12\n\n<module> (a.py:7);(moving) 12\n";
        assert_eq!(parse(text, Frames::NameFirst).expect("two"), [expected("Thing.go", 4), expected("(moving)", 0)]);
        let text = "# austin: 3\nP7;T0:7;/x/a.py:<module>:7;/x/b.py:go:4 12\ntid:7;a.py:<module>:7;~:<GC>:-1 12\n";
        assert_eq!(parse(text, Frames::FileFirst).expect("two"), [expected("go", 4), expected("<GC>", 0)]);
        assert!(parse("no number", Frames::FileFirst).is_err());
    }
}
