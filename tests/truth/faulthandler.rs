//! A second witness: the tracebacks that the interpreter's C code writes from its own structures.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::judge::Dumped;

/// It writes no more frames and no more characters of a name.
const MAX_FRAMES: usize = 100;
const MAX_CHARACTERS: usize = 500;

/// Each thread that faulthandler shows has the same files, lines and names in the dump. The one that called it was at
/// another line then.
pub(super) fn agrees(name: &str, traceback: &str, full: &[Dumped]) {
    let dumped: BTreeMap<u64, &Dumped> = full.iter().map(|thread| (thread.thread_id, thread)).collect();
    let mut compared = 0;
    for block in traceback.split("\n\n").filter(|block| !block.starts_with("Current thread")) {
        let (head, frames) = block.split_once('\n').unwrap_or_else(|| panic!("{name}: {block}"));
        let id = head.trim_start_matches("Thread 0x").split(' ').next().unwrap_or_default();
        let id = u64::from_str_radix(id, 16).unwrap_or_else(|error| panic!("{name}: {error}: {head}"));
        let thread = dumped.get(&id).unwrap_or_else(|| panic!("{name}: no thread {id:#x}"));
        let expected: Vec<_> = frames.lines().filter(|line| line.starts_with("  File ")).collect();
        let seen: Vec<_> = thread.frames.iter().filter(|frame| !frame.is_shim()).take(MAX_FRAMES).collect();
        assert_eq!(seen.len(), expected.len(), "{name}: {seen:?} is not {block}");
        for (frame, expected) in seen.iter().zip(expected) {
            let place = format!("  File \"{}\", line {} in ", escaped(&frame.filename), frame.line);
            let function = expected.strip_prefix(&place);
            // It has no qualified names.
            let same = |function: &str| match function.strip_suffix("...") {
                Some(cut) => escaped(&frame.name).contains(cut),
                None => escaped(&frame.name).ends_with(function),
            };
            assert!(function.is_some_and(same), "{name}: {frame:?} is not {expected}");
        }
        compared += 1;
    }
    assert!(compared + 1 == full.len(), "{name}: of {} threads it shows {compared}: {traceback}", full.len());
}

/// A text as faulthandler writes it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(MAX_CHARACTERS) {
        match u32::from(c) {
            0x20..=0x7e => out.push(c),
            code @ 0..=0xff => write!(out, "\\x{code:02x}").expect("it is a string"),
            code @ 0..=0xffff => write!(out, "\\u{code:04x}").expect("it is a string"),
            code => write!(out, "\\U{code:08x}").expect("it is a string"),
        }
    }
    if text.chars().count() > MAX_CHARACTERS {
        out += "...";
    }
    out
}
