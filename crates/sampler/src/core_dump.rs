//! One look at a process that is dead: the stacks in a core file.

use std::fs::File;
use std::path::Path;

use py_spy_address_space::{Pages, Window, modules, read_u32, read_u64};
use py_spy_python::layout::values::Values;
use py_spy_python::value::{Classes, Look, Place, locals};
use py_spy_python::{CodeObject, Python, RawFrame, Reader, find_all, interpreters, place, thread_names, threads, walk};
use py_spy_target::{Core, CoreError};

use crate::binaries::{binary_of, is_named, read_image};
use crate::moment::Variable;
use crate::{AttachError, FrameSnapshot, Later, Options, ProcessInfo, Snapshot, ThreadSnapshot, ThreadState};

/// What a core file has.
#[derive(Debug)]
pub struct CoreSnapshot {
    /// What is known of the process.
    pub info: ProcessInfo,
    /// Its threads.
    pub snapshot: Snapshot,
    /// The signal that it died of, 0 for none.
    pub signal: u32,
}

/// Reads the stacks in a core file. Files that were mapped and are not in it are looked for below `sysroot`.
///
/// # Errors
/// When it is no core file, or not of a CPython that we know.
pub fn core_snapshots(
    file: File,
    path: &Path,
    sysroot: Option<&Path>,
    options: &Options,
) -> Result<Vec<CoreSnapshot>, AttachError> {
    let core = Core::of(file, &path.display().to_string(), sysroot).map_err(|why| {
        let hint =
            matches!(why, CoreError::NotCore(..)).then(|| "the kernel and gdb's gcore write such files".to_owned());
        AttachError { message: why.to_string(), hint, later: Later::No }
    })?;
    let mappings = core.mappings();
    let all = modules(&mappings);
    let (likely, other): (Vec<_>, Vec<_>) = all.iter().partition(|module| is_named(module));
    let memory = Pages::of(&core);
    let mut missed = None;
    for (group, any) in [(likely, true), (other, false)] {
        let binaries: Vec<_> = group
            .into_iter()
            .filter_map(|module| {
                binary_of(module, any, &|symbols| read_image(core.file(&module.path), &memory, module, symbols))
            })
            .collect();
        match find_all(&memory, &binaries) {
            Ok(pythons) => return Ok(pythons.iter().map(|python| look(&core, python, options)).collect()),
            Err(why) => missed = missed.or(Some(why)),
        }
    }
    let why = missed.map(|missed| missed.why.to_string()).unwrap_or_default();
    Err(AttachError {
        message: format!("{} has no CPython that can be read: {why}", path.display()),
        hint: Some("the interpreter's files are needed where they were, or below --sysroot".to_owned()),
        later: Later::No,
    })
}

fn look(core: &Core, python: &Python, options: &Options) -> CoreSnapshot {
    let info = ProcessInfo {
        pid: core.pid,
        command: vec![core.command.clone()],
        executable: python.path.clone(),
        version: python.version.to_string(),
    };
    let memory = Pages::of(core);
    let layout = &python.layout;
    let mut window = Window::new(1);
    let mut snapshot = Snapshot { threads: Vec::new(), dropped: 0 };
    let found = interpreters(&mut Reader::new(&mut window, &memory, 0), layout, python.runtime).unwrap_or_default();
    for interpreter in found.iter().rev() {
        let names = thread_names(&memory, layout, interpreter.at).unwrap_or_default();
        let states = threads(&mut Reader::new(&mut window, &memory, 0), layout, interpreter).unwrap_or_default();
        let holder = interpreter.gil.and_then(|gil| {
            let locked = read_u32(&memory, gil.locked).ok()? != 0;
            read_u64(&memory, gil.last_holder).ok().filter(|_| locked)
        });
        for state in states.iter().rev() {
            let mut raw = Vec::new();
            let mut reader = Reader::new(&mut window, &memory, 0);
            if walk(&mut reader, layout, state.frame, state.base, &mut raw).is_err() {
                snapshot.dropped += 1;
            }
            let thread = core
                .threads
                .iter()
                .find(|thread| thread.pthread == state.id || state.native_id == Some(u64::from(thread.tid)));
            let tid = thread.map(|thread| thread.tid);
            let faulting = core.signal != 0 && thread.is_some() && thread == core.threads.first();
            let doing = format!("hit by signal {}", core.signal);
            snapshot.threads.push(ThreadSnapshot {
                os_thread_id: tid,
                thread_id: state.id,
                name: names.get(&state.id).cloned(),
                active: true,
                owns_gil: holder == Some(state.at),
                frames: frames(&memory, python, &raw, options),
                state: faulting.then(|| ThreadState { doing, ..ThreadState::default() }),
            });
        }
    }
    // The one that was hit comes first.
    snapshot.threads.sort_by_key(|thread| thread.state.is_none());
    CoreSnapshot { info, snapshot, signal: core.signal }
}

fn frames(memory: &Pages<'_>, python: &Python, raw: &[RawFrame], options: &Options) -> Vec<FrameSnapshot> {
    let layout = &python.layout;
    let values = Values::of(layout, python.version);
    let mut classes = Classes::default();
    let (mut code_type, mut all) = (None, Vec::new());
    for frame in raw.iter().filter(|frame| !frame.shim) {
        let Ok(code) = CodeObject::read(memory, layout, frame.code, &mut code_type) else { continue };
        let line = place(memory, layout, frame).and_then(|place| code.line(layout, place)).unwrap_or(0);
        let locals = options.values.as_ref().filter(|wanted| wanted.variables).and_then(|wanted| {
            let look = Look { memory, layout, values: &values, limits: wanted.limits, redaction: &wanted.redaction };
            let found = locals(memory, layout, &values, frame, wanted.globals).ok()?;
            let variables = found.into_iter().map(|local| {
                let (address, value) = match local.place {
                    Place::At(at) => (at, look.show_named(&mut classes, &local.name, at)),
                    Place::Int(int) => (0, look.show_int(&local.name, int)),
                };
                Variable { name: local.name, kind: local.kind, address, value }
            });
            Some(variables.collect())
        });
        all.push(FrameSnapshot { name: code.name, filename: code.filename, line, locals, ..FrameSnapshot::default() });
    }
    all
}
