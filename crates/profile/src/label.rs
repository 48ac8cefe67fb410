//! The names that people see.

use std::borrow::Cow;

use crate::{Frame, FrameId, Tables, Thread};

/// A frame as one text: `name (short_file:line)`, `name (short_file)` without a line, `name` without a file; a note is
/// its text. As the program has it: escape it where it is printed.
pub fn frame_label(tables: &Tables, frame: FrameId) -> Cow<'_, str> {
    match tables.frame_of(frame) {
        Frame::Note(text) => Cow::Borrowed(tables.str(text)),
        Frame::Thread(thread) => Cow::Owned(thread_label(tables.thread_of(thread))),
        Frame::Python { name, short_file, line, .. } => {
            let name = tables.str(name);
            match (tables.str(short_file), line) {
                ("", _) => Cow::Borrowed(name),
                (file, 0) => Cow::Owned(format!("{name} ({file})")),
                (file, line) => Cow::Owned(format!("{name} ({file}:{line})")),
            }
        }
    }
}

/// The text of the frame that names a thread at the root of its stacks: `thread (TID): NAME`, or `thread (TID)`.
pub fn thread_label(thread: &Thread) -> String {
    match &thread.name {
        Some(name) => format!("thread ({}): {name}", thread.tid),
        None => format!("thread ({})", thread.tid),
    }
}

/// The text of the frame that names a process at the root of its stacks: `process PID:"COMMAND LINE"`.
pub fn process_label(pid: u32, command: &str) -> String {
    format!("process {pid}:\"{command}\"")
}

/// The name of a thread's profile: `Thread TID "NAME"`, with the process before it where there are several.
pub(crate) fn profile_label(thread: &Thread, many_processes: bool) -> String {
    let name = thread.name.as_deref().unwrap_or_default();
    if many_processes {
        format!("Process {} Thread {} \"{name}\"", thread.pid, thread.tid)
    } else {
        format!("Thread {} \"{name}\"", thread.tid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let mut tables = Tables::new();
        let mut label = |name: &str, file: &str, line: u32| {
            let (name, file) = (tables.string(name), tables.string(file));
            let frame = tables.frame(Frame::Python { name, file, short_file: file, line });
            frame_label(&tables, frame).into_owned()
        };
        assert_eq!(label("f", "a/b.py", 7), "f (a/b.py:7)");
        assert_eq!(label("f", "a/b.py", 0), "f (a/b.py)");
        assert_eq!(label("f", "", 7), "f");
        let note = tables.string("(moving)");
        let note = tables.frame(Frame::Note(note));
        assert_eq!(frame_label(&tables, note), "(moving)");
    }

    #[test]
    fn threads_and_processes() {
        let mut thread = Thread { pid: 3, tid: 4, name: None };
        assert_eq!(thread_label(&thread), "thread (4)");
        assert_eq!(profile_label(&thread, false), "Thread 4 \"\"");
        thread.name = Some("io".to_owned());
        assert_eq!(thread_label(&thread), "thread (4): io");
        assert_eq!(profile_label(&thread, true), "Process 3 Thread 4 \"io\"");
        assert_eq!(process_label(3, "python x.py"), "process 3:\"python x.py\"");
    }
}
