//! The source line of each frame, and the part of it that is running.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use py_spy_sampler::{Source, Span};
use py_spy_target::RootFolder;

use super::Dumped;

/// Bytes of a source file that are read.
const MAX_FILE: u64 = 16 << 20;

/// Bytes of a line that are shown.
const MAX_LINE: usize = 1 << 10;

/// Puts the text of its line to each frame, where the file can be read: with the process's own eyes, for it may see other files
/// than we do. Those of a dead one are looked for below `sysroot`.
pub(super) fn add(all: &mut [Dumped], sysroot: Option<&Path>) {
    for Dumped { info, snapshot, dead, .. } in all {
        let root = if *dead { RootFolder::at(sysroot.unwrap_or(Path::new("/"))) } else { RootFolder::of(info.pid) };
        let Ok(root) = root else { continue };
        let mut files: HashMap<String, Vec<String>> = HashMap::new();
        for frame in snapshot.threads.iter_mut().flat_map(|thread| &mut thread.frames) {
            // `<string>` and `<frozen ...>` are no files. What is relative (a script's name, up to 3.8) is looked for where it runs.
            if frame.line == 0 || frame.filename.starts_with('<') {
                continue;
            }
            let lines = files.entry(frame.filename.clone()).or_insert_with(|| read(&root, &frame.filename));
            let line = lines.get(frame.line as usize - 1);
            frame.source = line.map(|line| source(line, frame.line, frame.span));
        }
    }
}

fn read(root: &RootFolder, name: &str) -> Vec<String> {
    let Ok(file) = root.open(Path::new(name)) else { return Vec::new() };
    let lines = BufReader::new(file.take(MAX_FILE)).split(b'\n');
    lines.map_while(Result::ok).map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
}

/// The line without the blanks around it. The file may be another one by now: then the part is somewhere, or nowhere.
fn source(line: &str, number: u32, span: Option<Span>) -> Source {
    let trimmed = line.trim();
    let before = line.len() - line.trim_start().len();
    let most = (0..=MAX_LINE.min(trimmed.len())).rfind(|&end| trimmed.is_char_boundary(end)).unwrap_or(0);
    let text = trimmed[..most].to_owned();
    let part = span.and_then(|span| {
        let start = (span.start as usize).checked_sub(before)?;
        // What goes on in the next lines is all of the rest of this one.
        let end = if span.end_line > number { most } else { (span.end as usize).checked_sub(before)?.min(most) };
        let whole = Range { start: 0, end: trimmed.len() };
        text.get(start..end).filter(|part| !part.is_empty() && whole != (start..end)).map(|_| start..end)
    });
    Source { text, part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_runs_is_within_its_line() {
        let part = |line: &str, end_line, start, end| {
            let Source { text, part } = source(line, 7, Some(Span { end_line, start, end }));
            part.map(|part| text[part].to_owned())
        };
        assert_eq!(part("    return f(x) + 1 ", 7, 11, 15).as_deref(), Some("f(x)"));
        assert_eq!(part("    return f(x,", 8, 11, 3).as_deref(), Some("f(x,"), "it goes on below");
        assert_eq!(part("    f(x)", 7, 4, 8), None, "it is all of it");
        assert_eq!(part("  \u{e4}=f()", 7, 5, 8).as_deref(), Some("f()"), "columns are bytes");
        // Another file by now.
        for (start, end) in [(0, 3), (3, 8), (90, 99), (8, 5), (u32::MAX, u32::MAX), (5, u32::MAX)] {
            let found = part("  \u{e4}=f()", 7, start, end);
            assert!(found.is_none() || found.as_deref() == Some("f()"), "{start}: {found:?}");
        }
        assert_eq!(source(&"\u{e4}".repeat(4000), 1, None).text.len(), MAX_LINE);
    }
}
