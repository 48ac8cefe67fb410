//! The source line of each frame, and the part of it that is running.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use py_spy_sampler::{Source, Span};
use py_spy_target::RootFolder;

use super::Dumped;

/// Bytes of a source file that are read, and of all files of a process.
const MAX_FILE: u64 = 16 << 20;
const MAX_FILES: u64 = 1 << 28;

/// Bytes of a line that are shown.
const MAX_LINE: usize = 1 << 10;

/// What a file may begin with that is no text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Lines that frames are in, by number.
type Lines = BTreeMap<u32, Vec<u8>>;

/// Puts the text of its line to each frame, where the file can be read: with the process's own eyes, for it may see other files
/// than we do. Those of a dead one are looked for below `sysroot`.
pub(super) fn add(all: &mut [Dumped], sysroot: Option<&Path>) {
    for Dumped { info, snapshot, dead, .. } in all {
        let root = if *dead { RootFolder::at(sysroot.unwrap_or(Path::new("/"))) } else { RootFolder::of(info.pid) };
        let Ok(root) = root else { continue };
        let mut files: HashMap<String, Lines> = HashMap::new();
        for frame in snapshot.threads.iter().flat_map(|thread| &thread.frames) {
            // `<string>` and `<frozen ...>` are no files. What is relative (a script's name, up to 3.8) is looked for where it runs.
            if frame.line != 0 && !frame.filename.starts_with('<') {
                files.entry(frame.filename.clone()).or_default().insert(frame.line, Vec::new());
            }
        }
        let mut left = MAX_FILES;
        for (name, lines) in &mut files {
            let file = root.open(Path::new(name)).map(|file| file.take(MAX_FILE.min(left)));
            // Those that were not come to are not known.
            let Ok(file) = file else {
                lines.clear();
                continue;
            };
            let mut file = BufReader::new(file);
            fill(&mut file, lines);
            left -= MAX_FILE.min(left) - file.get_ref().limit();
        }
        for frame in snapshot.threads.iter_mut().flat_map(|thread| &mut thread.frames) {
            let line = files.get(&frame.filename).and_then(|lines| lines.get(&frame.line));
            frame.source = line.map(|line| match std::str::from_utf8(line) {
                Ok(line) => source(line, frame.line, frame.span),
                // In another encoding columns are other bytes.
                Err(_) => source(&String::from_utf8_lossy(line), frame.line, None),
            });
        }
    }
}

/// Reads the lines of these numbers; those that the file does not have are taken out. Lines end as Python's do: by `\n`, `\r` or both.
fn fill(file: &mut impl BufRead, lines: &mut Lines) {
    let last = lines.keys().next_back().copied().unwrap_or(0);
    let mut wanted = std::mem::take(lines);
    let (mut number, mut chunk) = (0, Vec::new());
    while number < last {
        chunk.clear();
        if file.read_until(b'\n', &mut chunk).is_ok_and(|read| read > 0) {
            let end = chunk.strip_suffix(b"\n").unwrap_or(&chunk);
            for line in end.strip_suffix(b"\r").unwrap_or(end).split(|&byte| byte == b'\r') {
                number += 1;
                if let Some((number, _)) = wanted.remove_entry(&number) {
                    let line = if number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
                    lines.insert(number, line.to_vec());
                }
            }
        } else {
            break;
        }
    }
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
    fn lines_are_those_of_python() {
        let read = |file: &[u8], numbers: &[u32]| {
            let mut lines = numbers.iter().map(|&number| (number, Vec::new())).collect();
            fill(&mut &*file, &mut lines);
            lines.into_iter().map(|(number, line)| (number, String::from_utf8(line).expect("text"))).collect::<Vec<_>>()
        };
        let line = |number, text: &str| (number, text.to_owned());
        assert_eq!(
            read(b"\xef\xbb\xbfa\nb\r\nc\rd\n\ne", &[1, 2, 4, 6, 7]),
            [line(1, "a"), line(2, "b"), line(4, "d"), line(6, "e")]
        );
        assert_eq!(read(b"a\r\n\r\nb", &[2, 3]), [line(2, ""), line(3, "b")]);
        assert_eq!(read(b"", &[1]), []);
    }

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
