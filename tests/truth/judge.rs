//! Comparing a dump with the truth.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

use crate::{Thread, Truth};

/// Whose frames are hidden by default.
const IMPORT_MACHINERY: &str = "<frozen importlib._bootstrap";

/// What stands for frames that moved while they were read.
const MOVING: &str = "(moving)";

/// A thread of `dump --json`, with exactly py-spy's keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dumped {
    pub(super) pid: u32,
    pub(super) thread_id: u64,
    pub(super) thread_name: Option<String>,
    pub(super) os_thread_id: Option<u32>,
    pub(super) active: bool,
    pub(super) owns_gil: bool,
    pub(super) frames: Vec<Frame>,
    #[serde(rename = "process_info")]
    _process_info: Option<()>,
}

/// A frame of `dump --json`, with exactly py-spy's keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) filename: String,
    pub(super) short_filename: Option<String>,
    pub(super) line: u32,
    #[serde(rename = "module")]
    _module: Option<()>,
    #[serde(rename = "locals")]
    _locals: Option<()>,
    #[serde(rename = "is_entry")]
    _is_entry: bool,
    #[serde(rename = "is_shim_entry")]
    _is_shim_entry: bool,
}

impl Dumped {
    pub(super) fn parse(name: &str, json: &str) -> Vec<Dumped> {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{name}: {error}: {json}"))
    }

    /// `idle`, `active` or `active+gil`.
    pub(super) fn state(&self) -> &'static str {
        match (self.active, self.owns_gil) {
            (false, false) => "idle",
            (true, false) => "active",
            (true, true) => "active+gil",
            (false, true) => "idle+gil",
        }
    }

    /// Name, file, line.
    pub(super) fn stack(&self) -> Vec<(&str, &str, u32)> {
        self.frames.iter().map(Frame::triple).collect()
    }
}

impl Frame {
    fn triple(&self) -> (&str, &str, u32) {
        (&self.name, &self.filename, self.line)
    }

    /// One of the interpreter's own, which stands for no function.
    pub(super) fn is_shim(&self) -> bool {
        self.filename.is_empty() && self.line == 0
    }
}

impl Thread {
    /// Its frames, without those that are hidden unless `full`.
    pub(super) fn stack(&self, full: bool) -> Vec<(&str, &str, u32)> {
        let all = self.frames.iter().map(|(name, file, line)| (name.as_str(), file.as_str(), *line));
        all.filter(|(_, file, _)| full || !file.starts_with(IMPORT_MACHINERY)).collect()
    }
}

/// Every thread with its ids, name, state and stack, and no other.
pub(super) fn json_is_true(name: &str, pid: u32, dumped: &[Dumped], truth: &Truth, has_gil: bool, full: bool) {
    let by_id: BTreeMap<u64, &Thread> = truth.threads.iter().map(|thread| (thread.id, thread)).collect();
    let seen: BTreeMap<u64, &Dumped> = dumped.iter().map(|thread| (thread.thread_id, thread)).collect();
    assert_eq!(seen.keys().collect::<Vec<_>>(), by_id.keys().collect::<Vec<_>>(), "{name}: not the same threads");
    assert_eq!(seen.len(), dumped.len(), "{name}: some thread is there twice");
    for (id, thread) in by_id {
        let dumped = seen[&id];
        let what = format!("{name}, thread {:?}", thread.name);
        assert_eq!((dumped.pid, dumped.os_thread_id), (pid, Some(thread.tid)), "{what}");
        assert_eq!(dumped.thread_name, thread.name, "{what}");
        let state = if has_gil { thread.state.replace("active", "active+gil") } else { thread.state.clone() };
        assert_eq!(dumped.state(), state, "{what}");
        let expected = thread.stack(full);
        let mut stack = dumped.stack();
        if full {
            stack = dumped.frames.iter().filter(|frame| !frame.is_shim()).map(Frame::triple).collect();
        }
        if thread.state == "active" && stack.first() == Some(&(MOVING, "", 0)) {
            stack.remove(0);
            assert!(expected.ends_with(&stack), "{what}: {stack:?} is not the end of {expected:?}");
        } else {
            assert_eq!(stack, expected, "{what}");
        }
    }
    // As in the interpreter's own list: the newest thread first, so the main thread last.
    assert_eq!(
        dumped.last().map(|thread| thread.os_thread_id),
        Some(Some(pid)),
        "{name}: the main thread is the oldest"
    );
}

/// The text that a dump of these threads must be. Threads are in the order of the JSON, turned around; stacks are the
/// truth's.
pub(super) fn expected_text(head: &str, order: &[Dumped], truth: &Truth, has_gil: bool, full_names: bool) -> String {
    let mut text = format!("{head}\n");
    for dumped in order.iter().rev() {
        let thread = truth.threads.iter().find(|thread| thread.id == dumped.thread_id).expect("its ids are known");
        let state = if has_gil { thread.state.replace("active", "active+gil") } else { thread.state.clone() };
        let name = thread.name.as_ref().map(|name| format!(": \"{}\"", printable(name))).unwrap_or_default();
        writeln!(text, "Thread {} ({state}){name}", thread.tid).expect("it is a string");
        for (name, file, line) in thread.stack(false) {
            let file = if full_names { file } else { short(file) };
            writeln!(text, "    {} ({}:{line})", printable(name), printable(file)).expect("it is a string");
        }
    }
    text
}

/// A name on one line that does nothing to a terminal.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            c if c.is_control() => write!(out, "\\x{:02x}", u32::from(c)).expect("it is a string"),
            '\u{202a}'..='\u{202e}' => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("it is a string"),
            c => out.push(c),
        }
    }
    out
}

/// A file name from its outermost package on.
pub(super) fn short(name: &str) -> &str {
    if name.starts_with('<') {
        return name;
    }
    let folders = Path::new(name).ancestors().skip(1);
    let above = folders.into_iter().find(|folder| !folder.join("__init__.py").exists());
    let rest = above.and_then(|folder| name.strip_prefix(folder.to_str()?)).unwrap_or(name);
    let rest = rest.trim_start_matches('/');
    if rest.is_empty() { name } else { rest }
}
