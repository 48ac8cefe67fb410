//! A dump as JSON, with the keys and the order of py-spy.

use std::borrow::Cow;

use py_spy_sampler::{FrameSnapshot, Kind, ThreadSnapshot, Variable};
use serde::Serialize;

use super::Dumped;

/// Stands for a value that is not read yet: always `null`.
type Absent = Option<()>;

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the keys are py-spy's")]
struct Thread<'a> {
    pid: u32,
    thread_id: u64,
    thread_name: Option<&'a str>,
    os_thread_id: Option<u32>,
    active: bool,
    owns_gil: bool,
    frames: Vec<Frame<'a>>,
    process_info: Option<Process<'a>>,
    /// Not py-spy's, and there only when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State<'a>>,
}

/// What a thread is doing.
#[derive(Debug, Serialize)]
struct State<'a> {
    doing: &'a str,
    lock: Option<Lock<'a>>,
    exception: Option<&'a str>,
    deadlocked: bool,
}

/// A lock that a thread waits for.
#[derive(Debug, Serialize)]
struct Lock<'a> {
    address: u64,
    kind: &'a str,
    /// `thread_id` of the one that holds it.
    owner: Option<u64>,
}

/// A process that comes from another one that is shown, and what it comes from.
#[derive(Debug, Clone, Serialize)]
struct Process<'a> {
    pid: u32,
    command_line: Cow<'a, str>,
    parent: Option<Box<Process<'a>>>,
}

#[derive(Debug, Serialize)]
struct Frame<'a> {
    name: &'a str,
    filename: &'a str,
    module: Absent,
    short_filename: Option<&'a str>,
    line: u32,
    locals: Option<Vec<Local<'a>>>,
    /// Not py-spy's, and there only when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    is_entry: bool,
    is_shim_entry: bool,
}

impl<'a> Thread<'a> {
    fn new(pid: u32, thread: &'a ThreadSnapshot, process_info: Option<Process<'a>>) -> Thread<'a> {
        Thread {
            pid,
            thread_id: thread.thread_id,
            thread_name: thread.name.as_deref(),
            os_thread_id: thread.os_thread_id,
            active: thread.active,
            owns_gil: thread.owns_gil,
            frames: thread.frames.iter().map(Frame::new).collect(),
            process_info,
            state: thread.state.as_ref().map(|state| State {
                doing: &state.doing,
                lock: state.lock.as_ref().map(|lock| Lock {
                    address: lock.address,
                    kind: &lock.kind,
                    owner: lock.owner,
                }),
                exception: state.exception.as_deref(),
                deadlocked: state.deadlocked,
            }),
        }
    }
}

/// A variable. `kind`, `attributes` and `truncated` are not py-spy's.
#[derive(Debug, Serialize)]
struct Local<'a> {
    name: &'a str,
    addr: u64,
    arg: bool,
    repr: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

impl<'a> Local<'a> {
    fn new(variable: &'a Variable) -> Local<'a> {
        Local {
            name: &variable.name,
            addr: variable.address,
            arg: variable.kind == Kind::Argument,
            repr: &variable.value.repr,
            kind: match variable.kind {
                Kind::Argument => "argument",
                Kind::Local => "local",
                Kind::Free => "free",
                Kind::Global => "global",
            },
            attributes: variable.value.attributes.as_deref(),
            truncated: variable.value.cut,
        }
    }
}

impl<'a> Frame<'a> {
    fn new(frame: &'a FrameSnapshot) -> Frame<'a> {
        Frame {
            name: &frame.name,
            filename: &frame.filename,
            module: None,
            short_filename: frame.short_filename.as_deref(),
            line: frame.line,
            locals: frame.locals.as_ref().map(|locals| locals.iter().map(Local::new).collect()),
            source: frame.source.as_deref(),
            is_entry: frame.is_entry,
            is_shim_entry: frame.is_shim_entry,
        }
    }
}

/// The newest thread comes first, as in the interpreter's own list.
pub(super) fn render(all: &[Dumped]) -> serde_json::Result<String> {
    let mut threads = Vec::new();
    for dumped in all {
        let Dumped { info, snapshot, ancestors, .. } = dumped;
        let above = ancestors.iter().fold(None, |parent, ancestor| {
            let command_line = Cow::Borrowed(ancestor.command.as_str());
            Some(Box::new(Process { pid: ancestor.pid, command_line, parent }))
        });
        // As with py-spy, without children nothing is said of processes.
        let process = above.map(|parent| Process {
            pid: info.pid,
            command_line: Cow::Owned(info.command.join(" ")),
            parent: Some(parent),
        });
        threads.extend(snapshot.threads.iter().rev().map(|thread| Thread::new(info.pid, thread, process.clone())));
    }
    Ok(serde_json::to_string_pretty(&threads)? + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn keys_and_order() {
        let text = render(&[super::super::text::tests::example()]).unwrap();
        let expected = r#"[
  {
    "pid": 12210,
    "thread_id": 140001,
    "thread_name": null,
    "os_thread_id": null,
    "active": false,
    "owns_gil": false,
    "frames": [],
    "process_info": null
  },
  {
    "pid": 12210,
    "thread_id": 140000,
    "thread_name": "Main\u001b[31mThread",
    "os_thread_id": 12210,
    "active": true,
    "owns_gil": true,
    "frames": [
      {
        "name": "key",
        "filename": "/srv/app/t.py",
        "module": null,
        "short_filename": "app/t.py",
        "line": 6,
        "locals": null,
        "is_entry": false,
        "is_shim_entry": false
      },
      {
        "name": "<module>",
        "filename": "/srv/app/t.py",
        "module": null,
        "short_filename": null,
        "line": 0,
        "locals": null,
        "is_entry": false,
        "is_shim_entry": true
      }
    ],
    "process_info": null
  }
]
"#;
        assert_eq!(text, expected);
    }
}
