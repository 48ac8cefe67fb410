//! All that is to be read of a process, as a text; the program that was recorded wrote the same about itself.

use py_spy_address_space::{Addr, Memory, Window};
use py_spy_python::layout::Layout;
use py_spy_python::{
    Binary, CodeObject, Python, RawFrame, Reader, Stack, find, interpreters, place, thread_names, threads, walk,
};

/// Where to begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// Base name of the file that CPython is in.
    pub(crate) name: String,
    /// `_PyRuntime`.
    pub(crate) runtime: Option<Addr>,
    /// `Py_Version`.
    pub(crate) version: Option<Addr>,
    /// `interp_head`.
    pub(crate) interpreters: Option<Addr>,
    /// `_PyThreadState_Current`.
    pub(crate) current_thread: Option<Addr>,
}

/// What was met on the way, whether or not it came to an end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Met {
    pub(crate) threads: usize,
    pub(crate) frames: usize,
}

impl Start {
    fn binary(&self) -> Binary {
        let path = format!("/{}", self.name);
        Binary {
            path,
            runtime: self.runtime,
            version: self.version,
            initialize: true,
            interpreters: self.interpreters,
            current_thread: self.current_thread,
            ..Binary::default()
        }
    }
}

/// Reads everything: version, interpreters, threads and their names, stacks, code objects, lines.
pub(crate) fn look(memory: &dyn Memory, start: &Start, met: &mut Met) -> Result<String, String> {
    let python = find(memory, &[start.binary()]).map_err(|why| why.to_string())?;
    let version = python.version;
    let mut lines = vec![format!("version {}.{}.{}", version.major(), version.minor(), version.micro())];
    let mut window = Window::new(1);
    let found = stacks(memory, &mut window, &python, met)?;
    // The program sorts them so.
    let mut texts: Vec<(u64, Vec<String>)> = Vec::new();
    let mut code_type = None;
    for (interpreter, id, frames) in found {
        let names = thread_names(memory, &python.layout, interpreter).map_err(|why| why.to_string())?;
        let mut text = vec![format!("thread {id} {}", names.get(&id).map_or("-", String::as_str))];
        for frame in frames.iter().filter(|frame| !frame.shim) {
            text.push(line(memory, &python.layout, frame, &mut code_type)?);
        }
        texts.push((id, text));
    }
    texts.sort_by_key(|thread| thread.0);
    lines.extend(texts.into_iter().flat_map(|(_, text)| text));
    Ok(lines.join("\n") + "\n")
}

type Found = Vec<(Addr, u64, Vec<RawFrame>)>;

fn stacks(memory: &dyn Memory, window: &mut Window, python: &Python, met: &mut Met) -> Result<Found, String> {
    let layout = &python.layout;
    let mut reader = Reader::new(window, memory, 0);
    let mut found = Vec::new();
    for interpreter in interpreters(&mut reader, layout, python.runtime).map_err(|why| why.to_string())? {
        for state in threads(&mut reader, layout, &interpreter).map_err(|why| why.to_string())? {
            met.threads += 1;
            let mut frames = Vec::new();
            let stack = walk(&mut reader, layout, state.frame, state.base, &mut frames);
            met.frames += frames.len();
            match stack.map_err(|why| why.to_string())? {
                Stack::Whole => found.push((interpreter.at, state.id, frames)),
                Stack::Cut => return Err(format!("the stack of thread {} is cut", state.id)),
            }
        }
    }
    Ok(found)
}

fn line(
    memory: &dyn Memory,
    layout: &Layout,
    frame: &RawFrame,
    code_type: &mut Option<Addr>,
) -> Result<String, String> {
    let code = CodeObject::read(memory, layout, frame.code, code_type).map_err(|why| why.to_string())?;
    let file = code.filename.rsplit('/').next().unwrap_or_default();
    Ok(format!(
        "  {} ({file}:{})",
        code.name,
        place(memory, layout, frame).and_then(|place| code.line(layout, place)).unwrap_or(0)
    ))
}
