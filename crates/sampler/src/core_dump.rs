//! One look at a process that is dead: the stacks in a core file.

mod frames;
mod native;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use py_spy_address_space::{Module, Pages, Window, modules, read_u32, read_u64};
use py_spy_python::{Python, Reader, Stack, find_all, interpreters, is_collecting, thread_names, threads, walk};
use py_spy_target::{Core, CoreError, CoreThread, signal_name};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::binaries::{binary_of, is_named, read_image};
use crate::snapshot::add_locals;
use crate::thread_state::find_deadlocks;
use crate::{AttachError, Later, Options, ProcessInfo, Snapshot, ThreadSnapshot, ThreadState};
use frames::{Frames, Named};
use native::NativeStacks;

/// What a core file has.
#[derive(Debug)]
pub struct CoreSnapshot {
    /// What is known of the process.
    pub info: ProcessInfo,
    /// Its threads.
    pub snapshot: Snapshot,
    /// The signal that it died of, 0 for none.
    pub signal: u32,
    /// Threads that have frames of which the file does not have what is needed; they are shown without those.
    pub incomplete: usize,
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
    let core = Arc::new(core);
    let mappings = core.mappings();
    let all = modules(&mappings);
    let (likely, other): (Vec<_>, Vec<_>) = all.iter().partition(|module| is_named(module));
    let memory = Pages::of(&*core);
    let mut native = options.native.then(|| NativeStacks::of(&core, &mappings, options));
    let mut missed = None;
    for (group, any) in [(likely, true), (other, false)] {
        let binaries: Vec<_> = group
            .into_iter()
            .filter_map(|module| {
                binary_of(module, any, &|symbols| read_image(file_of(&core, module), &memory, module, symbols))
            })
            .collect();
        match find_all(&memory, &binaries) {
            Ok(pythons) => {
                // With several the threads that one does not know may be another's.
                let native_all = options.native_all && pythons.len() == 1;
                let options = &Options { native_all, ..options.clone() };
                let look = |python| look(&core, python, native.as_mut(), options);
                return Ok(pythons.iter().map(look).collect());
            }
            Err(why) => missed = missed.or(Some(why)),
        }
    }
    let why = missed.map(|missed| missed.why.to_string()).unwrap_or_default();
    Err(AttachError {
        message: format!("{} has no CPython that can be read: {why}{}", path.display(), others(&core)),
        hint: Some("the interpreter's files are needed where they were, or below --sysroot".to_owned()),
        later: Later::No,
    })
}

/// The file that a module maps, if it is there and is the same.
fn file_of(core: &Core, module: &Module) -> Option<File> {
    core.file(&module.path)?.try_clone().ok()
}

/// The files that were not taken, for the end of a message.
fn others(core: &Core) -> String {
    match core.strangers()[..] {
        [] => String::new(),
        [one] => format!("; at {one} is another file than was mapped"),
        [first, ref rest @ ..] => {
            format!("; at {first} and {} other paths are other files than were mapped", rest.len())
        }
    }
}

fn look(core: &Core, python: &Python, mut native: Option<&mut NativeStacks>, options: &Options) -> CoreSnapshot {
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
    // Of threads that are said to be one the first counts.
    let of_pthread: FxHashMap<u64, &CoreThread> =
        core.threads.iter().rev().filter(|thread| thread.pthread != 0).map(|thread| (thread.pthread, thread)).collect();
    let of_tid: FxHashMap<u32, &CoreThread> = core.threads.iter().rev().map(|thread| (thread.tid, thread)).collect();
    let hit = core.threads.first().filter(|_| core.signal != 0);
    let states_wanted = options.values.as_ref().is_some_and(|wanted| wanted.states);
    let is_hit = |thread: Option<&CoreThread>| thread.is_some() && thread == hit;
    let hit_state = |and: &str| {
        let doing = format!("hit by signal {}{and}", signal_name(core.signal));
        ThreadState { doing, ..ThreadState::default() }
    };
    let mut to_frames = Frames::of(&memory, python, options);
    let (mut first, mut incomplete) = (None, 0);
    let found = interpreters(&mut Reader::new(&mut window, &memory, 0), layout, python.runtime).unwrap_or_default();
    for interpreter in found.iter().rev() {
        let names = thread_names(&memory, layout, interpreter.at).unwrap_or_default();
        let states = threads(&mut Reader::new(&mut window, &memory, 0), layout, interpreter).unwrap_or_default();
        // Somebody is behind the last one, and can not be read.
        snapshot.dropped += usize::from(states.last().map_or(interpreter.threads_head, |last| last.next) != 0);
        let holder = interpreter.gil.and_then(|gil| {
            let locked = read_u32(&memory, gil.locked).ok()? != 0;
            read_u64(&memory, gil.last_holder).ok().filter(|_| locked)
        });
        for state in states.iter().rev() {
            let mut raw = Vec::new();
            let mut reader = Reader::new(&mut window, &memory, 0);
            // Who has something on its stack for its frames has frames (3.11 and 3.12).
            let none = state.frame == 0 && state.on_stack.is_some();
            let whole =
                !none && matches!(walk(&mut reader, layout, state.frame, state.base, &mut raw), Ok(Stack::Whole));
            let thread = of_pthread.get(&state.id);
            let thread = thread.or_else(|| of_tid.get(&u32::try_from(state.native_id?).ok()?)).copied();
            let tid = thread.map(|thread| thread.tid);
            let Named { mut frames, is_whole } = to_frames.frames(&raw, whole);
            incomplete += usize::from(!is_whole);
            if let (Some(native), Some(thread)) = (&mut native, thread)
                && let Some(mut mixed) = native.mixed(&memory, python, thread, &raw, &frames)
            {
                add_locals(&mut mixed, frames);
                frames = mixed;
            }
            let owns_gil = holder == Some(state.at);
            let mut doing = None;
            if states_wanted {
                let call = thread.and_then(CoreThread::waits_in);
                let about = to_frames.about(state, &raw, call.as_ref());
                let collecting = is_collecting(&memory, layout, python.runtime, interpreter.at).unwrap_or(false);
                // Of a thread without registers nothing is known.
                let runs = call.is_none() && thread.is_some_and(|thread| thread.registers.is_some());
                let known =
                    ThreadState::of(runs, owns_gil, call.as_ref(), interpreter.gil, about.wait.as_ref(), collecting);
                doing = Some(ThreadState { exception: about.exception.map(|shown| shown.repr), ..known });
            }
            if is_hit(thread) {
                first = first.or(Some(snapshot.threads.len()));
                let ThreadState { doing: said, .. } = hit_state("");
                doing = Some(ThreadState { doing: said, ..doing.unwrap_or_default() });
            }
            snapshot.threads.push(ThreadSnapshot {
                os_thread_id: tid,
                thread_id: state.id,
                name: names.get(&state.id).cloned(),
                active: true,
                owns_gil,
                frames,
                state: doing,
            });
        }
    }
    if let (Some(thread), None) = (hit, first) {
        first = Some(snapshot.threads.len());
        snapshot.threads.push(ThreadSnapshot {
            os_thread_id: Some(thread.tid),
            thread_id: thread.pthread,
            name: None,
            active: true,
            owns_gil: false,
            frames: native.as_mut().map(|native| native.alone(&memory, thread)).unwrap_or_default(),
            state: Some(hit_state("; it runs no Python")),
        });
    }
    if let Some(native) = native.filter(|_| options.native_all) {
        add_strangers(core, &memory, native, &mut snapshot.threads);
    }
    find_deadlocks(&mut snapshot.threads);
    // The one that was hit comes first.
    if let Some(first) = first {
        snapshot.threads[..=first].rotate_right(1);
    }
    CoreSnapshot { info, snapshot, signal: core.signal, incomplete }
}

/// Adds the threads that run no Python.
fn add_strangers(core: &Core, memory: &Pages<'_>, native: &mut NativeStacks, threads: &mut Vec<ThreadSnapshot>) {
    let known: FxHashSet<Option<u32>> = threads.iter().map(|thread| thread.os_thread_id).collect();
    for thread in core.threads.iter().filter(|thread| !known.contains(&Some(thread.tid))) {
        threads.push(ThreadSnapshot {
            os_thread_id: Some(thread.tid),
            thread_id: thread.pthread,
            // A core file has the name of its process only.
            name: None,
            active: true,
            owns_gil: false,
            frames: native.alone(memory, thread),
            state: None,
        });
    }
}
