//! A dump as JSON, with the keys and the order of py-spy. `docs/dump.schema.json` is made from the types here; what stands
//! beside their fields is what users read there.

use std::borrow::Cow;

use py_spy_sampler::{FrameSnapshot, Kind, ThreadSnapshot, Variable};
use serde::Serialize;

use super::Dumped;

/// Stands for a value that is not read yet: always `null`.
type Absent = Option<()>;

/// A thread that the interpreter knows.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(clippy::struct_field_names, reason = "the keys are py-spy's")]
struct Thread<'a> {
    /// Process id, as this machine counts.
    pid: u32,
    /// `threading.get_ident()` of the thread.
    thread_id: u64,
    /// The name that `threading` knows; null if it knows none.
    thread_name: Option<&'a str>,
    /// The kernel's id of the thread; null where it is not known.
    os_thread_id: Option<u32>,
    /// It runs or waits for a CPU.
    active: bool,
    /// It holds the GIL.
    owns_gil: bool,
    /// Leaf first.
    frames: Vec<Frame<'a>>,
    /// With `--subprocesses`, for a process that comes from another one that is shown; else null.
    process_info: Option<Process<'a>>,
    /// With `--state`: what it is doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State<'a>>,
}

/// What a thread is doing.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct State<'a> {
    /// In words.
    doing: &'a str,
    /// The lock that it waits for; null if it waits for none.
    lock: Option<Lock<'a>>,
    /// The exception that it handles, type and message; null if there is none.
    exception: Option<&'a str>,
    /// It waits for threads that wait for it.
    deadlocked: bool,
}

/// A lock that a thread waits for.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Lock<'a> {
    /// Where it is in the process's memory.
    address: u64,
    /// What kind of lock, in words.
    kind: &'a str,
    /// `thread_id` of the thread that holds it; null where a lock does not say.
    owner: Option<u64>,
}

/// A process and what it comes from.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Process<'a> {
    /// Process id, as this machine counts.
    pid: u32,
    /// Its words, with spaces between them.
    command_line: Cow<'a, str>,
    /// The process that started it, if that was asked for too; else null.
    parent: Option<Box<Process<'a>>>,
}

/// A call that has not ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Frame<'a> {
    /// The function; qualified from 3.11 on.
    name: &'a str,
    /// The whole path of its file, or what the program calls it.
    filename: &'a str,
    /// Always null.
    module: Absent,
    /// The shortened path; null with `--full-filenames`.
    short_filename: Option<&'a str>,
    /// 0 if it is not known.
    line: u32,
    /// With `--locals`: its variables; else null.
    locals: Option<Vec<Local<'a>>>,
    /// With `--source`, where the file can be read: the text of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    /// With `--source`, where it is known (3.11+): which part of its lines is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<Part>,
    /// C code called it (up to 3.11).
    is_entry: bool,
    /// C code called it (from 3.12 on).
    is_shim_entry: bool,
}

/// A part of one or more lines, as `co_positions()` has it; it begins in `line`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Part {
    /// Where it begins, in bytes from 0.
    column: u32,
    /// The line that it ends in.
    end_line: u32,
    /// Where it ends in that, in bytes from 0.
    end_column: u32,
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

/// A variable.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Local<'a> {
    /// As in the program's text.
    name: &'a str,
    /// Where its value is in the process's memory.
    addr: u64,
    /// It is an argument of the function.
    arg: bool,
    /// As the program's own `repr` has it.
    repr: &'a str,
    /// Where the variable belongs.
    #[cfg_attr(test, schemars(extend("enum" = ["argument", "local", "free", "global"])))]
    kind: &'static str,
    /// The attributes of an instance whose `repr` does not show them.
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a str>,
    /// True, and only there then, if the value was longer than the limit.
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
            source: frame.source.as_ref().map(|source| &*source.text),
            span: frame.span.map(|span| Part { column: span.start, end_line: span.end_line, end_column: span.end }),
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

    use schemars::generate::SchemaSettings;

    use super::*;

    /// Where the schema is, from this package's folder on.
    const SCHEMA: &str = "docs/dump.schema.json";

    /// With `UPDATE_SCHEMA` set it writes the file instead.
    #[test]
    fn the_schema_in_docs_is_that_of_these_types() {
        let mut schema =
            SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Vec<Thread>>();
        schema.insert("title".into(), "py-spy dump --json".into());
        schema.insert("description".into(), "All threads, the newest first.".into());
        let expected = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA);
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written, expected, "run this test with UPDATE_SCHEMA=1");
    }

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
